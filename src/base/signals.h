/*
 * The signals of a long-running process. SIGTERM and SIGINT stop it cleanly. SIGHUP, SIGUSR1 and SIGUSR2, which make
 * other programs reread their configuration or reopen their logs, are logged and ignored. SIGQUIT has its default
 * effect. A command that must clean up before a signal ends it holds signals back.
 */
#ifndef WAYBILL_BASE_SIGNALS_H
#define WAYBILL_BASE_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* Blocks these signals, for signals_wait, in this thread and in all threads started later. Ignores SIGPIPE. */
void signals_block(void);

/* Waits for SIGTERM or SIGINT, and logs the others. */
void signals_wait(void);

/* Holds back SIGHUP, SIGINT, SIGQUIT and SIGTERM, except those that are ignored or handled. */
void signals_hold(sigset_t *ret_before);

/* Whether a signal has been held back. */
bool signals_are_held(void);

/* Restores the state before signals_hold. A signal that was held back takes effect, and may end the process. */
void signals_release(const sigset_t *before);

#endif
