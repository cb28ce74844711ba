/* broker: mosquitto as a child, killed, stopped and orphaned. */
#include "broker.h"
#include "broker_files.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct loop *loop;
    struct loop_timer *until;
    char folder[64];
    uint16_t port;
    FILE *log; /* what went to stderr */
    int stderr_fd;
    unsigned stopped;
};

static uint16_t free_port(int *ret_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    if (ret_fd) {
        assert_int_equal(listen(fd, 1), 0);
        *ret_fd = fd;
    } else {
        close(fd);
    }
    return ntohs(address.sin_port);
}

static void on_until(void *user)
{
    loop_stop(((struct world *)user)->loop);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    strcpy(world->folder, "/tmp/test_broker.XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    world->loop = loop_create();
    world->until = loop_timer_create(world->loop, on_until, world);
    world->port = free_port(NULL);
    world->log = tmpfile();
    world->stderr_fd = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(world->log), STDERR_FILENO);
    *state = world;
    return 0;
}

static void remove_folder(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char child[PATH_MAX];
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && unlink(child) != 0) {
            remove_folder(child);
        }
    }
    if (dir) {
        closedir(dir);
    }
    rmdir(path);
}

static int teardown(void **state)
{
    struct world *world = *state;
    loop_timer_destroy(world->until);
    loop_destroy(world->loop);
    dup2(world->stderr_fd, STDERR_FILENO);
    close(world->stderr_fd);
    fclose(world->log);
    remove_folder(world->folder);
    free(world);
    return 0;
}

static bool logged(struct world *world, const char *text)
{
    char line[4096];
    bool found = false;
    rewind(world->log);
    while (!found && fgets(line, sizeof line, world->log)) {
        found = strstr(line, text) != NULL;
    }
    fseek(world->log, 0, SEEK_END);
    return found;
}

static struct broker_options options_of(const struct world *world)
{
    return (struct broker_options){
        .listen = "127.0.0.1", .port = world->port, .state_dir = world->folder, .config_dir = BROKER_CONFIG};
}

static struct broker *start(struct world *world)
{
    struct broker_options options = options_of(world);
    const char *error;
    struct broker *broker = broker_create(world->loop, &options, &error);
    assert_non_null(broker);
    return broker;
}

static void run_for(struct world *world, uint64_t ms)
{
    loop_timer_start(world->until, ms, 0);
    loop_run(world->loop);
}

static bool listens(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool yes = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return yes;
}

static bool wait_listens(struct world *world, bool wanted)
{
    for (int i = 0; i < 100 && listens(world->port) != wanted; i++) {
        run_for(world, 50);
    }
    return listens(world->port) == wanted;
}

/* The only child of this process that runs mosquitto. */
static pid_t child_pid(void)
{
    FILE *file = fopen("/proc/thread-self/children", "re");
    int pid = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    return pid;
}

static void on_stopped(void *user)
{
    struct world *world = user;
    world->stopped++;
    loop_stop(world->loop);
}

static void stop(struct world *world, struct broker *broker)
{
    broker_stop(broker, 3000, on_stopped, world);
    if (world->stopped == 0) {
        loop_run(world->loop);
    }
    assert_int_equal(world->stopped, 1);
    broker_destroy(broker);
}

/* --- tests --- */

static void runs_listens_and_ends_when_asked(void **state)
{
    struct world *world = *state;
    struct broker *broker = start(world);
    assert_true(wait_listens(world, true));
    assert_true(broker_is_running(broker));
    stop(world, broker);
    assert_false(listens(world->port));
    assert_true(logged(world, "mosquitto ended"));
}

static void killed_broker_comes_back(void **state)
{
    struct world *world = *state;
    struct broker *broker = start(world);
    assert_true(wait_listens(world, true));
    pid_t first = child_pid();
    assert_int_equal(kill(first, SIGKILL), 0);
    for (int i = 0; i < 60 && broker_restarts(broker) == 0; i++) {
        run_for(world, 50);
    }
    assert_true(wait_listens(world, true));
    assert_int_not_equal(child_pid(), first);
    assert_int_equal(broker_restarts(broker), 1);
    assert_true(logged(world, "was ended by signal 9"));
    stop(world, broker);
}

/* It lives, and answers nobody: nothing but SIGKILL ends it. */
static void hanging_broker_is_restarted_once(void **state)
{
    struct world *world = *state;
    struct broker *broker = start(world);
    assert_true(wait_listens(world, true));
    pid_t first = child_pid();
    assert_int_equal(kill(first, SIGSTOP), 0);
    broker_check(broker, BROKER_HUNG_TRIES - 1);
    assert_false(logged(world, "lives, but has not answered"));
    for (int i = 0; i < 120 && broker_restarts(broker) == 0; i++) {
        broker_check(broker, BROKER_HUNG_TRIES);
        run_for(world, 50);
    }
    assert_true(logged(world, "lives, but has not answered 2 connects in a row; it is restarted"));
    assert_true(logged(world, "did not end in time; killed"));
    assert_true(wait_listens(world, true));
    pid_t second = child_pid();
    assert_int_not_equal(second, first);
    broker_check(broker, BROKER_HUNG_TRIES + 1); /* the former's fault, and one of its own */
    run_for(world, 100);
    assert_int_equal(child_pid(), second);
    broker_check(broker, 0); /* one was answered */
    broker_check(broker, BROKER_HUNG_TRIES - 1);
    run_for(world, 100);
    assert_int_equal(child_pid(), second);
    assert_int_equal(broker_restarts(broker), 1);
    stop(world, broker);
}

static void hanging_broker_may_end_by_itself(void **state)
{
    struct world *world = *state;
    struct broker *broker = start(world);
    assert_true(wait_listens(world, true));
    broker_check(broker, BROKER_HUNG_TRIES);
    for (int i = 0; i < 60 && broker_restarts(broker) == 0; i++) {
        run_for(world, 50);
    }
    assert_int_equal(broker_restarts(broker), 1);
    assert_true(wait_listens(world, true));
    run_for(world, 2500); /* its successor is not killed for it */
    assert_int_equal(broker_restarts(broker), 1);
    assert_false(logged(world, "killed"));
    stop(world, broker);
}

static void stop_while_waiting_to_restart_is_over_at_once(void **state)
{
    struct world *world = *state;
    struct broker *broker = start(world);
    assert_true(wait_listens(world, true));
    assert_int_equal(kill(child_pid(), SIGKILL), 0);
    for (int i = 0; i < 60 && broker_is_running(broker); i++) {
        run_for(world, 5);
    }
    assert_false(broker_is_running(broker));
    stop(world, broker);
    run_for(world, 1200);
    assert_false(listens(world->port));
}

static void broker_ends_with_a_killed_parent(void **state)
{
    struct world *world = *state;
    pid_t parent = fork();
    if (parent == 0) { /* a llamad of its own, to be killed */
        struct loop *loop = loop_create();
        struct broker_options options = options_of(world);
        const char *error;
        if (!broker_create(loop, &options, &error)) {
            _exit(1);
        }
        loop_run(loop);
        _exit(0);
    }
    assert_true(wait_listens(world, true));
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_true(wait_listens(world, false));
}

static void port_in_use_is_named_and_its_owner_left_alone(void **state)
{
    struct world *world = *state;
    int fd;
    world->port = free_port(&fd);
    struct broker_options options = options_of(world);
    const char *error = NULL;
    char port[16];
    snprintf(port, sizeof port, "127.0.0.1:%u", world->port);
    assert_null(broker_create(world->loop, &options, &error));
    assert_non_null(error);
    assert_true(logged(world, port));
    assert_true(logged(world, "in use"));
    assert_true(listens(world->port));
    close(fd);
}

static void missing_program_is_named(void **state)
{
    struct world *world = *state;
    struct broker_options options = options_of(world);
    const char *error;
    options.program = "no-such-mosquitto";
    assert_null(broker_create(world->loop, &options, &error));
    assert_true(logged(world, "no-such-mosquitto was not found"));
}

static void program_that_cannot_run_is_tried_again_later_and_later(void **state)
{
    struct world *world = *state;
    struct broker_options options = options_of(world);
    const char *error;
    options.program = "/bin/false";
    struct broker *broker = broker_create(world->loop, &options, &error);
    assert_non_null(broker);
    run_for(world, 3000);
    assert_in_range(broker_restarts(broker), 1, 4);
    assert_true(logged(world, "ended with status 1"));
    broker_destroy(broker);
}

static void beyond_loopback_passwords_are_needed(void **state)
{
    struct world *world = *state;
    struct broker_options options = options_of(world);
    const char *error;
    options.listen = "0.0.0.0";
    assert_null(broker_create(world->loop, &options, &error));
    assert_true(logged(world, "broker/passwd"));
}

static char *read_config(const struct world *world)
{
    static char text[8192];
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/broker/mosquitto.conf", world->folder);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void configuration_is_the_shipped_one_behind_our_lines(void **state)
{
    struct world *world = *state;
    struct broker_options options = options_of(world);
    struct broker_user user;
    char error[BROKER_ERROR_SIZE] = "";
    int dir;
    assert_int_equal(broker_files_write(&options, &user, &dir, error), 0);
    close(dir);
    const char *text = read_config(world);
    assert_non_null(strstr(text, "allow_anonymous true\n"));
    assert_non_null(strstr(text, "max_packet_size 1048576\n"));
    assert_non_null(strstr(text, "persistence_location ./\n"));

    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/broker/passwd", world->folder);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    options.listen = "0.0.0.0";
    assert_int_equal(broker_files_write(&options, &user, &dir, error), 0);
    close(dir);
    text = read_config(world);
    assert_non_null(strstr(text, "allow_anonymous false\n"));
    assert_non_null(strstr(text, "password_file passwd\nacl_file acl\n"));
    struct stat status;
    snprintf(path, sizeof path, "%s/broker", world->folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0007, 0);
}

static void folder_that_is_a_symbolic_link_is_refused(void **state)
{
    struct world *world = *state;
    struct broker_options options = options_of(world);
    struct broker_user user;
    char error[BROKER_ERROR_SIZE] = "";
    char path[PATH_MAX];
    int dir;
    snprintf(path, sizeof path, "%s/broker", world->folder);
    assert_int_equal(symlink("/tmp", path), 0);
    assert_int_equal(broker_files_write(&options, &user, &dir, error), -1);
    assert_non_null(strstr(error, path));
}

static void loopback_is_told_apart(void **state)
{
    (void)state;
    assert_true(broker_is_loopback("127.0.0.1"));
    assert_true(broker_is_loopback("127.9.9.9"));
    assert_true(broker_is_loopback("::1"));
    assert_true(broker_is_loopback("localhost"));
    assert_false(broker_is_loopback("0.0.0.0"));
    assert_false(broker_is_loopback("::"));
    assert_false(broker_is_loopback("192.168.1.1"));
    assert_false(broker_is_loopback("127.0.0.1.example.org"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(runs_listens_and_ends_when_asked),
        TEST(killed_broker_comes_back),
        TEST(hanging_broker_is_restarted_once),
        TEST(hanging_broker_may_end_by_itself),
        TEST(stop_while_waiting_to_restart_is_over_at_once),
        TEST(broker_ends_with_a_killed_parent),
        TEST(port_in_use_is_named_and_its_owner_left_alone),
        TEST(missing_program_is_named),
        TEST(program_that_cannot_run_is_tried_again_later_and_later),
        TEST(beyond_loopback_passwords_are_needed),
        TEST(configuration_is_the_shipped_one_behind_our_lines),
        TEST(folder_that_is_a_symbolic_link_is_refused),
        TEST(loopback_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
