/* certs: the subcommand that makes and renews the private authority and its certificates. */
#ifndef CERTS_H
#define CERTS_H

/* argv[0] is "certs". The exit status. */
int certs_main(int argc, char **argv);

#endif
