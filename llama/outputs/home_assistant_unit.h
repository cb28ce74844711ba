/*
 * home_assistant_unit: which kind of entity shows a reading, with which unit and device class. Pure.
 * docs/home-assistant.md has the table.
 */
#ifndef HOME_ASSISTANT_UNIT_H
#define HOME_ASSISTANT_UNIT_H

#include "node_state.h"

#define HA_UNIT_SIZE 33 /* bytes of a unit, with its NUL */

enum ha_kind { HA_NONE, HA_BINARY, HA_NUMBER, HA_TEXT }; /* from narrow to wide */
/* What kind of entity shows this value; HA_NONE: not known yet. */
enum ha_kind ha_kind_of(struct reading reading);

/* Has it a unit that is shown as it is, without a device class? */
bool ha_unit_is_foreign(const struct item *item);
/* The reading's unit as Home Assistant writes it; "" = none. The device class, NULL for none. */
const char *ha_unit(const struct item *item, char unit[HA_UNIT_SIZE]);

#endif
