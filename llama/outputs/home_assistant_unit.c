#include "home_assistant_unit.h"

#include <stdio.h>
#include <string.h>

struct unit {
    const char *ours, *theirs, *device_class; /* NULL: none */
};
static const struct unit units[] = {
    {"celsius", "°C", "temperature"}, {"°c", "°C", "temperature"}, {"fahrenheit", "°F", "temperature"},
    {"°f", "°F", "temperature"},      {"percent", "%", NULL},      {"%", "%", NULL},
    {"hz", "Hz", "frequency"},        {"khz", "kHz", "frequency"}, {"mhz", "MHz", "frequency"},
    {"ghz", "GHz", "frequency"},      {"kb", "kB", "data_size"},   {"mb", "MB", "data_size"},
    {"gb", "GB", "data_size"},        {"mm", "mm", "distance"},    {"cm", "cm", "distance"},
    {"km", "km", "distance"},         {"s", "s", "duration"},      {"seconds", "s", "duration"},
    {"ms", "ms", "duration"},         {"boolean", "", NULL},
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
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (same_letters(unit, units[i].ours)) {
            snprintf(unit, HA_UNIT_SIZE, "%s", units[i].theirs);
            bool humid = strcmp(unit, "%") == 0 && item->id_len >= tail &&
                         memcmp(item->id + item->id_len - tail, humidity, tail) == 0;
            return humid ? humidity : units[i].device_class;
        }
    }
    return NULL;
}

bool ha_unit_is_foreign(const struct item *item)
{
    char unit[HA_UNIT_SIZE];
    read_unit(node_state_reading(item).unit, unit);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (same_letters(unit, units[i].ours)) {
            return false;
        }
    }
    return *unit != '\0';
}

enum ha_kind ha_kind_of(struct reading reading)
{
    char unit[HA_UNIT_SIZE];
    double number;
    read_unit(reading.unit, unit);
    bool boolean = strcmp(unit, "boolean") == 0;
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
