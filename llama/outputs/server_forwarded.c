#include "server_forwarded.h"

#include <string.h>
#include <strings.h>

/* The last element of a list with commas in text[0..*len), without the white space around it; *len is what is
 * left before it. */
static const char *last_element(const char *text, size_t *len, size_t *ret_len)
{
    size_t end = *len;
    while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t')) {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && text[begin - 1] != ',') {
        begin--;
    }
    *len = begin > 0 ? begin - 1 : 0;
    while (begin < end && (text[begin] == ' ' || text[begin] == '\t')) {
        begin++;
    }
    *ret_len = end - begin;
    return text + begin;
}

/* From the nearest on, as long as those who say it are trusted. */
static void read_for(const char *text, const struct peer_network *trusted, size_t count, struct peer *peer)
{
    size_t len = strlen(text), n;
    while (len > 0 && peer_in(peer, trusted, count)) {
        char address[PEER_TEXT];
        const char *element = last_element(text, &len, &n);
        if (n >= sizeof address) {
            return;
        }
        memcpy(address, element, n);
        address[n] = '\0';
        if (!peer_parse(address, peer)) {
            return; /* "unknown", or nonsense: the last one who can be named it is */
        }
    }
}

static bool with_slashes(const char *path, size_t len, char ret[COOKIE_PATH_MAX + 1])
{
    char copy[COOKIE_PATH_MAX + 1];
    if (len + 1 > COOKIE_PATH_MAX) {
        return false;
    }
    memcpy(copy, path, len);
    if (len == 0 || copy[len - 1] != '/') {
        copy[len++] = '/';
    }
    copy[len] = '\0';
    if (!cookie_path_valid(copy)) {
        return false;
    }
    memcpy(ret, copy, len + 1);
    return true;
}

void forwarded_read(const struct forwarded_headers *headers, const struct peer_network *trusted, size_t count,
                    struct forwarded *how)
{
    if (!peer_in(&how->peer, trusted, count)) {
        return;
    }
    if (headers->x_for) {
        read_for(headers->x_for, trusted, count, &how->peer);
    }
    if (headers->x_proto) {
        size_t len = strlen(headers->x_proto), n;
        const char *proto = last_element(headers->x_proto, &len, &n);
        how->https = n == 5 && strncasecmp(proto, "https", 5) == 0;
    }
    if (headers->x_prefix) {
        with_slashes(headers->x_prefix, strlen(headers->x_prefix), how->path);
    }
}

bool forwarded_public_path(const char *public_url, char ret[COOKIE_PATH_MAX + 1])
{
    const char *authority = strstr(public_url, "://");
    const char *path = authority ? strchr(authority + 3, '/') : NULL;
    return with_slashes(path ? path : "/", path ? strlen(path) : 1, ret);
}
