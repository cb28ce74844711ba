#include "folders.h"

#include "file.h"
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- what is read --- */

/* Is there a file `proof` in it? Takes `path`: returned if so, else freed. */
static char *path_with(char *path, const char *proof)
{
    char *file = NULL;
    if (!path || asprintf(&file, "%s/%s", path, proof) < 0) {
        free(path);
        return NULL;
    }
    bool exists = access(file, F_OK) == 0;
    free(file);
    if (!exists) {
        free(path);
        return NULL;
    }
    return path;
}

static char *join(const char *folder, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* The folder of this program, without a slash at the end. False if the system does not tell. */
static bool program_dir(char *buffer, size_t size)
{
    ssize_t len = readlink("/proc/self/exe", buffer, size);
    if (len <= 0 || (size_t)len >= size) {
        return false;
    }
    buffer[len] = '\0';
    *strrchr(buffer, '/') = '\0';
    return true;
}

/* Wherever the installed tree was put, its folders stand as before to each other. The source tree is for
 * programs that were not installed. */
static char *find(const char *variable, const char *installed, const char *in_source, const char *proof)
{
    char dir[PATH_MAX];
    const char *wanted = getenv(variable);
    if (wanted && wanted[0]) {
        return strdup(wanted);
    }
    if (!program_dir(dir, sizeof dir)) {
        return NULL;
    }
#ifdef BUILD_DIR
    if (strncmp(dir, BUILD_DIR "/", sizeof BUILD_DIR) == 0) {
        return path_with(join(SOURCE_DIR, in_source), proof);
    }
#else
    (void)in_source;
#endif
    char *shared = join(dir, SHARED_FROM_BIN);
    char *path = shared ? path_with(join(shared, installed), proof) : NULL;
    free(shared);
    return path;
}

char *folders_web_dir(void)
{
    return find("LLAMAD_WEB_DIR", "web", "web/dist", "index.html");
}

char *folders_broker_config_dir(void)
{
    return find("LLAMAD_BROKER_CONFIG_DIR", "broker-config", "broker-config", "mosquitto.conf");
}

/* --- what is written --- */

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
            if (mkdir(part, 0755) == 0) {
                file_sync_folder(part);
            } else if (errno != EEXIST) {
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
        log_warning("%s: cluster.state_dir: cannot write to %s: %s", conf_origin(conf, "cluster.state_dir"),
                    wanted, strerror(-e));
        return e;
    }
    char *path = user_state_dir();
    int other = path ? make_writable(path) : -ENOENT;
    if (other != 0) {
        log_warning("cannot write to %s (%s) nor to %s (%s); set cluster.state_dir", wanted, strerror(-e),
                    path ? path : "a folder in HOME", strerror(-other));
        free(path);
        return other;
    }
    log_info("cannot write to %s (%s); state is kept in %s", wanted, strerror(-e), path);
    *ret_path = path;
    return 0;
}
