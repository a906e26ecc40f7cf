/*
 * A FastCGI program that answers each request with an empty body, in as many threads as waybill.fcgi has by default.
 * The benchmark compares Waybill with it: it is what the web server and libfcgi alone cost.
 * Linux lets several threads accept from a socket; a lock around it made this program 2.4 times slower.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include <fcgiapp.h>

enum { THREADS = 16 }; /* the default of [server] request_threads */

static void *serve(void *unused)
{
    FCGX_Request request;

    (void) unused;
    if (FCGX_InitRequest(&request, 0, 0) != 0)
        abort();
    for (;;) {
        if (FCGX_Accept_r(&request) != 0)
            return NULL;
        FCGX_PutS("Content-Type: application/json\r\n\r\n", request.out);
        FCGX_Finish_r(&request);
    }
}

int main(void)
{
    pthread_t threads[THREADS];

    if (FCGX_Init() != 0)
        return EXIT_FAILURE;
    signal(SIGTERM, SIG_DFL); /* libfcgi has a handler that lets the threads wait for another request */
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, serve, NULL) != 0)
            return EXIT_FAILURE;
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return EXIT_SUCCESS;
}
