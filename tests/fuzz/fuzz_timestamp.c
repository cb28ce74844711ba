/* Times as nodes and HTTP servers write them: what is read is written so that it reads the same. */
#include "fuzz.h"
#include "timestamp.h"

#include <stdlib.h>
#include <string.h>

static void check_again(int64_t wall_ms)
{
    char text[TIMESTAMP_SIZE];
    if (wall_ms == TIMESTAMP_NONE) {
        return;
    }
    timestamp_format(wall_ms, text);
    if (strcmp(text, "-") != 0) {
        require(timestamp_parse(text, strlen(text), 0) == wall_ms);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t offsets[] = {0, -5 * 3600, TIMESTAMP_OFFSET_MAX, TIMESTAMP_OFFSET_UNKNOWN};
    const char *text = (const char *)data;
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        int64_t wall_ms = timestamp_parse(text, size, offsets[i]);
        require(!timestamp_is_naive(text, size) || offsets[i] != TIMESTAMP_OFFSET_UNKNOWN ||
                wall_ms == TIMESTAMP_NONE);
        check_again(wall_ms);
    }
    check_again(timestamp_parse_http(text, size));
    char *copy = fuzz_text(data, size);
    check_again(timestamp_from_epoch(strtod(copy, NULL)));
    free(copy);
    return 0;
}
