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

static const char *path_in(const struct world *world, const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/broker/%s", world->folder, name);
    return path;
}

static const char *read_text(const struct world *world, const char *name)
{
    static char text[8192];
    FILE *file = fopen(path_in(world, name), "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static const char *write_text(const struct world *world, const char *name, const char *content)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", world->folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    return path;
}

static void write_files(const struct broker_options *options)
{
    struct broker_user user;
    char error[BROKER_ERROR_SIZE] = "";
    int dir;
    if (broker_files_write(options, &user, &dir, error) != 0) {
        fail_msg("%s", error);
    }
    close(dir);
}

static void configuration_is_the_shipped_one_behind_our_lines(void **state)
{
    struct world *world = *state;
    struct broker_options options = options_of(world);
    struct stat status;
    write_files(&options);
    const char *text = read_text(world, "mosquitto.conf");
    assert_non_null(strstr(text, "per_listener_settings true\n"));
    assert_non_null(strstr(text, "allow_anonymous true\n"));
    assert_non_null(strstr(text, "max_packet_size 1048576\n"));
    assert_non_null(strstr(text, "persistence_location ./\n"));
    assert_null(strstr(text, "password_file"));
    assert_int_not_equal(access(path_in(world, "passwd"), F_OK), 0);
    assert_int_equal(stat(path_in(world, ""), &status), 0);
    assert_int_equal(status.st_mode & 0007, 0);
}

static void beyond_loopback_everybody_needs_an_account(void **state)
{
    struct world *world = *state;
    struct broker_options options = options_of(world);
    options.listen = "0.0.0.0";
    write_files(&options);
    const char *text = read_text(world, "mosquitto.conf");
    assert_non_null(strstr(text, "allow_anonymous false\npassword_file passwd\nacl_file acl\n"
                                 "use_username_as_clientid true\n"));
    assert_null(strstr(text, "allow_anonymous true"));
    assert_string_equal(read_text(world, "passwd"), "");
    assert_non_null(strstr(read_text(world, "acl"), "\npattern read alpaca/%u/refresh\n"));
}

static void accounts_that_are_there_stay(void **state)
{
    struct world *world = *state;
    struct broker_options options = options_of(world);
    options.listen = "0.0.0.0";
    write_files(&options);
    write_text(world, "broker/passwd", "pi-kitchen:$7$101$x$y\n");
    write_files(&options);
    assert_string_equal(read_text(world, "passwd"), "pi-kitchen:$7$101$x$y\n");
}

static void tls_listener_has_accounts_and_the_other_stays_as_it_is(void **state)
{
    struct world *world = *state;
    struct broker_options options = options_of(world);
    struct stat status;
    char cert[PATH_MAX], key[PATH_MAX], ca[PATH_MAX];
    options.tls_listen = "0.0.0.0";
    options.tls_port = 8883;
    options.tls_cert = strcpy(cert, write_text(world, "c.pem", "certificate"));
    options.tls_key = strcpy(key, write_text(world, "k.pem", "key"));
    write_files(&options);
    const char *text = read_text(world, "mosquitto.conf");
    const char *open_listener = strstr(text, " 127.0.0.1\nallow_anonymous true\n");
    const char *tls_listener = strstr(text, "listener 8883 0.0.0.0\nallow_anonymous false\n");
    assert_non_null(open_listener);
    assert_non_null(tls_listener);
    assert_true(open_listener < tls_listener);
    assert_non_null(strstr(tls_listener, "certfile tls.crt\nkeyfile tls.key\ntls_version tlsv1.2\n"));
    assert_null(strstr(text, "require_certificate"));
    assert_string_equal(read_text(world, "tls.key"), "key");
    assert_int_equal(stat(path_in(world, "tls.key"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);

    options.client_ca = strcpy(ca, write_text(world, "ca.pem", "authority"));
    write_files(&options);
    text = read_text(world, "mosquitto.conf");
    assert_non_null(strstr(text, "cafile client-ca.crt\nrequire_certificate true\n"));
    assert_string_equal(read_text(world, "client-ca.crt"), "authority");
}

static void rules_are_made_for_the_topics_in_use(void **state)
{
    struct world *world = *state;
    struct broker_options options = options_of(world);
    char more[PATH_MAX];
    options.listen = "0.0.0.0";
    options.base_topic = "farm";
    options.ha_prefix = "ha/x";
    options.acl_file = strcpy(more, write_text(world, "more.acl", "user display\ntopic read llama/#\n"));
    write_files(&options);
    const char *text = read_text(world, "acl");
    assert_non_null(strstr(text, "\npattern write farm/%u/health\n"));
    assert_non_null(strstr(text, "\ntopic readwrite ha/x/device/farm/+/config\n"));
    assert_non_null(strstr(text, "\nuser homeassistant\n"));
    assert_null(strstr(text, " alpaca/"));
    assert_non_null(strstr(text, "\nuser display\ntopic read llama/#\n"));
}

static void file_that_cannot_be_read_is_named(void **state)
{
    struct world *world = *state;
    struct broker_options options = options_of(world);
    const char *error;
    options.listen = "0.0.0.0";
    options.acl_file = "/nowhere/acl";
    assert_null(broker_create(world->loop, &options, &error));
    assert_true(logged(world, "cannot read /nowhere/acl: No such file"));
}

static void stamp_tells_what_mosquitto_must_read_again(void **state)
{
    struct world *world = *state;
    struct broker_options options = options_of(world);
    char cert[PATH_MAX];
    options.tls_listen = "127.0.0.1";
    options.tls_cert = options.tls_key = strcpy(cert, write_text(world, "c.pem", "certificate"));
    write_files(&options);
    int dir = open(path_in(world, ""), O_RDONLY | O_DIRECTORY);
    uint64_t first = broker_files_stamp(&options, dir);
    assert_true(broker_files_stamp(&options, dir) == first);
    write_text(world, "broker/passwd", "a:b\n");
    uint64_t second = broker_files_stamp(&options, dir);
    assert_true(second != first);
    write_text(world, "c.pem", "another certificate");
    assert_true(broker_files_stamp(&options, dir) != second);
    options.tls_listen = NULL; /* nothing to read again for anonymous clients on loopback */
    first = broker_files_stamp(&options, dir);
    write_text(world, "broker/passwd", "a:b\nc:d\n");
    assert_true(broker_files_stamp(&options, dir) == first);
    close(dir);
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
        TEST(configuration_is_the_shipped_one_behind_our_lines),
        TEST(beyond_loopback_everybody_needs_an_account),
        TEST(accounts_that_are_there_stay),
        TEST(tls_listener_has_accounts_and_the_other_stays_as_it_is),
        TEST(rules_are_made_for_the_topics_in_use),
        TEST(file_that_cannot_be_read_is_named),
        TEST(stamp_tells_what_mosquitto_must_read_again),
        TEST(folder_that_is_a_symbolic_link_is_refused),
        TEST(loopback_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
