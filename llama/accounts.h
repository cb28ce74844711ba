/*
 * accounts: the subcommands that change the files of users and tokens. A running llamad takes a change over
 * by itself, within seconds.
 */
#ifndef ACCOUNTS_H
#define ACCOUNTS_H

/* The arguments from the subcommand's name on; the exit status: 0, 1, 64 usage, 78 configuration. */
int passwd_main(int argc, char **argv);
int token_main(int argc, char **argv);

#endif
