/*
 * json_swar: finds the end of a run of ordinary bytes in a JSON string, eight bytes at a step. Internal to
 * json.
 *
 * Each mask has the top bit of a byte set where the byte is of the wanted kind. Bytes above the first hit may
 * be marked wrongly (borrows run upwards), so only the lowest mark counts.
 */
#ifndef JSON_SWAR_H
#define JSON_SWAR_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define SWAR_EACH(byte) (0x0101010101010101u * (uint64_t)(byte))
#define SWAR_TOP        SWAR_EACH(0x80)

/* The next eight bytes, the first one lowest. */
static inline uint64_t swar_load(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return le64toh(word);
}

static inline uint64_t swar_equal(uint64_t word, unsigned char byte)
{
    uint64_t zero_where_equal = word ^ SWAR_EACH(byte);
    return (zero_where_equal - SWAR_EACH(1)) & ~zero_where_equal & SWAR_TOP;
}

/* What ends a run in a string known to be valid. */
static inline uint64_t swar_quote_or_backslash(uint64_t word)
{
    return swar_equal(word, '"') | swar_equal(word, '\\');
}

/* What a checker has to look at: that, control characters, and everything above ASCII. */
static inline uint64_t swar_not_plain(uint64_t word)
{
    return swar_quote_or_backslash(word) | ((word - SWAR_EACH(0x20)) & ~word & SWAR_TOP) | (word & SWAR_TOP);
}

/* How many bytes come before the first mark; `mask` is not 0. */
static inline unsigned swar_first(uint64_t mask)
{
    return (unsigned)__builtin_ctzll(mask) / 8;
}

#endif
