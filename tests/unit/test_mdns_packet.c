/* mdns_packet: services named in packets, whole, broken and hostile. */
#include "mdns_packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct packet {
    unsigned char data[4096];
    size_t len;
};

struct seen {
    size_t count;
    size_t len;
    char last[64];
};

static void note(void *user, const char *instance, size_t len)
{
    struct seen *seen = user;
    assert_in_range(len, 1, MDNS_LABEL_MAX);
    seen->count++;
    seen->len = len;
    memcpy(seen->last, instance, len);
    seen->last[len] = '\0';
}

static void put(struct packet *p, const void *bytes, size_t len)
{
    memcpy(p->data + p->len, bytes, len);
    p->len += len;
}

static void put_u16(struct packet *p, unsigned value)
{
    unsigned char bytes[2] = {(unsigned char)(value >> 8), (unsigned char)value};
    put(p, bytes, 2);
}

static void put_label(struct packet *p, const char *label)
{
    unsigned char len = (unsigned char)strlen(label);
    put(p, &len, 1);
    put(p, label, len);
}

static void put_name(struct packet *p, const char *const labels[])
{
    for (; *labels; labels++) {
        put_label(p, *labels);
    }
    put(p, "", 1);
}

static void put_fixed(struct packet *p, unsigned type, unsigned ttl, unsigned len)
{
    put_u16(p, type);
    put_u16(p, 0x8001);
    put_u16(p, ttl >> 16);
    put_u16(p, ttl & 0xFFFF);
    put_u16(p, len);
}

static void put_srv(struct packet *p, const char *instance, unsigned ttl)
{
    put_name(p, (const char *const[]){instance, "_smollama", "_tcp", "local", NULL});
    put_fixed(p, 33, ttl, 7);
    put(p, "\0\0\0\0\x1f\x90", 6);
    put(p, "", 1);
}

static struct packet answer(unsigned records)
{
    struct packet p = {.len = 0};
    const unsigned counts[] = {0, 0x8400, 0, records, 0, 0};
    for (size_t i = 0; i < 6; i++) {
        put_u16(&p, counts[i]);
    }
    return p;
}

static struct seen services(const struct packet *p, bool expected)
{
    struct seen seen = {0};
    assert_int_equal(mdns_packet_services(p->data, p->len, "_smollama._tcp", note, &seen), expected);
    return seen;
}

static void names_hold_dots_spaces_and_utf8(void **state)
{
    (void)state;
    static const char *const names[] = {"kitchen", "pi. kitchen.2", "Küche ☕", "a\\.b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct packet p = answer(1);
        put_srv(&p, names[i], 120);
        struct seen seen = services(&p, true);
        assert_int_equal(seen.count, 1);
        assert_string_equal(seen.last, names[i]);
    }
}

static void compressed_names_are_followed(void **state)
{
    (void)state;
    struct packet p = answer(2);
    put_name(&p, (const char *const[]){"_smollama", "_TCP", "Local", NULL}); /* at 12 */
    put_fixed(&p, 12, 4500, 0);
    put_label(&p, "kitchen");
    put_u16(&p, 0xC000 | 12);
    put_fixed(&p, 33, 120, 0);
    struct seen seen = services(&p, true);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.last, "kitchen");
}

static void other_types_goodbyes_and_queries_tell_nothing(void **state)
{
    (void)state;
    struct packet p = answer(3);
    put_srv(&p, "bye", 0);
    put_name(&p, (const char *const[]){"tv", "_http", "_tcp", "local", NULL});
    put_fixed(&p, 33, 120, 0);
    put_name(&p, (const char *const[]){"tv", "_smollama", "_tcp", "local", "evil", NULL});
    put_fixed(&p, 33, 120, 0);
    assert_int_equal(services(&p, true).count, 0);
    struct packet query = answer(1);
    put_srv(&query, "kitchen", 120);
    query.data[2] = 0;
    assert_int_equal(services(&query, false).count, 0);
}

static void questions_are_skipped(void **state)
{
    (void)state;
    struct packet p = answer(1);
    p.data[5] = 1;
    put_name(&p, (const char *const[]){"_smollama", "_tcp", "local", NULL});
    put(&p, "\0\x0c\0\x01", 4);
    put_srv(&p, "kitchen", 120);
    assert_int_equal(services(&p, true).count, 1);
}

static void pointers_that_lead_nowhere_end(void **state)
{
    (void)state;
    static const unsigned targets[] = {12, 13, 400, 0x3FFF};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        struct packet p = answer(1);
        put_u16(&p, 0xC000 | targets[i]); /* itself, its middle, ahead, far outside */
        put_fixed(&p, 33, 120, 0);
        assert_int_equal(services(&p, false).count, 0);
    }
}

static void every_cut_is_noticed(void **state)
{
    (void)state;
    struct packet whole = answer(2);
    put_srv(&whole, "one", 120);
    put_srv(&whole, "two", 120);
    for (size_t len = 0; len < whole.len; len++) {
        /* On the heap and exactly as long, so that a sanitizer sees a byte too much being read. */
        unsigned char *copy = test_malloc(len ? len : 1);
        memcpy(copy, whole.data, len);
        struct seen seen = {0};
        assert_false(mdns_packet_services(copy, len, "_smollama._tcp", note, &seen));
        assert_true(seen.count < 2);
        test_free(copy);
    }
    assert_int_equal(services(&whole, true).count, 2);
}

static void more_records_than_there_are(void **state)
{
    (void)state;
    struct packet p = answer(0xFFFF);
    put_srv(&p, "one", 120);
    assert_int_equal(services(&p, false).count, 1);
}

static void names_without_end_are_refused(void **state)
{
    (void)state;
    struct packet p = answer(1);
    for (int i = 0; i < 300; i++) {
        put_label(&p, "abc");
    }
    put(&p, "", 1);
    put_fixed(&p, 33, 120, 0);
    assert_int_equal(services(&p, false).count, 0);
}

static void any_byte_may_be_wrong(void **state)
{
    (void)state;
    struct packet whole = answer(2);
    put_srv(&whole, "one", 120);
    put_label(&whole, "two");
    put_u16(&whole, 0xC000 | 16);
    put_fixed(&whole, 33, 120, 0);
    assert_int_equal(services(&whole, true).count, 2);
    for (size_t at = 0; at < whole.len; at++) {
        for (unsigned value = 0; value < 256; value++) {
            struct packet p = whole;
            p.data[at] = (unsigned char)value;
            struct seen seen = {0};
            mdns_packet_services(p.data, p.len, "_smollama._tcp", note, &seen);
            assert_true(seen.count <= 2);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_hold_dots_spaces_and_utf8),
        cmocka_unit_test(compressed_names_are_followed),
        cmocka_unit_test(other_types_goodbyes_and_queries_tell_nothing),
        cmocka_unit_test(questions_are_skipped),
        cmocka_unit_test(pointers_that_lead_nowhere_end),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(more_records_than_there_are),
        cmocka_unit_test(names_without_end_are_refused),
        cmocka_unit_test(any_byte_may_be_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
