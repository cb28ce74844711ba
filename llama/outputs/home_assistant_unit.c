#include "home_assistant_unit.h"

#include <stdio.h>
#include <string.h>

/* As nodes write them: words in any case, symbols as they are, since mS, Mb and mHz are other units. */
struct unit {
    const char *ours, *theirs, *device_class; /* NULL: none */
};
static const struct unit words[] = {
    {"celsius", "°C", "temperature"},
    {"fahrenheit", "°F", "temperature"},
    {"percent", "%", NULL},
    {"seconds", "s", "duration"},
    {"boolean", "", NULL},
};
static const struct unit symbols[] = {
    {"°C", "°C", "temperature"},
    {"°c", "°C", "temperature"},
    {"°F", "°F", "temperature"},
    {"°f", "°F", "temperature"},
    {"%", "%", NULL},
    {"Hz", "Hz", "frequency"},
    {"hz", "Hz", "frequency"},
    {"HZ", "Hz", "frequency"},
    {"kHz", "kHz", "frequency"},
    {"khz", "kHz", "frequency"},
    {"KHz", "kHz", "frequency"},
    {"MHz", "MHz", "frequency"},
    {"mhz", "MHz", "frequency"},
    {"MHZ", "MHz", "frequency"},
    {"GHz", "GHz", "frequency"},
    {"ghz", "GHz", "frequency"},
    {"GHZ", "GHz", "frequency"},
    {"kB", "kB", "data_size"},
    {"KB", "kB", "data_size"},
    {"MB", "MB", "data_size"},
    {"GB", "GB", "data_size"},
    {"kb", "kB", "data_size"},
    {"mb", "MB", "data_size"},
    {"gb", "GB", "data_size"},
    {"mm", "mm", "distance"},
    {"cm", "cm", "distance"},
    {"km", "km", "distance"},
    {"s", "s", "duration"},
    {"ms", "ms", "duration"},
};

static bool same_letters(const char *a, const char *b) /* ASCII without case */
{
    for (; *a && *b; a++, b++) {
        char c = *a >= 'A' && *a <= 'Z' ? (char)(*a - 'A' + 'a') : *a;
        if (c != *b) {
            return false;
        }
    }
    return *a == *b;
}

static const struct unit *find_unit(const char *unit)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (same_letters(unit, words[i].ours)) {
            return &words[i];
        }
    }
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        if (strcmp(unit, symbols[i].ours) == 0) {
            return &symbols[i];
        }
    }
    return NULL;
}

static void read_unit(struct json_slice slice, char unit[HA_UNIT_SIZE])
{
    size_t len = json_string_cut(slice, unit, HA_UNIT_SIZE), used = 0;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)unit[i] >= 0x20 && unit[i] != 0x7f && (used > 0 || unit[i] != ' ')) {
            unit[used++] = unit[i];
        }
    }
    while (used > 0 && unit[used - 1] == ' ') {
        used--;
    }
    unit[used] = '\0';
}

const char *ha_unit(const struct item *item, char unit[HA_UNIT_SIZE])
{
    static const char humidity[] = "humidity";
    size_t tail = sizeof humidity - 1;
    read_unit(node_state_reading(item).unit, unit);
    const struct unit *known = find_unit(unit);
    if (!known) {
        return NULL;
    }
    snprintf(unit, HA_UNIT_SIZE, "%s", known->theirs);
    bool humid = strcmp(unit, "%") == 0 && item->id_len >= tail &&
                 memcmp(item->id + item->id_len - tail, humidity, tail) == 0;
    return humid ? humidity : known->device_class;
}

bool ha_unit_is_foreign(const struct item *item)
{
    char unit[HA_UNIT_SIZE];
    read_unit(node_state_reading(item).unit, unit);
    return *unit && !find_unit(unit);
}

enum ha_kind ha_kind_of(struct reading reading)
{
    char unit[HA_UNIT_SIZE];
    double number;
    read_unit(reading.unit, unit);
    bool boolean = same_letters(unit, "boolean");
    switch (json_type(reading.value)) {
    case JSON_TRUE:
    case JSON_FALSE:
        return HA_BINARY;
    case JSON_NUMBER:
        if (boolean && json_double(reading.value, &number) == 0 && (number == 0.0 || number == 1.0)) {
            return HA_BINARY;
        }
        return HA_NUMBER;
    case JSON_ABSENT:
    case JSON_NULL:
        return boolean ? HA_BINARY : *unit ? HA_NUMBER : HA_NONE;
    default:
        return HA_TEXT;
    }
}
