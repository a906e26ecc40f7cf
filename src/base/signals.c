#include "base/signals.h"

#include <pthread.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/log.h"

static const struct handled {
    int signal;
    const char *name; /* NULL: the signal ends the process */
} handled[] = {
    {SIGTERM, NULL}, {SIGINT, NULL}, {SIGHUP, "SIGHUP"}, {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"},
};

static void fill(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < ARRAY_SIZE(handled); i++)
        sigaddset(set, handled[i].signal);
}

/* Returns the name of a signal that is ignored; NULL for one that ends the process. */
static const char *ignored_name(int signal)
{
    for (size_t i = 0; i < ARRAY_SIZE(handled); i++) {
        if (handled[i].signal == signal)
            return handled[i].name;
    }
    return NULL;
}

void signals_block(void)
{
    sigset_t set;

    fill(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void signals_wait(void)
{
    const char *ignored;
    sigset_t set;
    int received;

    fill(&set);
    while (sigwait(&set, &received) == 0 && (ignored = ignored_name(received)) != NULL) {
        struct log_line line;

        log_begin(&line, LOG_WARNING, "signal ignored: restart to reread the configuration");
        log_text(&line, "signal", ignored);
        log_end(&line);
    }
}

/* Adds the signals that signals_hold holds back. A blocked signal stays pending even if it is ignored. */
static void fill_held(sigset_t *set)
{
    static const int fatal[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    struct sigaction action;

    sigemptyset(set);
    for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
        if (sigaction(fatal[i], NULL, &action) == 0 && action.sa_handler == SIG_DFL)
            sigaddset(set, fatal[i]);
    }
}

void signals_hold(sigset_t *ret_before)
{
    sigset_t set;

    fill_held(&set);
    pthread_sigmask(SIG_BLOCK, &set, ret_before);
}

bool signals_are_held(void)
{
    sigset_t pending, set;

    fill_held(&set);
    sigpending(&pending);
    sigandset(&set, &set, &pending);
    return !sigisemptyset(&set);
}

void signals_release(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}
