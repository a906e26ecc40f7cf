#include "base/signals.h"

#include <pthread.h>
#include <signal.h>

static void fill(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
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
    sigset_t set;
    int received;

    fill(&set);
    sigwait(&set, &received);
}
