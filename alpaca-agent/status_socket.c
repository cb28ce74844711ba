#include "status_socket.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FOLDERS_MAX 3
#define PLAIN_MAX   48 /* bytes of a node's name that stand in the file's as they are */
#define NAME_SIZE   (PLAIN_MAX + 24)
#define BACKLOG     8
#define ENDING      ".sock"
#define ANSWER_MAX  65536
#define ACCEPTS_MAX 16 /* in one turn */

struct status_socket {
    status_socket_fn *write;
    void *user;
    int fd, folder; /* the folder's, by which the file is removed */
    char name[NAME_SIZE];
    struct loop_io *io;
};

/* --- where --- */

struct folders {
    char paths[FOLDERS_MAX][PATH_MAX];
    size_t count;
};

static void add_folder(struct folders *folders, const char *parent, const char *child)
{
    int len = snprintf(folders->paths[folders->count], PATH_MAX, "%s%s", parent, child);
    folders->count += len > 0 && len < PATH_MAX;
}

static void find_folders(struct folders *folders)
{
    const char *only = getenv("ALPACA_RUNTIME_DIR"), *of_unit = getenv("RUNTIME_DIRECTORY"),
               *of_user = getenv("XDG_RUNTIME_DIR");
    folders->count = 0;
    if (only && *only) {
        add_folder(folders, only, "");
        return;
    }
    if (of_unit && *of_unit == '/') { /* systemd lists several with colons; the first is the unit's own */
        add_folder(folders, of_unit, "");
        folders->paths[0][strcspn(folders->paths[0], ":")] = '\0';
    }
    add_folder(folders, "/run/alpaca-agent", "");
    if (of_user && *of_user == '/') {
        add_folder(folders, of_user, "/alpaca-agent");
    }
}

/* A node's name holds more than a file's may, and up to 64 characters of four bytes each. */
static void name_of(const char *node, char name[NAME_SIZE])
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    size_t len = 0;
    bool changed = false;
    for (const char *c = node; *c; c++) {
        bool plain = isalnum((unsigned char)*c) || strchr("._-", *c);
        hash = (hash ^ (unsigned char)*c) * 16777619u;
        changed = changed || !plain || len == PLAIN_MAX;
        if (len < PLAIN_MAX) {
            name[len++] = plain ? *c : '_';
        }
    }
    if (changed) {
        snprintf(name + len, NAME_SIZE - len, "~%08x" ENDING, hash);
    } else {
        snprintf(name + len, NAME_SIZE - len, ENDING);
    }
}

/* Through the open folder, since an address has room for 107 bytes. */
static struct sockaddr_un address_of(int folder, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder, name);
    return address;
}

static int new_socket(int flags)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    return fd < 0 ? -errno : fd;
}

/* 0 or -errno; *ret_fd is connected. */
static int connect_to(int folder, const char *name, int flags, int *ret_fd)
{
    struct sockaddr_un address = address_of(folder, name);
    int fd = new_socket(flags);
    if (fd < 0) {
        return fd;
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int e = errno;
        close(fd);
        return -e;
    }
    *ret_fd = fd;
    return 0;
}

/* --- telling --- */

/* One write: what does not fit into the socket's buffer at once (some 200 KB) nobody is waited for. */
static void tell(struct status_socket *status, int fd)
{
    struct buf out = BUF_INIT;
    status->write(status->user, &out);
    if (!out.failed) {
        ssize_t sent = send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent; /* who has gone is not told */
    }
    buf_finish(&out);
}

static void on_connection(void *user, unsigned events)
{
    struct status_socket *status = user;
    (void)events;
    for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(status->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            return;
        }
        tell(status, fd);
        close(fd);
    }
}

/* A file that nobody listens on was left behind by one that was killed. */
static int bind_socket(struct status_socket *status)
{
    struct sockaddr_un address = address_of(status->folder, status->name);
    int other = -1;
    if (bind(status->fd, (struct sockaddr *)&address, sizeof address) == 0) {
        return 0;
    }
    if (errno != EADDRINUSE) {
        return -errno;
    }
    int e = connect_to(status->folder, status->name, SOCK_NONBLOCK, &other);
    if (e == 0 || e == -EAGAIN) {
        if (e == 0) {
            close(other);
        }
        return -EADDRINUSE;
    }
    unlinkat(status->folder, status->name, 0);
    return bind(status->fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : -errno;
}

static int listen_in(struct status_socket *status, const char *path)
{
    mkdir(path, 0755); /* it is there, or may not be made: the next line tells */
    status->folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (status->folder < 0) {
        return -errno;
    }
    status->fd = new_socket(SOCK_NONBLOCK);
    int e = status->fd < 0 ? status->fd : bind_socket(status);
    struct sockaddr_un address = address_of(status->folder, status->name);
    if (e == 0 && (chmod(address.sun_path, 0666) != 0 || listen(status->fd, BACKLOG) != 0)) {
        e = -errno;
        unlinkat(status->folder, status->name, 0);
    }
    if (e != 0) {
        if (status->fd >= 0) {
            close(status->fd);
        }
        close(status->folder);
        status->fd = status->folder = -1;
    }
    return e;
}

int status_socket_create(struct loop *loop, const char *node, status_socket_fn *write, void *user,
                         struct status_socket **ret_socket)
{
    struct folders folders;
    struct status_socket *status = calloc(1, sizeof *status);
    if (!status) {
        return -ENOMEM;
    }
    *status = (struct status_socket){.write = write, .user = user, .fd = -1, .folder = -1};
    name_of(node, status->name);
    find_folders(&folders);
    int e = -ENOENT;
    for (size_t i = 0; i < folders.count && e != 0 && e != -EADDRINUSE; i++) {
        e = listen_in(status, folders.paths[i]);
    }
    if (e == 0 && !(status->io = loop_io_create(loop, status->fd, on_connection, status))) {
        e = -ENOMEM;
    }
    e = e ? e : loop_io_watch(status->io, LOOP_READ);
    if (e != 0) {
        status_socket_destroy(status);
        return e == -EADDRINUSE || e == -ENOMEM ? e : -ENOENT;
    }
    *ret_socket = status;
    return 0;
}

void status_socket_destroy(struct status_socket *status)
{
    if (!status) {
        return;
    }
    if (status->io) {
        loop_io_destroy(status->io);
    }
    if (status->fd >= 0) {
        unlinkat(status->folder, status->name, 0);
        close(status->fd);
        close(status->folder);
    }
    free(status);
}

/* --- asking --- */

static int read_answer(int fd, int64_t until_ms, char **ret_answer, size_t *ret_len)
{
    char *answer = malloc(ANSWER_MAX);
    size_t len = 0;
    int e = answer ? 0 : -ENOMEM;
    while (e == 0) {
        int64_t left_ms = until_ms - clock_now().mono_ms;
        struct pollfd waited = {.fd = fd, .events = POLLIN};
        int ready = left_ms > 0 ? poll(&waited, 1, (int)left_ms) : 0;
        if (ready <= 0) {
            e = ready == 0 ? -ETIMEDOUT : errno == EINTR ? 0 : -errno;
            continue;
        }
        ssize_t n = read(fd, answer + len, ANSWER_MAX - len);
        if (n == 0) {
            break;
        }
        e = n < 0 ? -errno : 0;
        len += n > 0 ? (size_t)n : 0;
    }
    if (e != 0) {
        free(answer);
        return e;
    }
    *ret_answer = answer;
    *ret_len = len;
    return 0;
}

/* In one folder; -ENOENT and -ECONNREFUSED: nobody is there. */
static int ask_in(const char *path, const char *name, int64_t until_ms, char **ret_answer, size_t *ret_len)
{
    int fd = -1, folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return -errno;
    }
    int e = connect_to(folder, name, SOCK_NONBLOCK, &fd);
    close(folder);
    if (e != 0) {
        return e == -EAGAIN ? -ETIMEDOUT : e; /* its queue is full: it accepts nobody any more */
    }
    e = read_answer(fd, until_ms, ret_answer, ret_len);
    close(fd);
    return e;
}

/* The name of the only socket, of whatever agent. 0, -ECONNREFUSED for none, -ENOTUNIQ. */
static int find_only(const struct folders *folders, char name[NAME_SIZE])
{
    size_t found = 0;
    for (size_t i = 0; i < folders->count; i++) {
        DIR *dir = opendir(folders->paths[i]);
        for (const struct dirent *entry; dir && (entry = readdir(dir));) {
            size_t len = strlen(entry->d_name), end = sizeof ENDING - 1;
            if (len < NAME_SIZE && len > end && strcmp(entry->d_name + len - end, ENDING) == 0) {
                memcpy(name, entry->d_name, len + 1);
                found++;
            }
        }
        if (dir) {
            closedir(dir);
        }
    }
    return found == 1 ? 0 : found > 1 ? -ENOTUNIQ : -ECONNREFUSED;
}

int status_socket_ask(const char *node, uint32_t timeout_ms, char **ret_answer, size_t *ret_len)
{
    struct folders folders;
    char name[NAME_SIZE];
    int64_t until_ms = clock_now().mono_ms + timeout_ms;
    int result = -ECONNREFUSED;
    find_folders(&folders);
    if (node) {
        name_of(node, name);
    } else {
        int e = find_only(&folders, name);
        if (e != 0) {
            return e;
        }
    }
    for (size_t i = 0; i < folders.count; i++) {
        int e = ask_in(folders.paths[i], name, until_ms, ret_answer, ret_len);
        if (e == 0) {
            return 0;
        }
        if (e != -ENOENT && e != -ECONNREFUSED && e != -ENOTDIR) {
            result = e;
        }
    }
    return result;
}
