#include "outlet.h"

#include <errno.h>
#include <string.h>

uint64_t outlet_hash(const char *data, size_t len)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
    }
    return hash ? hash : 1;
}

void outlet_leave_out(struct outlet *outlet, uint64_t count, const char *name, const char *why)
{
    uint64_t before;
    outlet->left_out += count;
    if (count > 0 && log_limit_pass(&outlet->limit, clock_now().mono_ms, &before)) {
        char shown[LOG_TEXT];
        log_warning("%s: not all of %s %s: %s", outlet->who,
                    log_escape(shown, sizeof shown, name, strlen(name)), outlet->what, why);
    }
}

int outlet_publish(struct outlet *outlet, const char *topic, const char *data, size_t len)
{
    int e = mqtt_publish(outlet->mqtt, topic, data, len, 1, mqtt_retains(outlet->mqtt), 0);
    if (e == -ENOTCONN || e == -ENOBUFS || e == -ENOMEM) {
        return e;
    }
    if (e == 0) {
        outlet->messages++;
    } else {
        outlet_leave_out(outlet, 1, topic, strerror(-e));
    }
    return 0;
}

size_t outlet_room(const struct outlet *outlet, size_t head, size_t least, size_t most)
{
    size_t packet = mqtt_max_packet(outlet->mqtt);
    size_t room = packet > least + head ? packet - head : least;
    return room < most ? room : most;
}
