#include "log_capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void log_capture_start(struct log_capture *capture)
{
    capture->file = tmpfile();
    assert_non_null(capture->file);
    fflush(stderr);
    capture->stderr_fd = dup(STDERR_FILENO);
    assert_true(dup2(fileno(capture->file), STDERR_FILENO) >= 0);
}

void log_capture_end(struct log_capture *capture)
{
    fflush(stderr);
    dup2(capture->stderr_fd, STDERR_FILENO);
    close(capture->stderr_fd);
    fclose(capture->file);
}

unsigned log_capture_count(struct log_capture *capture, const char *text)
{
    char line[4096];
    unsigned count = 0;
    rewind(capture->file);
    while (fgets(line, sizeof line, capture->file)) {
        count += strstr(line, text) != NULL;
    }
    fseek(capture->file, 0, SEEK_END);
    return count;
}
