/* Each test runs in its own process, which a signal may end. */
#include "base/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define WAITED 42 /* the exit status of a child whose signals_wait returned */

/* Runs it in a child. Returns the exit status, or -SIGNAL if a signal ended the child. */
static int status_of(void (*run)(int signal), int signal)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0};

        setrlimit(RLIMIT_CORE, &no_core);
        alarm(60); /* end it if it hangs */
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
    {"SIGQUIT", SIGQUIT, false},
};

static void before_the_wait(int signal)
{
    signals_block();
    kill(getpid(), signal);
    signals_wait();
    _exit(WAITED);
}

/* A signal that arrives between the start of the process and the wait is not lost and does not end the process. */
static void kept_for_the_wait(const void *row)
{
    const struct signal_case *c = row;

    assert_int_equal(status_of(before_the_wait, c->signal), c->kept ? WAITED : -c->signal);
}

static void *send(void *signal)
{
    kill(getpid(), *(int *) signal);
    pause(); /* the other thread must take it */
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

/* Threads that were started later do not take the signal. */
static void kept_from_threads(const void *row)
{
    const struct signal_case *c = row;

    assert_int_equal(status_of(among_threads, c->signal), c->kept ? WAITED : -c->signal);
}

static const struct ignored_case {
    const char *name;
    int signal;
} ignored_cases[] = {{"SIGHUP", SIGHUP}, {"SIGUSR1", SIGUSR1}, {"SIGUSR2", SIGUSR2}};

/* Both signals are pending at the same time; the kernel delivers the one with the smaller number first. */
static void ignored_before_the_end(int signal)
{
    sigset_t pending;

    signals_block();
    kill(getpid(), signal);
    kill(getpid(), SIGTERM);
    signals_wait();
    sigpending(&pending);
    _exit(sigismember(&pending, SIGTERM) ? 2 : WAITED);
}

/* The signal is logged once, and the process continues until SIGTERM. */
static void logged_and_ignored(const void *row)
{
    const struct ignored_case *c = row;
    int saved = dup(STDERR_FILENO);
    char log[4096];
    char field[32];
    char *found;
    ssize_t length;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    assert_int_equal(status_of(ignored_before_the_end, c->signal), WAITED);
    dup2(saved, STDERR_FILENO);
    close(saved);
    length = read(ends[0], log, sizeof(log) - 1);
    close(ends[0]);
    assert_true(length > 0);
    log[length] = '\0';
    snprintf(field, sizeof(field), " signal=%s\n", c->name);
    found = strstr(log, field);
    assert_non_null(found);
    assert_string_equal(found, field);
    assert_ptr_equal(strchr(log, '\n'), found + strlen(field) - 1);
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

/* If the web server has gone, a write fails and the process continues. */
static void sigpipe_is_ignored(void)
{
    assert_int_equal(status_of(write_to_nobody, 0), WAITED);
}

static const struct held_case {
    const char *name;
    int signal;
    bool held;
} held_cases[] = {
    {"SIGHUP", SIGHUP, true},
    {"SIGINT", SIGINT, true},
    {"SIGQUIT", SIGQUIT, true},
    {"SIGTERM", SIGTERM, true},
    {"SIGUSR1", SIGUSR1, false},
};

static void raise_in_between(int signal)
{
    sigset_t before;

    signals_hold(&before);
    if (signals_are_held())
        _exit(2);
    kill(getpid(), signal);
    if (!signals_are_held())
        _exit(3);
    signals_release(&before);
}

/* A signal that is held back ends the process afterwards. */
static void held_until_the_release(const void *row)
{
    const struct held_case *c = row;

    assert_int_equal(status_of(raise_in_between, c->signal), -c->signal);
}

static void exit_while_held(int signal)
{
    sigset_t before;

    signals_hold(&before);
    kill(getpid(), signal);
    _exit(WAITED);
}

static void held_signals_do_not_end_the_process(const void *row)
{
    const struct held_case *c = row;

    assert_int_equal(status_of(exit_while_held, c->signal), c->held ? WAITED : -c->signal);
}

static void raise_what_is_ignored(int unused)
{
    sigset_t before;

    (void) unused;
    signal(SIGHUP, SIG_IGN);
    signals_hold(&before);
    kill(getpid(), SIGHUP);
    if (signals_are_held())
        _exit(2);
    signals_release(&before);
    _exit(WAITED);
}

/* nohup makes SIGHUP ignored: it must not interrupt a command. */
static void ignored_signals_are_not_held(void)
{
    assert_int_equal(status_of(raise_what_is_ignored, 0), WAITED);
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(signal_cases); i++)
        signal(signal_cases[i].signal, SIG_DFL);
    for (size_t i = 0; i < ARRAY_SIZE(ignored_cases); i++)
        signal(ignored_cases[i].signal, SIG_DFL); /* nohup, for example, makes SIGHUP ignored */
    CHECK_EACH(kept_for_the_wait, signal_cases, name);
    CHECK_EACH(kept_from_threads, signal_cases, name);
    CHECK_EACH(logged_and_ignored, ignored_cases, name);
    CHECK(sigpipe_is_ignored);
    CHECK_EACH(held_until_the_release, held_cases, name);
    CHECK_EACH(held_signals_do_not_end_the_process, held_cases, name);
    CHECK(ignored_signals_are_not_held);
    return check_run("base/signals");
}
