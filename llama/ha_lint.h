/*
 * ha_lint: `llamad ha-lint FILE|FOLDER…`: what Home Assistant would refuse of what llamad announces, and why.
 *
 * A file holds an answer of /api/readings, an edge message of Smollama, a discovery message, or lines of
 * `mosquitto_sub -v` with the latter two. What is none of these is passed over in folders.
 */
#ifndef HA_LINT_H
#define HA_LINT_H

/* argv[0] is "ha-lint". The exit status: 0 nothing is refused, 1 something is, or cannot be read, 64 usage.
 */
int ha_lint_main(int argc, char **argv);

#endif
