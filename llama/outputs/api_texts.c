#include "api_internal.h"
#include "ranking.h"
#include "timestamp.h"

#include <string.h>

#define ITEM_ROOM                                                                             \
    (6 * NODE_NAME_MAX + 64) /* bytes of an answer that an item takes beside its own, at most \
                              */

struct texts_filter {
    const struct query_param *text, *type;
    int64_t not_before_ms; /* by llamad's clock; TIMESTAMP_NONE = any */
};

/* `node` is the cache's, whose clock told the item's time. */
static bool text_fits(const struct texts_filter *filter, const struct item *item, const struct node *node)
{
    if (filter->not_before_ms != TIMESTAMP_NONE &&
        cache_our_time(node, item->at_ms) < filter->not_before_ms) {
        return false;
    }
    if (filter->type && !json_string_is(json_member(item_json(item), "type"), filter->type->value)) {
        return false;
    }
    return !filter->text || json_string_contains(json_member(item_json(item), "text"), filter->text->value,
                                                 filter->text->value_len);
}

/* What the node's own search found was chosen by the node, be it by meaning. */
static void offer_node(struct ranking *ranking, const struct texts_filter *filter, enum item_kind kind,
                       const struct node *node, const struct findings *findings)
{
    const struct found *found = findings ? findings_of(findings, node->name) : NULL;
    for (const struct item *item = node->items[kind]; item; item = item->next) {
        if (!(found && found_has(found, item)) && text_fits(filter, item, node)) {
            ranking_offer(ranking, item, node);
        }
    }
    struct texts_filter own = *filter;
    own.text = NULL;
    for (const struct item *item = found ? found->items : NULL; item; item = item->next) {
        if (text_fits(&own, item, node)) {
            ranking_offer(ranking, item, node);
        }
    }
}

/* How many of them fit into a merged answer. */
static size_t count_fitting(const struct ranking *ranking)
{
    size_t bytes = 0, count = 0;
    while (count < ranking->count) {
        bytes += ranking->items[count].item->json_len + ITEM_ROOM;
        if (bytes > LIMIT_DEEP_ANSWER) {
            break;
        }
        count++;
    }
    return count;
}

static void write_words(struct buf *out, const struct call *call)
{
    const struct findings *findings = call->findings;
    buf_json_key(out, "nodes");
    buf_char(out, '{');
    for (size_t i = 0; i < findings_count(findings); i++) {
        const struct found *found = findings_at(findings, i);
        bool known = cache_get(call->api->cache, found->name, strlen(found->name)) != NULL;
        buf_json_sep(out);
        buf_json_cstr(out, found->name);
        buf_char(out, ':');
        buf_json_cstr(out, known ? found->word : "forgotten");
    }
    buf_char(out, '}');
}

static void write_texts(struct buf *out, const struct call *call, const struct ranking *ranking,
                        enum item_kind kind)
{
    size_t count = call->findings ? count_fitting(ranking) : ranking->count;
    api_open_body(out, call->now);
    buf_printf(out, ",\"count\":%zu", count);
    if (call->findings) {
        write_words(out, call);
        buf_json_key(out, "cut");
        buf_json_bool(out, count < ranking->count);
    }
    buf_json_key(out, kind == ITEM_MEMORY ? "memories" : "observations");
    buf_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_json_sep(out);
        api_write_item(out, ranking->items[i].item);
    }
    buf_str(out, "]}");
}

static int render_texts(const struct call *call, enum item_kind kind, struct texts_filter filter,
                        struct buf *out, struct api_fault *ret_fault)
{
    struct ranking ranking;
    size_t limit = API_TEXTS_LIMIT;
    if (!query_limit(call->query, &limit)) {
        return api_bad_limit(ret_fault);
    }
    filter.text = query_find(call->query, "query");
    if (ranking_init(&ranking, limit, kind == ITEM_MEMORY ? ranking_confirmed : ranking_newest) != 0) {
        return api_no_memory(ret_fault);
    }
    for (size_t i = 0; i < call->nodes.count; i++) {
        offer_node(&ranking, &filter, kind, call->nodes.nodes[i], call->findings);
    }
    ranking_sort(&ranking);
    write_texts(out, call, &ranking, kind);
    ranking_finish(&ranking);
    return 0;
}

int api_render_observations(const struct call *call, struct buf *out, struct api_fault *ret_fault)
{
    struct texts_filter filter = {.type = query_find(call->query, "obs_type"),
                                  .not_before_ms = TIMESTAMP_NONE};
    double hours = 0;
    if (!query_hours(call->query, &hours)) {
        return api_fault(ret_fault, 400, "bad_request", "hours must be a positive number, or 0 for all");
    }
    if (hours > 0) {
        /* longer than Unix time is everything with a time */
        double span_ms = hours * 3600e3;
        filter.not_before_ms = span_ms < (double)call->now.wall_ms ? call->now.wall_ms - (int64_t)span_ms : 0;
    }
    return render_texts(call, ITEM_OBSERVATION, filter, out, ret_fault);
}

int api_render_memories(const struct call *call, struct buf *out, struct api_fault *ret_fault)
{
    struct texts_filter filter = {.not_before_ms = TIMESTAMP_NONE};
    return render_texts(call, ITEM_MEMORY, filter, out, ret_fault);
}
