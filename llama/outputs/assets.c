#include "assets.h"

#include "assets_pack.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_LEN_MAX 512

struct asset {
    char *path; /* owned; from the root: "/app.js" */
    const char *type;
    char etag[24], packed_etag[24];
    struct body *body;
    struct body *packed; /* by gzip; NULL = not worth it */
};

struct assets {
    struct asset *files;
    size_t count, bytes;
};

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {{".html", "text/html; charset=utf-8"},
                                           {".js", "text/javascript; charset=utf-8"},
                                           {".mjs", "text/javascript; charset=utf-8"},
                                           {".css", "text/css; charset=utf-8"},
                                           {".json", "application/json"},
                                           {".map", "application/json"},
                                           {".webmanifest", "application/manifest+json"},
                                           {".svg", "image/svg+xml"},
                                           {".png", "image/png"},
                                           {".ico", "image/x-icon"},
                                           {".woff2", "font/woff2"},
                                           {".txt", "text/plain; charset=utf-8"}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++) {
        if (strcasecmp(dot, types[i][0]) == 0) {
            return types[i][1];
        }
    }
    return "application/octet-stream";
}

static void make_etag(struct asset *asset)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < asset->body->len; i++) {
        hash = (hash ^ (unsigned char)asset->body->data[i]) * 0x100000001b3u;
    }
    snprintf(asset->etag, sizeof asset->etag, "\"%016llx\"", (unsigned long long)hash);
    snprintf(asset->packed_etag, sizeof asset->packed_etag, "\"%016llx-g\"", (unsigned long long)hash);
}

/* Takes data; copies path. */
static int add_asset(struct assets *assets, const char *path, char *data, size_t len)
{
    struct asset *files = realloc(assets->files, (assets->count + 1) * sizeof *files);
    if (!files) {
        free(data);
        return -ENOMEM;
    }
    assets->files = files;
    struct asset *asset = &files[assets->count];
    *asset = (struct asset){.path = strdup(path), .type = type_of(path), .body = body_take(data, len)};
    if (!asset->path || !asset->body) {
        free(asset->path);
        body_unref(asset->body);
        return -ENOMEM;
    }
    size_t packed_len = 0;
    char *packed = assets_pack(asset->body->data, asset->body->len, &packed_len);
    asset->packed = packed ? body_take(packed, packed_len) : NULL;
    make_etag(asset);
    assets->count++;
    assets->bytes += len;
    return 0;
}

/* ---- reading the folder ---- */

/* The whole file; NULL with errno. */
static char *read_file(int fd, size_t len)
{
    char *data = malloc(len ? len : 1);
    size_t used = 0;
    while (data && used < len) {
        ssize_t n = read(fd, data + used, len - used);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) { /* it shrank meanwhile, or cannot be read */
            int e = n < 0 ? errno : EIO;
            free(data);
            errno = e;
            return NULL;
        }
        used += (size_t)n;
    }
    return data;
}

static int load_file(struct assets *assets, int fd, const char *path, const struct stat *st)
{
    size_t len = (size_t)st->st_size;
    if (assets->count == ASSETS_MAX_FILES || len > ASSETS_MAX_FILE ||
        assets->bytes + len > ASSETS_MAX_BYTES) {
        log_warning("dashboard: %s is left out: more than the limits allow", path);
        return 0;
    }
    char *data = read_file(fd, len);
    if (!data) {
        log_warning("dashboard: %s: %s", path, strerror(errno));
        return 0;
    }
    return add_asset(assets, path, data, len);
}

static int load_dir(struct assets *assets, int dir_fd, const char *path, unsigned depth);

static int load_entry(struct assets *assets, int dir_fd, const char *dir, const char *name, unsigned depth)
{
    char path[PATH_LEN_MAX];
    struct stat st;
    if (name[0] == '.') {
        return 0;
    }
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = n < (int)sizeof path ? openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd < 0) {
        log_warning("dashboard: %s/%s is left out: %s", dir, name,
                    errno == ELOOP ? "a symbolic link" : strerror(errno));
        return 0;
    }
    int e = 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        e = load_file(assets, fd, path, &st);
    } else if (S_ISDIR(st.st_mode) && depth < ASSETS_MAX_DEPTH) {
        return load_dir(assets, fd, path, depth + 1);
    }
    close(fd);
    return e;
}

/* Takes the descriptor. */
static int load_dir(struct assets *assets, int dir_fd, const char *path, unsigned depth)
{
    DIR *dir = fdopendir(dir_fd);
    if (!dir) {
        close(dir_fd);
        return -errno;
    }
    int e = 0;
    for (struct dirent *entry; e == 0 && (entry = readdir(dir));) {
        e = load_entry(assets, dir_fd, path, entry->d_name, depth);
    }
    closedir(dir);
    return e;
}

static int add_placeholder(struct assets *assets)
{
    static const char page[] =
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>llamad</title>\n"
        "<h1>llamad is running</h1>\n<p>The dashboard's files are not installed. The API is at "
        "<a href=\"/api/cluster/nodes\">/api/cluster/nodes</a>.\n</html>\n";
    char *data = strdup(page);
    return data ? add_asset(assets, "/index.html", data, sizeof page - 1) : -ENOMEM;
}

static const struct asset *find(const struct assets *assets, const char *path)
{
    for (size_t i = 0; i < assets->count; i++) {
        if (strcmp(assets->files[i].path, path) == 0) {
            return &assets->files[i];
        }
    }
    return NULL;
}

struct assets *assets_load(const char *dir)
{
    struct assets *assets = calloc(1, sizeof *assets);
    if (!assets) {
        return NULL;
    }
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int e = fd >= 0 ? load_dir(assets, fd, "", 0) : 0;
    if (dir && fd < 0) {
        log_warning("dashboard: %s: %s", dir, strerror(errno));
    }
    if (e == 0 && !find(assets, "/index.html")) {
        e = add_placeholder(assets);
    }
    if (e != 0) {
        assets_destroy(assets);
        return NULL;
    }
    return assets;
}

void assets_destroy(struct assets *assets)
{
    if (!assets) {
        return;
    }
    for (size_t i = 0; i < assets->count; i++) {
        free(assets->files[i].path);
        body_unref(assets->files[i].body);
        body_unref(assets->files[i].packed);
    }
    free(assets->files);
    free(assets);
}

/* ---- answering ---- */

static void answer_text(struct api_response *response, int status, const char *text)
{
    char *data = strdup(text);
    *response = (struct api_response){.status = status, .content_type = "text/plain; charset=utf-8"};
    response->body = data ? body_take(data, strlen(text)) : NULL;
}

void assets_handle(const struct assets *assets, enum api_method method, const char *path,
                   const char *if_none_match, bool gzip, struct api_response *ret_response)
{
    if (method != API_GET && method != API_HEAD) {
        answer_text(ret_response, 405, "This address can only be read.\n");
        ret_response->allow = "GET, HEAD";
        return;
    }
    const struct asset *asset = find(assets, strcmp(path, "/") == 0 ? "/index.html" : path);
    if (!asset) {
        answer_text(ret_response, 404, "There is nothing at this address.\n");
        return;
    }
    bool packed = gzip && asset->packed;
    const char *etag = packed ? asset->packed_etag : asset->etag;
    *ret_response = (struct api_response){
        .status = 200, .content_type = asset->type, .varies = asset->packed != NULL, .gzip = packed};
    memcpy(ret_response->etag, etag, sizeof asset->etag);
    if (if_none_match && api_etag_listed(if_none_match, etag)) {
        ret_response->status = 304;
        ret_response->content_type = NULL;
        ret_response->gzip = false;
        return;
    }
    ret_response->body = body_ref(packed ? asset->packed : asset->body);
}
