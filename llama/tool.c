#include "tool.h"

#include "file.h"
#include "folders.h"
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void tool_error(const char *name, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "llamad %s: ", name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int tool_usage(const char *name, const char *what, const char *which)
{
    tool_error(name, "%s%s%s; try 'llamad %s --help'", what, which ? " " : "", which ? which : "", name);
    return TOOL_USAGE;
}

struct conf *tool_conf(const char *name, const char *file)
{
    static const char installed[] = SYSCONFDIR "/llamad/config.yaml";
    struct conf *conf = conf_load(file || !file_may_exist(installed) ? file : installed, getenv);
    if (!conf) {
        tool_error(name, "%s", strerror(errno));
        return NULL;
    }
    for (size_t i = 0; i < conf_problem_count(conf); i++) {
        const struct conf_problem *problem = conf_problem(conf, i);
        if (problem->severity == CONF_ERROR) {
            tool_error(name, "%s", problem->text);
        }
    }
    if (conf_has_errors(conf)) {
        conf_destroy(conf);
        return NULL;
    }
    return conf;
}

char *tool_folder(const char *name, const struct conf *conf, const char *part)
{
    char *state = NULL, *folder = NULL;
    log_set_level(LOG_LEVEL_WARNING);
    if (folders_state_dir(conf, &state) != 0) {
        return NULL; /* it has said why */
    }
    if (asprintf(&folder, "%s/%s", state, part) < 0) {
        tool_error(name, "out of memory");
        folder = NULL;
    }
    free(state);
    return folder;
}

const char *tool_date(int64_t epoch_s, char buffer[TOOL_DATE_SIZE])
{
    time_t seconds = (time_t)epoch_s;
    struct tm parts;
    if (!gmtime_r(&seconds, &parts) || strftime(buffer, TOOL_DATE_SIZE, "%Y-%m-%d", &parts) == 0) {
        snprintf(buffer, TOOL_DATE_SIZE, "?");
    }
    return buffer;
}
