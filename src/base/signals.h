/* SIGTERM and SIGINT, which end a process in good order. */
#ifndef WAYBILL_BASE_SIGNALS_H
#define WAYBILL_BASE_SIGNALS_H

/* Keeps them for signals_wait, in all threads that are started from now on; SIGPIPE is ignored. */
void signals_block(void);

/* Waits for one of them. */
void signals_wait(void);

#endif
