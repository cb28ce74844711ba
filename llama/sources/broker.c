#include "broker.h"

#include "backoff.h"
#include "broker_files.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 30000
#define STABLE_MS      60000 /* having run for that long, the next restart is quick again */
#define HUNG_WAIT_MS   2000  /* for one that hangs to end by itself, and to save what is retained */
#define LINE_MAX_LEN   512

struct broker {
    struct loop *loop;
    char program[PATH_MAX];
    struct broker_user user;
    int dir;   /* its working directory */
    pid_t pid; /* 0 = does not run */
    int64_t started_ms;
    uint32_t restarts;
    struct backoff backoff;
    struct loop_signal *child_signal;
    struct loop_timer *timer;  /* restart, or SIGKILL for one that is to end */
    bool ending;               /* it hangs, and was asked to end */
    unsigned known_unanswered; /* connects that were the fault of the one before */
    int output;                /* read end of its stdout and stderr; -1 */
    struct loop_io *output_io;
    char line[LINE_MAX_LEN];
    size_t line_len; /* what does not fit is dropped */
    struct broker_log log;
    struct broker_options options; /* its strings are borrowed */
    uint64_t stamp;                /* of the files that mosquitto reads again on SIGHUP */
    bool stopping;
    void (*done)(void *user);
    void *done_user;
    char listen[2 * INET6_ADDRSTRLEN + 64];
};

/* --- its output --- */

static void take_output(struct broker *broker, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            if (broker->line_len > 0) {
                broker_log_line(&broker->log, broker->line, broker->line_len, clock_now().mono_ms);
            }
            broker->line_len = 0;
        } else if (broker->line_len < sizeof broker->line) {
            broker->line[broker->line_len++] = data[i];
        }
    }
}

static void close_output(struct broker *broker)
{
    if (broker->output >= 0) {
        take_output(broker, "\n", 1);
        loop_io_destroy(broker->output_io);
        close(broker->output);
        broker->output_io = NULL;
        broker->output = -1;
    }
}

static void on_output(void *user, unsigned events)
{
    (void)events;
    struct broker *broker = user;
    char data[4096];
    ssize_t n =
        read(broker->output, data, sizeof data); /* one piece a turn: a babbling child starves nobody */
    if (n > 0) {
        take_output(broker, data, (size_t)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close_output(broker);
    }
}

/* What is still in the pipe of a child that has ended: mostly its last words. */
static void drain_output(struct broker *broker)
{
    char data[4096];
    ssize_t n;
    for (int i = 0; i < 16 && broker->output >= 0 && (n = read(broker->output, data, sizeof data)) > 0; i++) {
        take_output(broker, data, (size_t)n);
    }
    close_output(broker);
}

/* --- the child --- */

/* Between fork and exec, so only what is safe there. Never returns. */
static _Noreturn void become_mosquitto(const struct broker *broker, int output, pid_t parent)
{
    char *const arguments[] = {(char[]){"mosquitto"}, (char[]){"-c"}, (char[]){"mosquitto.conf"}, NULL};
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int number = 1; number < NSIG; number++) {
        sigaction(number, &action, NULL); /* SIGPIPE is ignored here, and that would be inherited */
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0); /* Ctrl-C in the terminal is for llamad, which ends the broker last */
    int input = open("/dev/null", O_RDONLY);
    if (input < 0 || fchdir(broker->dir) != 0 || dup2(input, STDIN_FILENO) < 0 ||
        dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0) {
        _exit(127);
    }
    close_range(STDERR_FILENO + 1, ~0U, 0);
    if (broker->user.change &&
        (setgroups(0, NULL) != 0 || setgid(broker->user.gid) != 0 || setuid(broker->user.uid) != 0)) {
        _exit(127);
    }
    /* A change of user clears this, so it comes after; and llamad may have died before it. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent) {
        _exit(127);
    }
    execv(broker->program, arguments);
    _exit(127);
}

static int start(struct broker *broker)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return -errno;
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become_mosquitto(broker, ends[1], parent);
    }
    int e = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -e;
    }
    broker->pid = pid;
    broker->started_ms = clock_now().mono_ms;
    broker->output = ends[0];
    broker->output_io = loop_io_create(broker->loop, ends[0], on_output, broker);
    if (broker->output_io) {
        loop_io_watch(broker->output_io, LOOP_READ);
    }
    log_info("broker: mosquitto started for %s (pid %d)", broker->listen, (int)pid);
    return 0;
}

static void restart_later(struct broker *broker)
{
    uint32_t wait_ms = backoff_next_ms(&broker->backoff);
    log_warning("broker: next start in %.1f s", wait_ms / 1000.0);
    loop_timer_start(broker->timer, wait_ms, 0);
}

static void log_end(const struct broker *broker, int status)
{
    int64_t ran_ms = clock_now().mono_ms - broker->started_ms;
    if (broker->stopping && (!WIFSIGNALED(status) || WTERMSIG(status) == SIGTERM)) {
        log_info("broker: mosquitto ended");
    } else if (WIFSIGNALED(status)) {
        log_error("broker: mosquitto (pid %d) was ended by signal %d (%s) after %.1f s", (int)broker->pid,
                  WTERMSIG(status), strsignal(WTERMSIG(status)), (double)ran_ms / 1000);
    } else {
        log_error("broker: mosquitto (pid %d) ended with status %d after %.1f s", (int)broker->pid,
                  WEXITSTATUS(status), (double)ran_ms / 1000);
    }
}

static void on_child(void *user, int signal_number)
{
    (void)signal_number;
    struct broker *broker = user;
    int status;
    if (broker->pid == 0 || waitpid(broker->pid, &status, WNOHANG) != broker->pid) {
        return; /* somebody else's child */
    }
    drain_output(broker);
    log_end(broker, status);
    broker->pid = 0;
    broker->ending = false;
    if (broker->stopping) {
        loop_timer_stop(broker->timer);
        if (broker->done) {
            broker->done(broker->done_user);
        }
        return;
    }
    if (clock_now().mono_ms - broker->started_ms >= STABLE_MS) {
        backoff_reset(&broker->backoff);
    }
    restart_later(broker);
}

static void on_timer(void *user)
{
    struct broker *broker = user;
    if (broker->stopping || broker->ending) {
        log_warning("broker: mosquitto did not end in time; killed");
        if (broker->pid > 0) {
            kill(broker->pid, SIGKILL);
        }
        return;
    }
    broker->restarts++;
    int e = start(broker);
    if (e != 0) {
        log_error("broker: cannot start mosquitto: %s", strerror(-e));
        restart_later(broker);
    }
}

/* --- before the start --- */

static int prepare(struct broker *broker, const struct broker_options *options, char error[BROKER_ERROR_SIZE])
{
    const char *program = options->program ? options->program : "mosquitto";
    if (broker_find_program(program, broker->program, sizeof broker->program) != 0) {
        snprintf(error, BROKER_ERROR_SIZE, "%s was not found; install the package mosquitto", program);
        return -1;
    }
    if (broker_check_port(options->listen, options->port, "broker", error) != 0) {
        return -1;
    }
    if (options->tls_listen &&
        broker_check_port(options->tls_listen, options->tls_port, "broker.tls", error) != 0) {
        return -1;
    }
    if (broker_files_write(options, &broker->user, &broker->dir, error) != 0) {
        return -1;
    }
    broker->stamp = broker_files_stamp(options, broker->dir);
    return 0;
}

/* "127.0.0.1:1883 and, with TLS, 0.0.0.0:8883" */
static void describe(struct broker *broker)
{
    const struct broker_options *options = &broker->options;
    int len = snprintf(broker->listen, sizeof broker->listen, "%s:%u", options->listen, options->port);
    if (options->tls_listen && len > 0 && (size_t)len < sizeof broker->listen) {
        snprintf(broker->listen + len, sizeof broker->listen - (size_t)len, " and, with TLS, %s:%u",
                 options->tls_listen, options->tls_port);
    }
}

/* --- interface --- */

struct broker *broker_create(struct loop *loop, const struct broker_options *options, const char **ret_error)
{
    char error[BROKER_ERROR_SIZE];
    *ret_error = "out of memory";
    struct broker *broker = calloc(1, sizeof *broker);
    if (!broker) {
        return NULL;
    }
    struct now now = clock_now();
    broker->loop = loop;
    broker->options = *options;
    broker->dir = -1;
    broker->output = -1;
    backoff_init(&broker->backoff, BACKOFF_MIN_MS, BACKOFF_MAX_MS,
                 (uint64_t)now.wall_ms ^ (uint64_t)getpid());
    describe(broker);
    broker->timer = loop_timer_create(loop, on_timer, broker);
    broker->child_signal = loop_signal_create(loop, SIGCHLD, on_child, broker);
    if (!broker->timer || !broker->child_signal) {
        goto failed;
    }
    *ret_error = "the broker could not be started";
    if (prepare(broker, options, error) != 0) {
        log_error("broker: %s", error);
        goto failed;
    }
    int e = start(broker);
    if (e != 0) {
        log_error("broker: cannot start mosquitto: %s", strerror(-e));
        goto failed;
    }
    return broker;
failed:
    broker_destroy(broker);
    return NULL;
}

uint32_t broker_restarts(const struct broker *broker)
{
    return broker->restarts;
}

bool broker_is_running(const struct broker *broker)
{
    return broker->pid > 0;
}

const struct broker_log *broker_troubles(const struct broker *broker)
{
    return &broker->log;
}

void broker_reload(struct broker *broker)
{
    char error[BROKER_ERROR_SIZE];
    uint64_t stamp = broker_files_stamp(&broker->options, broker->dir);
    if (stamp == broker->stamp) {
        return;
    }
    broker->stamp = stamp; /* whatever comes of it: the next change is another matter */
    if (broker_files_renew(&broker->options, broker->dir, &broker->user, error) != 0) {
        log_error("broker: %s; mosquitto goes on with what it has", error);
        return;
    }
    log_info("broker: accounts, rules or certificates changed; mosquitto reads them again");
    if (broker->pid > 0) {
        kill(broker->pid, SIGHUP);
    }
}

void broker_check(struct broker *broker, unsigned unanswered)
{
    if (unanswered < broker->known_unanswered) {
        broker->known_unanswered = 0; /* one was answered since */
    }
    unsigned tries = unanswered - broker->known_unanswered;
    if (broker->pid == 0 || broker->stopping || broker->ending || tries < BROKER_HUNG_TRIES) {
        return;
    }
    log_error("broker: mosquitto (pid %d) lives, but has not answered %u connects in a row; it is restarted",
              (int)broker->pid, tries);
    broker->known_unanswered = unanswered;
    broker->ending = true;
    kill(broker->pid, SIGTERM);
    loop_timer_start(broker->timer, HUNG_WAIT_MS, 0);
}

void broker_stop(struct broker *broker, uint32_t timeout_ms, void (*done)(void *user), void *user)
{
    broker->stopping = true;
    broker->done = done;
    broker->done_user = user;
    if (broker->pid == 0) {
        loop_timer_stop(broker->timer);
        if (done) {
            done(user);
        }
        return;
    }
    kill(broker->pid, SIGTERM);
    loop_timer_start(broker->timer, timeout_ms, 0);
}

void broker_destroy(struct broker *broker)
{
    if (!broker) {
        return;
    }
    if (broker->pid > 0) {
        kill(broker->pid, SIGKILL);
        while (waitpid(broker->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    close_output(broker);
    loop_signal_destroy(broker->child_signal);
    loop_timer_destroy(broker->timer);
    if (broker->dir >= 0) {
        close(broker->dir);
    }
    free(broker);
}
