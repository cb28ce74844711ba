/*
 * log_capture: what goes to stderr, kept aside for the length of a test.
 */
#ifndef LOG_CAPTURE_H
#define LOG_CAPTURE_H

#include <stdio.h>

struct log_capture {
    FILE *file;
    int stderr_fd; /* the real one */
};

void log_capture_start(struct log_capture *capture);
void log_capture_end(struct log_capture *capture); /* stderr is itself again */
/* How many lines so far hold `text`. */
unsigned log_capture_count(struct log_capture *capture, const char *text);

#endif
