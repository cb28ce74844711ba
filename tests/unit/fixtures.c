#include "fixtures.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *read_whole(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s", path);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long len = ftell(file);
    assert_true(len >= 0);
    rewind(file);
    char *text = malloc((size_t)len + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)len, file), len);
    fclose(file);
    text[len] = '\0';
    *ret_len = (size_t)len;
    return text;
}

char *fixture_read(const char *path, size_t *ret_len)
{
    char full[4096];
    snprintf(full, sizeof(full), "%s/%s", FIXTURES, path);
    return read_whole(full, ret_len);
}

size_t fixture_each_body(void (*visit)(const char *path, const char *text, size_t len))
{
    glob_t found;
    assert_int_equal(glob(FIXTURES "/smollama/*/*.json", 0, NULL, &found), 0);
    size_t count = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t len;
        char *text = read_whole(found.gl_pathv[i], &len);
        if (len > 0) { /* the answer to HEAD has no body */
            visit(found.gl_pathv[i], text, len);
            count++;
        }
        free(text);
    }
    globfree(&found);
    return count;
}

size_t fixture_each_message(const char *path,
                            void (*visit)(const char *topic, const char *payload, size_t payload_len))
{
    size_t len, count = 0;
    char *text = fixture_read(path, &len);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        char *space = strchr(line, ' ');
        assert_non_null(space);
        *space = '\0';
        visit(line, space + 1, (size_t)(end - space - 1));
        count++;
    }
    free(text);
    return count;
}

char *exact_copy(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    return copy;
}

struct json_slice value_of(const char *text)
{
    struct json_error error;
    if (!json_check(text, strlen(text), JSON_MAX_DEPTH, &error))
        fail_msg("%s: %s at %zu", text, error.message, error.offset);
    return json_root(text, strlen(text));
}
