#include "timestamp.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DAY_S      86400
#define DAY_MS     (INT64_C(1000) * DAY_S)
#define EARLIEST   (INT64_C(-719162) * DAY_MS) /* 0001-01-01 */
#define LATEST     INT64_C(253402300799999)    /* the last millisecond of 9999 */
#define MONTH_SIZE 3

/* Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date
 * algorithms"): the year starts in March, so that the leap day is its last. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    *ret_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2));
}

/* Text being read from the left; `failed` is sticky. */
struct reader {
    const char *p, *end;
    bool failed;
};

static bool accept(struct reader *r, char c)
{
    if (r->failed || r->p == r->end || *r->p != c) {
        return false;
    }
    r->p++;
    return true;
}

static void expect(struct reader *r, const char *literal)
{
    for (; *literal; literal++) {
        if (!accept(r, *literal)) {
            r->failed = true;
        }
    }
}

static bool at_digit(const struct reader *r)
{
    return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

/* Exactly `digits` digits, and the number they make lies in [min, max]. */
static unsigned number(struct reader *r, unsigned digits, unsigned min, unsigned max)
{
    unsigned value = 0;
    for (unsigned i = 0; i < digits && !r->failed; i++) {
        if (at_digit(r)) {
            value = value * 10 + (unsigned)(*r->p++ - '0');
        } else {
            r->failed = true;
        }
    }
    if (value < min || value > max) {
        r->failed = true;
    }
    return value;
}

static void check_date(struct reader *r, unsigned year, unsigned month, unsigned day)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (!r->failed && day > days[month - 1] + (unsigned)(month == 2 && leap)) {
        r->failed = true;
    }
}

/* "HH:MM:SS" and, if `fraction`, ".digits"; milliseconds since midnight. */
static int64_t time_of_day(struct reader *r, bool fraction)
{
    unsigned hour = number(r, 2, 0, 23);
    expect(r, ":");
    unsigned minute = number(r, 2, 0, 59);
    expect(r, ":");
    unsigned second = number(r, 2, 0, 60);
    unsigned ms = 0;
    if (fraction && accept(r, '.')) {
        if (!at_digit(r)) {
            r->failed = true;
        }
        for (unsigned scale = 100; at_digit(r); scale /= 10) {
            ms += scale * (unsigned)(*r->p++ - '0');
        }
    }
    if (second == 60) { /* a leap second has no number of its own in Unix time */
        second = 59;
        ms = 999;
    }
    return (((int64_t)hour * 60 + minute) * 60 + second) * 1000 + ms;
}

/* What follows the time: Z or an offset. False if nothing does. */
static bool zone(struct reader *r, int32_t *ret_offset_s)
{
    if (r->failed || r->p == r->end) {
        return false;
    }
    *ret_offset_s = 0;
    if (accept(r, 'Z')) {
        return true;
    }
    bool west = accept(r, '-');
    if (!west) {
        expect(r, "+");
    }
    unsigned hours = number(r, 2, 0, 23);
    (void)accept(r, ':');
    unsigned minutes = number(r, 2, 0, 59);
    int32_t offset_s = (int32_t)(hours * 3600 + minutes * 60);
    *ret_offset_s = west ? -offset_s : offset_s;
    return true;
}

/* The common part of the two functions below. False if the text is no time. */
static bool read_time(const char *text, size_t len, int64_t *ret_local_ms, bool *ret_zoned,
                      int32_t *ret_offset_s)
{
    if (!text) {
        return false;
    }
    struct reader r = {.p = text, .end = text + len};
    unsigned year = number(&r, 4, 1970, 9999);
    expect(&r, "-");
    unsigned month = number(&r, 2, 1, 12);
    expect(&r, "-");
    unsigned day = number(&r, 2, 1, 31);
    check_date(&r, year, month, day);
    if (!accept(&r, 'T')) {
        expect(&r, " ");
    }
    int64_t of_day_ms = time_of_day(&r, true);
    *ret_zoned = zone(&r, ret_offset_s);
    if (r.failed || r.p != r.end) {
        return false;
    }
    *ret_local_ms = days_from_date(year, month, day) * DAY_MS + of_day_ms;
    return true;
}

int64_t timestamp_parse(const char *text, size_t len, int32_t offset_s)
{
    int64_t local_ms;
    bool zoned;
    int32_t own_offset_s;
    if (!read_time(text, len, &local_ms, &zoned, &own_offset_s)) {
        return TIMESTAMP_NONE;
    }
    if (zoned) {
        offset_s = own_offset_s;
    } else if (offset_s == TIMESTAMP_OFFSET_UNKNOWN) {
        return TIMESTAMP_NONE;
    }
    int64_t ms = local_ms - (int64_t)offset_s * 1000;
    return ms <= LATEST ? ms : TIMESTAMP_NONE;
}

bool timestamp_is_naive(const char *text, size_t len)
{
    int64_t local_ms;
    bool zoned;
    int32_t offset_s;
    return read_time(text, len, &local_ms, &zoned, &offset_s) && !zoned;
}

/* One of the three-letter names in `names`; its index from 0. */
static unsigned name_of(struct reader *r, const char *names, unsigned count)
{
    for (unsigned i = 0; i < count && !r->failed && r->end - r->p >= MONTH_SIZE; i++) {
        if (memcmp(r->p, names + i * MONTH_SIZE, MONTH_SIZE) == 0) {
            r->p += MONTH_SIZE;
            return i;
        }
    }
    r->failed = true;
    return 0;
}

int64_t timestamp_parse_http(const char *text, size_t len)
{
    if (!text) {
        return TIMESTAMP_NONE;
    }
    struct reader r = {.p = text, .end = text + len};
    (void)name_of(&r, "MonTueWedThuFriSatSun", 7); /* says nothing that the date does not */
    expect(&r, ", ");
    unsigned day = number(&r, 2, 1, 31);
    expect(&r, " ");
    unsigned month = name_of(&r, "JanFebMarAprMayJunJulAugSepOctNovDec", 12) + 1;
    expect(&r, " ");
    unsigned year = number(&r, 4, 1970, 9999);
    check_date(&r, year, month, day);
    expect(&r, " ");
    int64_t of_day_ms = time_of_day(&r, false);
    expect(&r, " GMT");
    if (r.failed || r.p != r.end) {
        return TIMESTAMP_NONE;
    }
    return days_from_date(year, month, day) * DAY_MS + of_day_ms;
}

int64_t timestamp_from_epoch(double seconds)
{
    if (!(seconds >= 0 && seconds <= (double)(LATEST / 1000))) { /* NaN is not in it either */
        return TIMESTAMP_NONE;
    }
    return (int64_t)floor(seconds * 1000 + 0.5);
}

/* `count` decimal digits and what separates them from the next ones. Each live frame has a dozen times in it:
 * printf would be a third of its cost. */
static char *put_digits(char *p, unsigned value, int count, char separator)
{
    for (int i = count - 1; i >= 0; i--, value /= 10) {
        p[i] = (char)('0' + value % 10);
    }
    p[count] = separator;
    return p + count + 1;
}

const char *timestamp_format(int64_t wall_ms, char buffer[TIMESTAMP_SIZE])
{
    if (wall_ms < EARLIEST || wall_ms > LATEST) {
        memcpy(buffer, "-", 2);
        return buffer;
    }
    int64_t days = wall_ms / DAY_MS;
    int64_t of_day_ms = wall_ms % DAY_MS;
    if (of_day_ms < 0) {
        of_day_ms += DAY_MS;
        days--;
    }
    int year, month, day;
    date_from_days(days, &year, &month, &day);
    int second = (int)(of_day_ms / 1000);
    char *p = put_digits(buffer, (unsigned)year, 4, '-');
    p = put_digits(p, (unsigned)month, 2, '-');
    p = put_digits(p, (unsigned)day, 2, 'T');
    p = put_digits(p, (unsigned)second / 3600, 2, ':');
    p = put_digits(p, (unsigned)second / 60 % 60, 2, ':');
    p = put_digits(p, (unsigned)second % 60, 2, '.');
    p = put_digits(p, (unsigned)(of_day_ms % 1000), 3, 'Z');
    *p = '\0';
    return buffer;
}

const char *timestamp_format_age(int64_t age_ms, char buffer[TIMESTAMP_SIZE])
{
    /* Each unit is used up to two of the next, so that "1 h" never stands for nearly two. */
    int64_t seconds = age_ms > 0 ? age_ms / 1000 : 0;
    if (seconds < 120) {
        snprintf(buffer, TIMESTAMP_SIZE, "%d s", (int)seconds);
    } else if (seconds < 2 * 3600) {
        snprintf(buffer, TIMESTAMP_SIZE, "%d min", (int)(seconds / 60));
    } else if (seconds < 2 * DAY_S) {
        snprintf(buffer, TIMESTAMP_SIZE, "%d h", (int)(seconds / 3600));
    } else {
        snprintf(buffer, TIMESTAMP_SIZE, "%lld days", (long long)(seconds / DAY_S));
    }
    return buffer;
}
