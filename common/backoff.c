#include "backoff.h"

#include <assert.h>

void backoff_init(struct backoff *b, uint32_t min_ms, uint32_t max_ms, uint64_t seed)
{
    assert(min_ms > 0 && min_ms <= max_ms);
    /* splitmix64: neighbouring seeds (process ids) must not give neighbouring waits */
    seed += 0x9e3779b97f4a7c15u;
    seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
    seed = (seed ^ seed >> 27) * 0x94d049bb133111ebu;
    seed ^= seed >> 31;
    *b = (struct backoff){.min_ms = min_ms, .max_ms = max_ms, .random = seed ? seed : 1};
}

/* xorshift64* (Vigna 2014); the upper half is the better one. */
static uint32_t draw(struct backoff *b)
{
    b->random ^= b->random >> 12;
    b->random ^= b->random << 25;
    b->random ^= b->random >> 27;
    return (uint32_t)((b->random * 0x2545f4914f6cdd1du) >> 32);
}

uint32_t backoff_random(struct backoff *b, uint32_t range)
{
    assert(range > 0);
    /* The last, incomplete stretch of the 32-bit range would favour small numbers: draw again. */
    uint32_t usable = UINT32_MAX - UINT32_MAX % range;
    uint32_t number;
    do {
        number = draw(b);
    } while (number >= usable);
    return number % range;
}

uint32_t backoff_next_ms(struct backoff *b)
{
    uint64_t whole = b->attempt < 32 ? (uint64_t)b->min_ms << b->attempt : b->max_ms;
    if (whole > b->max_ms) {
        whole = b->max_ms;
    }
    if (b->attempt < UINT32_MAX) {
        b->attempt++;
    }
    uint32_t half = (uint32_t)(whole / 2);
    uint32_t spread = (uint32_t)whole - half;
    return half + (spread == UINT32_MAX ? draw(b) : backoff_random(b, spread + 1));
}

void backoff_reset(struct backoff *b)
{
    b->attempt = 0;
}
