#include "folders.h"

#include "log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *from_environment(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

static bool exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

const char *folders_web_dir(void)
{
    const char *wanted = from_environment("LLAMAD_WEB_DIR");
    if (wanted) {
        return wanted;
    }
    if (exists(INSTALLED_WEB_DIR "/index.html")) {
        return INSTALLED_WEB_DIR;
    }
    return exists(SOURCE_DIR "/web/dist/index.html") ? SOURCE_DIR "/web/dist" : NULL;
}

const char *folders_broker_config_dir(void)
{
    const char *wanted = from_environment("LLAMAD_BROKER_CONFIG_DIR");
    if (wanted) {
        return wanted;
    }
    bool installed = exists(INSTALLED_BROKER_CONFIG_DIR "/mosquitto.conf");
    return installed ? INSTALLED_BROKER_CONFIG_DIR : SOURCE_DIR "/broker-config";
}

/* As mkdir -p, and may we write there? 0 or -errno. */
static int make_writable(const char *path)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) {
        return -ENAMETOOLONG;
    }
    for (size_t i = 1; i <= len; i++) {
        if (path[i] == '/' || path[i] == '\0') {
            memcpy(part, path, i);
            part[i] = '\0';
            if (mkdir(part, 0755) != 0 && errno != EEXIST) {
                return -errno;
            }
        }
    }
    return access(path, W_OK | X_OK) == 0 ? 0 : -errno;
}

static char *user_state_dir(void)
{
    char *path = NULL;
    const char *base = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int e = -1;
    if (base && base[0] == '/') {
        e = asprintf(&path, "%s/llamad", base);
    } else if (home && home[0] == '/') {
        e = asprintf(&path, "%s/.local/state/llamad", home);
    }
    return e < 0 ? NULL : path;
}

int folders_state_dir(const struct conf *conf, char **ret_path)
{
    const char *wanted = conf_string(conf, "cluster.state_dir");
    int e = make_writable(wanted);
    if (e == 0) {
        *ret_path = strdup(wanted);
        return *ret_path ? 0 : -ENOMEM;
    }
    if (conf_is_set(conf, "cluster.state_dir")) {
        log_error("%s: cluster.state_dir: cannot write to %s: %s", conf_origin(conf, "cluster.state_dir"),
                  wanted, strerror(-e));
        return e;
    }
    char *path = user_state_dir();
    int other = path ? make_writable(path) : -ENOENT;
    if (other != 0) {
        log_error("cannot write to %s (%s) nor to %s (%s); set cluster.state_dir", wanted, strerror(-e),
                  path ? path : "a folder in HOME", strerror(-other));
        free(path);
        return other;
    }
    log_info("cannot write to %s (%s); state is kept in %s", wanted, strerror(-e), path);
    *ret_path = path;
    return 0;
}
