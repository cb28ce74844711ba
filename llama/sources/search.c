#include "search.h"

#include "ask.h"
#include "topic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_MS     250
#define MINUTE_MS    60000
#define TOTAL_LIMITS 4                          /* time limits that a whole question may take */
#define KEPT_BYTES   ((size_t)32 * 1024 * 1024) /* of findings kept for who asks the same */

enum step {
    STEP_WAITS,
    STEP_LAST, /* waits behind all others: it was not there when the question was put */
    STEP_HELD, /* waits for a node that another question holds: its time runs already */
    STEP_ASKED,
    STEP_DONE
};

struct search_wait {
    struct search_wait *next;
    struct hunt *hunt;
    search_done_fn *done;
    void *user;
};

/* One question: under way, or kept with what it found. */
struct hunt {
    struct search *search;
    struct hunt *next;
    char *key, *path; /* what tells questions apart; what each node is asked. Owned */
    struct findings *findings;
    unsigned char *steps; /* enum step of each node */
    size_t first;         /* all before it are done */
    size_t left;          /* not done */
    struct search_wait *waits;
    int64_t begun_ms, ended_ms; /* monotonic; 0 = under way */
};

struct search {
    struct cache *cache;
    struct ask_context context;
    struct hunt *hunts; /* the oldest first */
    struct ask *asks;   /* under way */
    unsigned ask_count;
    struct loop_timer *sweep_timer; /* while there are hunts */
    uint32_t timeout_ms;
    int64_t begun_ms[SEARCH_PER_MINUTE]; /* of the last questions; 0 = none. A ring */
    size_t begun_next;
};

/* --- hunts --- */

static void hunt_free(struct hunt *hunt)
{
    free(hunt->key);
    free(hunt->path);
    free(hunt->steps);
    findings_unref(hunt->findings);
    free(hunt);
}

static void unlink_hunt(struct search *search, struct hunt *hunt)
{
    struct hunt **link = &search->hunts;
    while (*link != hunt) {
        link = &(*link)->next;
    }
    *link = hunt->next;
    hunt_free(hunt);
}

/* All nodes are done: those who wait are told, and what was found is kept for a while. */
static void hunt_end(struct hunt *hunt)
{
    hunt->ended_ms = clock_now().mono_ms;
    struct findings *findings = findings_ref(hunt->findings);
    while (hunt->waits) {
        struct search_wait *wait = hunt->waits;
        hunt->waits = wait->next;
        wait->done(wait->user, findings);
        free(wait);
    }
    findings_unref(findings);
}

static void set_done(struct hunt *hunt, size_t i)
{
    hunt->steps[i] = STEP_DONE;
    hunt->left--;
    while (hunt->first < findings_count(hunt->findings) && hunt->steps[hunt->first] == STEP_DONE) {
        hunt->first++;
    }
}

static void append_param(struct buf *out, const char *name, const char *text, size_t len)
{
    buf_printf(out, "%s=", name);
    char *to = buf_reserve(out, 3 * len + 1);
    if (to) {
        out->len += percent_encode(text, len, to);
    }
}

/* What a node is asked; the same for all, and before its names it tells questions apart. */
static char *make_path(const struct question *question)
{
    struct buf out = BUF_INIT;
    bool memories = question->kind == ITEM_MEMORY;
    size_t most = memories ? LIMIT_MEMORIES : LIMIT_OBSERVATIONS;
    buf_str(&out, memories ? "/api/memories?" : "/api/observations?");
    append_param(&out, "query", question->text, question->text_len);
    if (!memories && question->type) {
        append_param(&out, "&obs_type", question->type, question->type_len);
    }
    buf_str(&out, memories ? "" : "&hours=0"); /* what a node makes of hours= is wrong */
    buf_printf(&out, "&limit=%zu", question->limit < most ? question->limit : most);
    buf_char(&out, '\0');
    size_t len;
    char *path = buf_take(&out, &len);
    buf_finish(&out);
    return path;
}

static char *make_key(const struct question *question, const char *path)
{
    struct buf out = BUF_INIT;
    buf_str(&out, path);
    for (size_t i = 0; !question->all && i < question->node_count; i++) {
        buf_printf(&out, "/%s",
                   question->nodes[i]->name); /* no name holds a slash, and no path ends in one */
    }
    buf_char(&out, '\0');
    size_t len;
    char *key = buf_take(&out, &len);
    buf_finish(&out);
    return key;
}

/* Takes `key` and `path`. NULL without memory. */
static struct hunt *hunt_create(struct search *search, const struct question *question, char *key, char *path)
{
    struct hunt *hunt = calloc(1, sizeof *hunt);
    if (!hunt) {
        free(key);
        free(path);
        return NULL;
    }
    hunt->search = search;
    hunt->key = key;
    hunt->path = path;
    hunt->begun_ms = clock_now().mono_ms;
    hunt->findings = findings_create(question);
    hunt->steps = calloc(question->node_count + 1, 1);
    if (!hunt->findings || !hunt->steps) {
        hunt_free(hunt);
        return NULL;
    }
    hunt->left = question->node_count;
    for (size_t i = 0; i < question->node_count; i++) {
        const char *word = ask_refusal(question->nodes[i]);
        if (word) {
            findings_set_word(hunt->findings, i, word);
            set_done(hunt, i);
        } else if (question->nodes[i]->verdict.state == STATE_UNREACHABLE) {
            hunt->steps[i] = STEP_LAST;
        }
    }
    return hunt;
}

/* --- asking --- */

static bool is_busy(const struct search *search, const char *name)
{
    for (struct ask *ask = search->asks; ask; ask = *ask_link(ask)) {
        if (strcmp(ask_node(ask), name) == 0) {
            return true;
        }
    }
    return false;
}

static void begin_ask(struct hunt *hunt, size_t i)
{
    struct search *search = hunt->search;
    const char *name = findings_at(hunt->findings, i)->name;
    const struct node *node = cache_get(search->cache, name, strlen(name));
    const char *word = !node || strcmp(node->name, name) != 0 ? "forgotten" : ask_refusal(node);
    if (word) {
        findings_set_word(hunt->findings, i, word);
        set_done(hunt, i);
        return;
    }
    int64_t from_ms = hunt->steps[i] == STEP_HELD ? hunt->begun_ms : clock_now().mono_ms;
    struct ask *ask =
        ask_start(&search->context, hunt->findings, i, node, hunt->path, from_ms + search->timeout_ms, hunt);
    if (!ask) {
        set_done(hunt, i);
        return;
    }
    hunt->steps[i] = STEP_ASKED;
    *ask_link(ask) = search->asks;
    search->asks = ask;
    search->ask_count++;
}

/* Asks those who wait, or those who wait behind them. */
static void advance_waiting(struct hunt *hunt, enum step waiting)
{
    struct search *search = hunt->search;
    bool late = clock_now().mono_ms - hunt->begun_ms >= search->timeout_ms;
    size_t count = findings_count(hunt->findings);
    for (size_t i = hunt->first; i < count && search->ask_count < SEARCH_PARALLEL; i++) {
        if (hunt->steps[i] != waiting && hunt->steps[i] != STEP_HELD) {
            continue;
        }
        if (!is_busy(search, findings_at(hunt->findings, i)->name)) {
            begin_ask(hunt, i);
        } else if (late) {
            findings_set_word(hunt->findings, i, "busy");
            set_done(hunt, i);
        } else {
            hunt->steps[i] = STEP_HELD;
        }
    }
}

/* Nodes that are dead, as far as is known, keep nobody waiting who is alive. */
static void advance(struct hunt *hunt)
{
    advance_waiting(hunt, STEP_WAITS);
    advance_waiting(hunt, STEP_LAST);
}

/* Gives free places to the oldest question first, and ends what is done. */
static void advance_all(struct search *search)
{
    for (struct hunt *hunt = search->hunts; hunt; hunt = hunt->next) {
        if (hunt->ended_ms == 0) {
            advance(hunt);
        }
    }
    for (struct hunt *hunt = search->hunts; hunt; hunt = hunt->next) {
        if (hunt->ended_ms == 0 && hunt->left == 0) {
            hunt_end(hunt);
        }
    }
}

static void unlink_ask(struct search *search, struct ask *ask)
{
    struct ask **link = &search->asks;
    while (*link != ask) {
        link = ask_link(*link);
    }
    *link = *ask_link(ask);
    search->ask_count--;
}

static size_t index_of(const struct hunt *hunt, const char *name)
{
    return (size_t)(findings_of(hunt->findings, name) - findings_at(hunt->findings, 0));
}

static void on_finished(void *user, struct ask *ask)
{
    struct hunt *hunt = user;
    unlink_ask(hunt->search, ask);
    set_done(hunt, index_of(hunt, ask_node(ask)));
    advance_all(hunt->search);
}

/* --- time --- */

/* Whatever is not done by now is not going to be. */
static void give_up(struct hunt *hunt)
{
    struct search *search = hunt->search;
    for (struct ask *ask = search->asks, *next; ask; ask = next) {
        next = *ask_link(ask);
        if (ask_user(ask) == hunt) {
            hunt->steps[index_of(hunt, ask_node(ask))] = STEP_DONE;
            unlink_ask(search, ask);
            ask_cancel(ask, "timeout");
        }
    }
    for (size_t i = hunt->first; i < findings_count(hunt->findings); i++) {
        if (hunt->steps[i] != STEP_ASKED && hunt->steps[i] != STEP_DONE) {
            findings_set_word(hunt->findings, i, "not_asked");
        }
        hunt->steps[i] = STEP_DONE;
    }
    hunt->left = 0;
}

static void drop_kept(struct search *search, int64_t now_ms)
{
    size_t bytes = 0;
    for (struct hunt *hunt = search->hunts, *next; hunt; hunt = next) {
        next = hunt->next;
        if (hunt->ended_ms && now_ms - hunt->ended_ms >= SEARCH_KEPT_MS) {
            unlink_hunt(search, hunt);
        } else {
            bytes += hunt->ended_ms ? findings_bytes(hunt->findings) : 0;
        }
    }
    for (struct hunt *hunt = search->hunts, *next; hunt && bytes > KEPT_BYTES; hunt = next) {
        next = hunt->next;
        if (hunt->ended_ms) {
            bytes -= findings_bytes(hunt->findings);
            unlink_hunt(search, hunt);
        }
    }
}

static void sweep(void *user)
{
    struct search *search = user;
    int64_t now_ms = clock_now().mono_ms;
    for (struct hunt *hunt = search->hunts; hunt; hunt = hunt->next) {
        if (!hunt->ended_ms && now_ms - hunt->begun_ms >= (int64_t)TOTAL_LIMITS * search->timeout_ms) {
            give_up(hunt);
        }
    }
    advance_all(search);
    drop_kept(search, now_ms);
    if (!search->hunts) {
        loop_timer_stop(search->sweep_timer);
    }
}

/* Seconds until a further question may be put; 0 = now. */
static unsigned wait_for_turn(const struct search *search, int64_t now_ms)
{
    int64_t begun_ms = search->begun_ms[search->begun_next]; /* the oldest */
    int64_t left_ms = begun_ms ? begun_ms + MINUTE_MS - now_ms : 0;
    return left_ms > 0 ? (unsigned)((left_ms + 999) / 1000) : 0;
}

/* --- interface --- */

static int join(struct hunt *hunt, search_done_fn *done, void *user, struct search_wait **ret_wait,
                struct findings **ret_findings)
{
    if (hunt->ended_ms) {
        *ret_findings = findings_ref(hunt->findings);
        return 0;
    }
    struct search_wait *wait = calloc(1, sizeof *wait);
    if (!wait) {
        return -ENOMEM;
    }
    *wait = (struct search_wait){.next = hunt->waits, .hunt = hunt, .done = done, .user = user};
    hunt->waits = wait;
    *ret_wait = wait;
    return 0;
}

/* Puts it to the nodes, or ends it at once when there is nobody to be asked. */
static int begin(struct search *search, struct hunt *hunt, search_done_fn *done, void *user,
                 struct search_wait **ret_wait, struct findings **ret_findings, unsigned *ret_retry_after_s)
{
    unsigned turn_s = hunt->left > 0 ? wait_for_turn(search, hunt->begun_ms) : 0;
    if (turn_s > 0 || hunt->left == 0) {
        *ret_findings = turn_s > 0 ? NULL : findings_ref(hunt->findings);
        *ret_retry_after_s = turn_s;
        hunt_free(hunt);
        return turn_s > 0 ? -EAGAIN : 0;
    }
    search->begun_ms[search->begun_next] = hunt->begun_ms;
    search->begun_next = (search->begun_next + 1) % SEARCH_PER_MINUTE;
    struct hunt **end = &search->hunts;
    while (*end) {
        end = &(*end)->next;
    }
    *end = hunt;
    if (!loop_timer_active(search->sweep_timer)) {
        loop_timer_start(search->sweep_timer, SWEEP_MS, SWEEP_MS);
    }
    advance_all(search);
    return join(hunt, done, user, ret_wait, ret_findings);
}

int search_ask(struct search *search, const struct question *question, search_done_fn *done, void *user,
               struct search_wait **ret_wait, struct findings **ret_findings, unsigned *ret_retry_after_s)
{
    *ret_wait = NULL;
    *ret_findings = NULL;
    *ret_retry_after_s = 0;
    drop_kept(search, clock_now().mono_ms);
    char *path = make_path(question);
    char *key = path ? make_key(question, path) : NULL;
    if (!key) {
        free(path);
        return -ENOMEM;
    }
    for (struct hunt *hunt = search->hunts; hunt; hunt = hunt->next) {
        if (strcmp(hunt->key, key) == 0) {
            free(key);
            free(path);
            return join(hunt, done, user, ret_wait, ret_findings);
        }
    }
    struct hunt *hunt = hunt_create(search, question, key, path);
    return hunt ? begin(search, hunt, done, user, ret_wait, ret_findings, ret_retry_after_s) : -ENOMEM;
}

void search_cancel(struct search *search, struct search_wait *wait)
{
    (void)search;
    struct search_wait **link = &wait->hunt->waits;
    while (*link != wait) {
        link = &(*link)->next;
    }
    *link = wait->next;
    free(wait);
}

int search_set_requests(struct search *search, const struct search_options *options)
{
    int e = allow_replace(&search->context.allow, options->allow, options->allow_count);
    search->timeout_ms = e ? search->timeout_ms : options->timeout_ms;
    return e;
}

struct search *search_create(struct loop *loop, struct cache *cache, struct fetch *fetch,
                             const struct search_options *options)
{
    const char *bad = NULL;
    struct search *search = calloc(1, sizeof *search);
    if (!search) {
        return NULL;
    }
    search->cache = cache;
    search->timeout_ms = options->timeout_ms;
    search->context.cache = cache;
    search->context.fetch = fetch;
    search->context.finished = on_finished;
    search->context.allow = allow_create(options->allow, options->allow_count, &bad);
    search->sweep_timer = loop_timer_create(loop, sweep, search);
    if (!search->context.allow || !search->sweep_timer) {
        search_destroy(search);
        return NULL;
    }
    return search;
}

void search_destroy(struct search *search)
{
    if (!search) {
        return;
    }
    while (search->asks) {
        struct ask *ask = search->asks;
        unlink_ask(search, ask);
        ask_cancel(ask, "");
    }
    while (search->hunts) {
        unlink_hunt(search, search->hunts);
    }
    loop_timer_destroy(search->sweep_timer);
    allow_destroy(search->context.allow);
    free(search);
}
