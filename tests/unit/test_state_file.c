#include "state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#define NAME "thing.jsonl"

struct place {
    char path[32];
    int dir;
};

static int set_up(void **state)
{
    static struct place place;
    strcpy(place.path, "/tmp/state_file.XXXXXX");
    assert_non_null(mkdtemp(place.path));
    place.dir = state_file_open_dir(place.path);
    assert_true(place.dir >= 0);
    *state = &place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    static const char *const names[] = {NAME, NAME ".tmp", NAME STATE_FILE_DAMAGED, "llamad.lock", "target"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unlinkat(place->dir, names[i], 0);
    }
    close(place->dir);
    assert_int_equal(rmdir(place->path), 0); /* nothing else is left */
    return 0;
}

static void assert_content(const struct place *place, const char *expected)
{
    char *data;
    size_t len;
    assert_int_equal(state_file_read(place->dir, NAME, 1000, &data, &len), 0);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(data, expected, len);
    free(data);
}

static void file_is_replaced_and_appended_to(void **state)
{
    const struct place *place = *state;
    struct stat stat;
    assert_int_equal(state_file_replace(place->dir, NAME, "one\n", 4), 0);
    assert_content(place, "one\n");
    assert_int_equal(fstatat(place->dir, NAME, &stat, 0), 0);
    assert_int_equal(stat.st_mode & 0777, 0600);
    assert_int_equal(state_file_append(place->dir, NAME, 4, "two\n", 4), 0);
    assert_content(place, "one\ntwo\n");
    assert_int_equal(state_file_cut(place->dir, NAME, 5), 0);
    assert_content(place, "one\nt");
    assert_int_equal(state_file_replace(place->dir, NAME, "", 0), 0);
    assert_content(place, "");
    assert_int_equal(faccessat(place->dir, NAME ".tmp", F_OK, 0), -1);
}

static void file_that_somebody_changed_is_not_appended_to(void **state)
{
    const struct place *place = *state;
    assert_int_equal(state_file_append(place->dir, NAME, 0, "x", 1), -ENOENT);
    assert_int_equal(state_file_replace(place->dir, NAME, "one\n", 4), 0);
    assert_int_equal(state_file_append(place->dir, NAME, 3, "x", 1), -ESTALE);
    assert_int_equal(state_file_append(place->dir, NAME, 5, "x", 1), -ESTALE);
    assert_content(place, "one\n");
}

static void leftover_of_a_killed_run_is_no_obstacle(void **state)
{
    const struct place *place = *state;
    int fd = openat(place->dir, NAME ".tmp", O_WRONLY | O_CREAT, 0444);
    assert_int_equal(write(fd, "half", 4), 4);
    close(fd);
    assert_int_equal(state_file_replace(place->dir, NAME, "new", 3), 0);
    assert_content(place, "new");
}

static void only_small_regular_files_are_read(void **state)
{
    const struct place *place = *state;
    char *data;
    size_t len;
    assert_int_equal(state_file_read(place->dir, NAME, 10, &data, &len), -ENOENT);
    assert_int_equal(mkfifoat(place->dir, NAME, 0600), 0);
    assert_int_equal(state_file_read(place->dir, NAME, 10, &data, &len), -EINVAL); /* and does not wait */
    unlinkat(place->dir, NAME, 0);
    assert_int_equal(symlinkat("/etc/passwd", place->dir, NAME), 0);
    assert_int_equal(state_file_read(place->dir, NAME, 100000, &data, &len), -EINVAL);
    assert_int_not_equal(state_file_append(place->dir, NAME, 0, "x", 1), 0);
    unlinkat(place->dir, NAME, 0);
    assert_int_equal(state_file_replace(place->dir, NAME, "12345678901", 11), 0);
    assert_int_equal(state_file_read(place->dir, NAME, 10, &data, &len), -EFBIG);
}

static void symbolic_link_is_replaced_and_not_written_through(void **state)
{
    const struct place *place = *state;
    assert_int_equal(symlinkat("target", place->dir, NAME), 0);
    assert_int_equal(symlinkat("target", place->dir, NAME ".tmp"), 0);
    assert_int_equal(state_file_replace(place->dir, NAME, "mine", 4), 0);
    assert_content(place, "mine");
    assert_int_equal(faccessat(place->dir, "target", F_OK, 0), -1);
}

static void damaged_file_is_set_aside_over_an_older_one(void **state)
{
    const struct place *place = *state;
    assert_int_equal(state_file_set_aside(place->dir, NAME), -ENOENT);
    assert_int_equal(state_file_replace(place->dir, NAME, "1", 1), 0);
    assert_int_equal(state_file_set_aside(place->dir, NAME), 0);
    assert_int_equal(state_file_replace(place->dir, NAME, "2", 1), 0);
    assert_int_equal(state_file_set_aside(place->dir, NAME), 0);
    char *data;
    size_t len;
    assert_content(place, "2"); /* until it is replaced: there may be good lines in it */
    assert_int_equal(state_file_read(place->dir, NAME STATE_FILE_DAMAGED, 10, &data, &len), 0);
    assert_int_equal(data[0], '2');
    free(data);
    assert_int_equal(state_file_replace(place->dir, NAME, "3", 1), 0);
    assert_content(place, "3");
    assert_int_equal(state_file_read(place->dir, NAME STATE_FILE_DAMAGED, 10, &data, &len), 0);
    assert_int_equal(data[0], '2');
    free(data);
}

/* A folder cannot have a second name. */
static void folder_in_the_files_place_is_moved_away(void **state)
{
    const struct place *place = *state;
    assert_int_equal(mkdirat(place->dir, NAME, 0700), 0);
    assert_int_equal(state_file_set_aside(place->dir, NAME), 0);
    assert_int_equal(state_file_replace(place->dir, NAME, "1", 1), 0);
    assert_content(place, "1");
    assert_int_equal(unlinkat(place->dir, NAME STATE_FILE_DAMAGED, AT_REMOVEDIR), 0);
}

static void folder_is_taken_once(void **state)
{
    const struct place *place = *state;
    int lock = state_file_lock(place->dir);
    assert_true(lock >= 0);
    assert_int_equal(state_file_lock(place->dir), -EWOULDBLOCK);
    close(lock);
    lock = state_file_lock(place->dir);
    assert_true(lock >= 0);
    close(lock);
    assert_int_equal(state_file_open_dir("/nonexistent"), -ENOENT);
    assert_int_equal(state_file_open_dir("/etc/passwd"), -ENOTDIR);
}

int main(void)
{
#define PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PLACE(file_is_replaced_and_appended_to),
        PLACE(file_that_somebody_changed_is_not_appended_to),
        PLACE(leftover_of_a_killed_run_is_no_obstacle),
        PLACE(only_small_regular_files_are_read),
        PLACE(symbolic_link_is_replaced_and_not_written_through),
        PLACE(damaged_file_is_set_aside_over_an_older_one),
        PLACE(folder_in_the_files_place_is_moved_away),
        PLACE(folder_is_taken_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
