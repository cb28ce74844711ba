/*
 * accounts_ask: a new password from whoever runs the program.
 */
#ifndef ACCOUNTS_ASK_H
#define ACCOUNTS_ASK_H

/* Asks twice on a terminal, without echo; else takes the first line of standard input. malloc'ed; NULL when
 * that was no good, which `tool`, the subcommand, has said on standard error. The caller wipes it. */
char *accounts_ask_password(const char *tool);

#endif
