/*
 * The signals of a long-running process. SIGTERM and SIGINT stop it cleanly. SIGHUP, SIGUSR1 and SIGUSR2, which make
 * other programs reread their configuration or reopen their logs, are logged and ignored. SIGQUIT has its default
 * effect.
 */
#ifndef WAYBILL_BASE_SIGNALS_H
#define WAYBILL_BASE_SIGNALS_H

/* Blocks these signals, for signals_wait, in this thread and in all threads started later. Ignores SIGPIPE. */
void signals_block(void);

/* Waits for SIGTERM or SIGINT, and logs the others. */
void signals_wait(void);

#endif
