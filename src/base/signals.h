/*
 * The signals of a process that serves: SIGTERM and SIGINT end it in good order. SIGHUP, SIGUSR1 and SIGUSR2, by which
 * other programs read their configuration or open their logs anew, are logged and ignored. SIGQUIT keeps its meaning.
 */
#ifndef WAYBILL_BASE_SIGNALS_H
#define WAYBILL_BASE_SIGNALS_H

/* Keeps them for signals_wait, in all threads that are started from now on; SIGPIPE is ignored. */
void signals_block(void);

/* Waits for SIGTERM or SIGINT, and logs the others. */
void signals_wait(void);

#endif
