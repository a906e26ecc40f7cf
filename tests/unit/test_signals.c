/* Each test is a process of its own, which a signal may end. */
#include "base/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define WAITED 42 /* the exit status of a child whose signals_wait returned */

/* Runs it in a child. The exit status, or -SIGNAL for one that a signal ended. */
static int status_of(void (*run)(int signal), int signal)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        alarm(60); /* rather than wait for ever */
        run(signal);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static const struct signal_case {
    const char *name;
    int signal;
    bool kept;
} signal_cases[] = {
    {"SIGTERM", SIGTERM, true},
    {"SIGINT", SIGINT, true},
    {"SIGHUP", SIGHUP, false},
    {"SIGUSR1", SIGUSR1, false},
};

static void before_the_wait(int signal)
{
    signals_block();
    kill(getpid(), signal);
    signals_wait();
    _exit(WAITED);
}

/* One that comes between the start of the process and the wait is not lost, nor does it end the process. */
static void kept_for_the_wait(const void *row)
{
    const struct signal_case *c = row;

    assert_int_equal(status_of(before_the_wait, c->signal), c->kept ? WAITED : -c->signal);
}

static void *send(void *signal)
{
    kill(getpid(), *(int *) signal);
    pause(); /* it has to be the other thread that takes it */
    return NULL;
}

static void among_threads(int signal)
{
    pthread_t thread;

    signals_block();
    if (pthread_create(&thread, NULL, send, &signal) == 0) {
        signals_wait();
        _exit(WAITED);
    }
}

/* Threads that were started later do not take it. */
static void kept_from_threads(const void *row)
{
    const struct signal_case *c = row;

    assert_int_equal(status_of(among_threads, c->signal), c->kept ? WAITED : -c->signal);
}

static void write_to_nobody(int unused)
{
    int ends[2];

    (void) unused;
    signals_block();
    if (pipe(ends) == 0) {
        close(ends[0]);
        _exit(write(ends[1], "x", 1) < 0 && errno == EPIPE ? WAITED : 2);
    }
}

/* A web server that has gone is an error of a write, and no end of the process. */
static void sigpipe_is_ignored(void)
{
    assert_int_equal(status_of(write_to_nobody, 0), WAITED);
}

int main(void)
{
    for (size_t i = 0; i < sizeof(signal_cases) / sizeof(signal_cases[0]); i++)
        signal(signal_cases[i].signal, SIG_DFL); /* nohup, say, has SIGHUP ignored */
    CHECK_EACH(kept_for_the_wait, signal_cases, name);
    CHECK_EACH(kept_from_threads, signal_cases, name);
    CHECK(sigpipe_is_ignored);
    return check_run("base/signals");
}
