/*
 * tool: what the subcommands that manage llamad's files share: its configuration and its folders.
 *
 * What they find wrong goes to stderr as "llamad NAME: …".
 */
#ifndef TOOL_H
#define TOOL_H

#include "conf.h"

enum { TOOL_USAGE = 64, TOOL_CONFIG = 78 };

/* The configuration in `file` (NULL: the service's, if it is installed, else where llamad looks for it); the
 * caller's to destroy. NULL after telling what is wrong with it. */
struct conf *tool_conf(const char *name, const char *file);
/* <cluster.state_dir>/<part>, made as far as the state's own folder goes; the caller's to free. NULL after
 * telling why. */
char *tool_folder(const char *name, const struct conf *conf, const char *part);
/* "what which; try 'llamad NAME --help'"; `which` may be NULL. TOOL_USAGE. */
int tool_usage(const char *name, const char *what, const char *which);
void tool_error(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "2029-03-04" in UTC. */
#define TOOL_DATE_SIZE 32
const char *tool_date(int64_t epoch_s, char buffer[TOOL_DATE_SIZE]);

#endif
