/* What a browser asks of the live WebSocket: node=, since=, instance=, parts=. */
#include "fuzz.h"
#include "live_request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct live_request request;
    const char *why = NULL;
    char *text = fuzz_text(data, size);
    if (live_request_read(text, "instance", 1000, &request, &why) == 0) {
        require(!*request.node || node_name_valid(request.node, strlen(request.node), NULL));
        require(!request.resumes || request.since <= 1000);
    } else {
        require(why && *why);
    }
    free(text);
    return 0;
}
