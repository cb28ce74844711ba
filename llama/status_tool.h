/*
 * status_tool: `llamad status`: how the llamad of this configuration is, in a few lines or as JSON.
 *
 * It asks the running program over HTTP, so it never tells what was and no longer is. Exit status: 0 all is
 * well, 1 something is not (llamad's own trouble, or a node that is not online), 3 no llamad runs there, 4 it
 * cannot be told (no answer in time, another program, a token is wanted), 64 usage, 78 configuration.
 */
#ifndef STATUS_TOOL_H
#define STATUS_TOOL_H

/* argv[0] is "status". The exit status. */
int status_tool_main(int argc, char **argv);

#endif
