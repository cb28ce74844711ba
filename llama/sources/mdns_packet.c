#include "mdns_packet.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define HEADER_SIZE  12
#define FLAG_ANSWER  0x8000u
#define POINTER_BITS 0xC0u
#define TYPE_SRV     33
#define FIXED_SIZE   10  /* type, class, TTL, length of the data */
#define LABELS_MAX   127 /* of one name: 255 bytes hold no more */
#define NAME_SIZE    256

struct packet {
    const unsigned char *data;
    size_t len, at;
};

/* A name as its first label, and the others with a dot before each. */
struct name {
    size_t first_len;
    char first[MDNS_LABEL_MAX + 1];
    size_t rest_len;
    char rest[NAME_SIZE + 1];
};

static unsigned read_u16(const struct packet *packet, size_t at)
{
    return (unsigned)packet->data[at] << 8 | packet->data[at + 1];
}

static bool add_label(struct name *name, const char *label, size_t len, size_t index)
{
    if (index == 0) {
        memcpy(name->first, label, len);
        name->first_len = len;
        return true;
    }
    if (name->rest_len + 1 + len > NAME_SIZE) {
        return false;
    }
    name->rest[name->rest_len++] = '.';
    memcpy(name->rest + name->rest_len, label, len);
    name->rest_len += len;
    return true;
}

/* Follows compression: each pointer must lead further back than the last, so it ends. Leaves `at` behind the
 * name. */
static bool read_name(struct packet *packet, struct name *ret_name)
{
    size_t at = packet->at, back = packet->at;
    bool jumped = false;
    ret_name->first_len = ret_name->rest_len = 0;
    for (size_t index = 0; index <= LABELS_MAX;) {
        if (at >= packet->len) {
            return false;
        }
        unsigned len = packet->data[at];
        if ((len & POINTER_BITS) == POINTER_BITS) {
            if (at + 2 > packet->len) {
                return false;
            }
            size_t target = read_u16(packet, at) & 0x3FFFu;
            packet->at = jumped ? packet->at : at + 2;
            jumped = true;
            if (target >= back) {
                return false;
            }
            at = back = target;
        } else if (len == 0) {
            packet->at = jumped ? packet->at : at + 1;
            ret_name->rest[ret_name->rest_len] = '\0';
            return true;
        } else if (len > MDNS_LABEL_MAX || at + 1 + len > packet->len ||
                   !add_label(ret_name, (const char *)packet->data + at + 1, len, index)) {
            return false;
        } else {
            at += 1 + (size_t)len;
            index++;
        }
    }
    return false;
}

/* ".<type>.local" */
static bool is_of_type(const struct name *name, const char *type)
{
    static const char domain[] = ".local";
    size_t type_len = strlen(type);
    return name->first_len > 0 && name->rest_len == 1 + type_len + sizeof domain - 1 &&
           strlen(name->rest) == name->rest_len && strncasecmp(name->rest + 1, type, type_len) == 0 &&
           strcasecmp(name->rest + 1 + type_len, domain) == 0;
}

static bool skip_questions(struct packet *packet, unsigned count)
{
    struct name name;
    while (count-- > 0) {
        if (!read_name(packet, &name) || packet->len - packet->at < 4) {
            return false;
        }
        packet->at += 4;
    }
    return true;
}

bool mdns_packet_services(const unsigned char *data, size_t len, const char *type, mdns_packet_fn *found,
                          void *user)
{
    struct packet packet = {.data = data, .len = len, .at = HEADER_SIZE};
    if (len < HEADER_SIZE || !(read_u16(&packet, 2) & FLAG_ANSWER) ||
        !skip_questions(&packet, read_u16(&packet, 4))) {
        return false;
    }
    unsigned records = read_u16(&packet, 6) + read_u16(&packet, 8) + read_u16(&packet, 10);
    while (records-- > 0) {
        struct name name;
        if (!read_name(&packet, &name) || packet.len - packet.at < FIXED_SIZE) {
            return false;
        }
        bool goodbye = read_u16(&packet, packet.at + 4) == 0 && read_u16(&packet, packet.at + 6) == 0;
        bool is_srv = read_u16(&packet, packet.at) == TYPE_SRV;
        size_t data_len = read_u16(&packet, packet.at + 8);
        packet.at += FIXED_SIZE;
        if (packet.len - packet.at < data_len) {
            return false;
        }
        packet.at += data_len;
        if (is_srv && !goodbye && is_of_type(&name, type)) {
            found(user, name.first, name.first_len);
        }
    }
    return true;
}
