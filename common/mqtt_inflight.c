#include "mqtt_inflight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 16

static struct mqtt_inflight_slot *slot_of(struct mqtt_inflight_slot *slots, size_t size, uint16_t mid)
{
    return &slots[mid & (size - 1)];
}

/* What was apart in the smaller table is apart in the larger one. */
static int grow(struct mqtt_inflight *inflight)
{
    size_t size = inflight->size ? 2 * inflight->size : FIRST_SIZE;
    struct mqtt_inflight_slot *slots = calloc(size, sizeof *slots);
    if (!slots) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < inflight->size; i++) {
        if (inflight->slots[i].topic) {
            *slot_of(slots, size, inflight->slots[i].mid) = inflight->slots[i];
        }
    }
    free(inflight->slots);
    inflight->slots = slots;
    inflight->size = size;
    return 0;
}

int mqtt_inflight_add(struct mqtt_inflight *inflight, uint16_t mid, const char *topic, size_t len)
{
    free(mqtt_inflight_take(inflight, mid)); /* a number that came round again */
    char *copy = strdup(topic);
    if (!copy) {
        return -ENOMEM;
    }
    while (inflight->size == 0 || slot_of(inflight->slots, inflight->size, mid)->topic) {
        int e = grow(inflight); /* ends at 65,536 slots, one for each number */
        if (e) {
            free(copy);
            return e;
        }
    }
    *slot_of(inflight->slots, inflight->size, mid) =
        (struct mqtt_inflight_slot){.topic = copy, .len = len, .mid = mid};
    inflight->count++;
    inflight->bytes += len;
    return 0;
}

char *mqtt_inflight_take(struct mqtt_inflight *inflight, uint16_t mid)
{
    if (inflight->size == 0) {
        return NULL;
    }
    struct mqtt_inflight_slot *slot = slot_of(inflight->slots, inflight->size, mid);
    if (!slot->topic || slot->mid != mid) {
        return NULL;
    }
    char *topic = slot->topic;
    inflight->count--;
    inflight->bytes -= slot->len;
    *slot = (struct mqtt_inflight_slot){0};
    return topic;
}

bool mqtt_inflight_has(const struct mqtt_inflight *inflight, const char *topic)
{
    for (size_t i = 0; inflight->count > 0 && i < inflight->size; i++) {
        if (inflight->slots[i].topic && strcmp(inflight->slots[i].topic, topic) == 0) {
            return true;
        }
    }
    return false;
}

void mqtt_inflight_clear(struct mqtt_inflight *inflight)
{
    for (size_t i = 0; i < inflight->size; i++) {
        free(inflight->slots[i].topic);
    }
    free(inflight->slots);
    *inflight = (struct mqtt_inflight){0};
}
