/* How code that knows nothing of requests lets the thread of a request wait. */
#ifndef WAYBILL_ACCESS_PAUSE_H
#define WAYBILL_ACCESS_PAUSE_H

#include <stdbool.h>

/*
 * `begin` announces that the thread is going to wait, so that another thread serves requests in its place. It returns
 * false if it cannot be replaced; `end` must not be called then.
 */
struct access_pause {
    bool (*begin)(void *context);
    void (*end)(void *context);
    void *context;
};

#endif
