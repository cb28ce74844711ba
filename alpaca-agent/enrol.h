/*
 * enrol: the subcommand that takes the word of `llamad enrol`.
 *
 * It tries the account first, and writes nothing when that fails. What it writes is a layer of its own over
 * the configuration (config.enrolled.yaml beside config.yaml), so that nothing else is touched, and Smollama,
 * which may read the same configuration, does not see it; beside it the password and the authority.
 */
#ifndef ENROL_H
#define ENROL_H

#define ENROL_LAYER "enrolled"

/* argv[0] is "enrol". The exit status. */
int enrol_main(int argc, char **argv);

#endif
