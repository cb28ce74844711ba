/* A packet of anybody's in the local network. */
#include "fuzz.h"
#include "mdns_packet.h"

static void found(void *user, const char *instance, size_t len)
{
    uint8_t *sum = user;
    require(len >= 1 && len <= MDNS_LABEL_MAX);
    for (size_t i = 0; i < len; i++) {
        *sum = (uint8_t)(*sum + (uint8_t)instance[i]); /* all of it can be read */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t sum = 0;
    mdns_packet_services(data, size, "_smollama._tcp", found, &sum);
    return 0;
}
