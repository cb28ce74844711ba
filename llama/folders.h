/*
 * folders: where llamad finds its files: the built dashboard, broker-config/, and a folder for state that it
 * may write to.
 */
#ifndef FOLDERS_H
#define FOLDERS_H

#include "conf.h"

/* The built dashboard: $LLAMAD_WEB_DIR, or as installed (found from where this program is), or in the source
 * tree. Malloc'ed; NULL if there is none. */
char *folders_web_dir(void);
/* The same for broker-config: $LLAMAD_BROKER_CONFIG_DIR, or as installed, or in the source tree. */
char *folders_broker_config_dir(void);
/* cluster.state_dir, made if need be. Where nobody set it and the default is not ours to write, a folder of
 * the user's ($XDG_STATE_HOME/llamad, ~/.local/state/llamad), and the log says so. 0 with a malloc'ed path,
 * or -errno, logged. */
int folders_state_dir(const struct conf *conf, char **ret_path);

#endif
