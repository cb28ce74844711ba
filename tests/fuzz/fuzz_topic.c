/* Topics and names: a node that a topic names is one that a topic can be made for. */
#include "fuzz.h"
#include "topic.h"

#include <stdlib.h>
#include <string.h>

static void check_topic(const char *text)
{
    struct topic topic;
    char name[NODE_NAME_MAX + 1], again[TOPIC_SIZE];
    if (!topic_parse("alpaca", text, &topic) || !node_name_valid(topic.node, topic.node_len, NULL)) {
        return;
    }
    memcpy(name, topic.node, topic.node_len);
    name[topic.node_len] = '\0';
    require(topic_format("alpaca", name, topic.kind, again, sizeof again) == 0);
    require(strcmp(again, text) == 0);
}

static void check_percent(const char *text, size_t len)
{
    char *encoded = malloc(3 * len + 1), *decoded = malloc(3 * len + 1);
    size_t decoded_len;
    require(encoded && decoded);
    size_t encoded_len = percent_encode(text, len, encoded);
    int e = percent_decode(encoded, encoded_len, decoded, 3 * len + 1, &decoded_len);
    require(memchr(text, '\0', len) ? e != 0
                                    : e == 0 && decoded_len == len && memcmp(decoded, text, len) == 0);
    if (percent_decode(text, len, decoded, len + 1, &decoded_len) == 0) {
        require(decoded_len <= len && decoded[decoded_len] == '\0');
    }
    free(encoded);
    free(decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    const char *why = NULL;
    check_topic(text);
    check_percent(text, size);
    require(node_name_valid(text, size, &why) || why);
    base_topic_valid(text, &why);
    free(text);
    return 0;
}
