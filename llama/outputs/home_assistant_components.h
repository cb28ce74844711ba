/*
 * home_assistant_components: what a discovery message announces, as far as the next one depends on it. Pure.
 */
#ifndef HOME_ASSISTANT_COMPONENTS_H
#define HOME_ASSISTANT_COMPONENTS_H

#include "home_assistant_name.h"
#include "home_assistant_unit.h"

#define HA_ORIGIN         "smollama-cluster"
#define HA_KEY_SIZE       (HA_SLUG_SIZE + 2)
#define HA_COMPONENTS_MAX 4096 /* of a message; of ours none has half as many */

struct ha_component {
    char key[HA_KEY_SIZE];
    enum ha_kind kind;
    bool removed;         /* stands in the message to be removed */
    int64_t odd_since_ms; /* monotonic; its values have been of a wider kind since; 0 = they fit */
};
struct ha_components { /* sorted by key, once that was done; start with zeroed memory */
    struct ha_component *list;
    size_t count, cap;
};
void ha_components_finish(struct ha_components *components);
/* Appends one; NULL without memory. Borrowed until the next. */
struct ha_component *ha_components_add(struct ha_components *components, const char *key, enum ha_kind kind,
                                       bool removed);
void ha_components_sort(struct ha_components *components);
/* Of a sorted list; NULL = not there. */
const struct ha_component *ha_components_find(const struct ha_components *components, const char *key);
/* What a message of ours announces. 0, -EBADMSG (not JSON), -EPERM (not of ours), -E2BIG, -ENOMEM. */
int ha_components_read(const char *payload, size_t len, struct ha_components *ret_components);

#endif
