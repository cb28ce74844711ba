/* enrol: the subcommand that makes, lists and revokes accounts at the broker. */
#ifndef ENROL_H
#define ENROL_H

/* argv[0] is "enrol". The exit status. */
int enrol_main(int argc, char **argv);

#endif
