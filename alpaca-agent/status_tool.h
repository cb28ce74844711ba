/*
 * status_tool: `alpaca-agent status`: how the agent of this configuration is, in a few lines or as JSON.
 *
 * Exit status: 0 all is well, 1 something is not (no broker, Smollama not usable, an endpoint failing), 3 no
 * agent of this name runs, 4 it cannot be told, 64 usage, 78 configuration.
 */
#ifndef STATUS_TOOL_H
#define STATUS_TOOL_H

/* argv[0] is "status". The exit status. */
int status_tool_main(int argc, char **argv);

#endif
