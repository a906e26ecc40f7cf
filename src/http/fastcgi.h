/*
 * FastCGI: threads serve the requests that arrive on a listening socket. Only fastcgi.c uses libfcgi. The same
 * interface serves the single request of a plain CGI program.
 */
#ifndef WAYBILL_HTTP_FASTCGI_H
#define WAYBILL_HTTP_FASTCGI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/error.h"

/* One request and the connection for its response. It exists during the call of the handler. */
struct fastcgi_exchange;

/* Returns a CGI variable (RFC 3875) such as REQUEST_METHOD or HTTP_HOST, or NULL. */
const char *fastcgi_variable(const struct fastcgi_exchange *exchange, const char *name);

/* The maximum number of variables of a request, and of bytes in all of them. */
#define FASTCGI_MAX_VARIABLES 4096
#define FASTCGI_MAX_BYTES (512 * 1024)

/* Whether the request exceeds these limits. If so, some variables and the body are missing. */
bool fastcgi_is_oversized(const struct fastcgi_exchange *exchange);

/*
 * Reads `size` bytes of the body. Returns fewer at the end of the body, if the web server closes the connection, or if
 * the entire body takes more than 60 seconds. The thread may pause (FASTCGI_TRANSFER) while it waits for the body.
 * Returns -1 if it must wait but not pause.
 */
ssize_t fastcgi_read(struct fastcgi_exchange *exchange, char *data, size_t size);

/*
 * Whether the request may have a body. A CGI program must not read one that is not announced, because the web server
 * may leave standard input open.
 */
bool fastcgi_may_have_body(const struct fastcgi_exchange *exchange);

/*
 * Sets the time limit of the entire response, in milliseconds from now. By default, the limit is 60 seconds from the
 * first write. Each single write is also limited to 60 seconds.
 */
void fastcgi_set_time_limit(struct fastcgi_exchange *exchange, int64_t ms);

/*
 * Writes the next part of a response, which consists of CGI header lines, an empty line and the body. Returns false if
 * the web server has closed the connection, or if a time limit has passed.
 */
MUST_CHECK bool fastcgi_write(struct fastcgi_exchange *exchange, const char *data, size_t length);

/* Whether the web server has closed the connection, which it does when its client disconnects. */
bool fastcgi_is_disconnected(const struct fastcgi_exchange *exchange);

/* Why the thread of a handler pauses. */
enum fastcgi_pause {
    FASTCGI_WAIT,     /* the thread waits for the end of a task */
    FASTCGI_TRANSFER, /* the client may be slow to send the body or to read the response */
};

/*
 * Announces that the thread of the handler is going to wait. Another thread serves requests in its place until
 * fastcgi_resume, or until the whole response is written after the handler has returned. Returns false if the limit of
 * threads that pause for this reason is reached. The handler must then neither wait nor call fastcgi_resume.
 */
MUST_CHECK bool fastcgi_pause(struct fastcgi_exchange *exchange, enum fastcgi_pause reason);
void fastcgi_resume(struct fastcgi_exchange *exchange, enum fastcgi_pause reason);

/*
 * The requests that are received whole before a thread serves them, so that a slow client costs no thread: those with a
 * variable whose value begins with a prefix, in any case. Of the body, as much is received as http_request_read_body
 * reads: up to Content-Length or its end; nothing if Content-Length exceeds max_body; at most one byte beyond max_body,
 * which shows that it is too large. A request that does not arrive within 60 seconds is dropped.
 */
struct fastcgi_whole {
    const char *variable; /* NULL: no requests */
    const char *prefix;
    size_t max_body;
};

typedef void (*fastcgi_handler)(void *context, struct fastcgi_exchange *exchange);

struct fastcgi_server;

/*
 * Serves a listening socket, which must be in non-blocking mode, with `threads` threads. Each thread calls the handler
 * for one request at a time. In addition, at most `waits` threads may pause for FASTCGI_WAIT, and 256 for
 * FASTCGI_TRANSFER. `whole` may be NULL. The caller still owns the socket. Returns NULL on failure.
 */
MUST_CHECK struct fastcgi_server *fastcgi_start(int socket, int threads, int waits, const struct fastcgi_whole *whole,
                                                fastcgi_handler handler, void *context, struct error *err);

/* Stops accepting connections. Requests that have partly arrived are still received and served. */
void fastcgi_close(struct fastcgi_server *server);

/*
 * Stops accepting connections, and waits up to grace_ms for the requests in progress. Returns true if all threads have
 * ended; the server is freed. Returns false if some have not; everything that they use must remain valid.
 */
MUST_CHECK bool fastcgi_stop(struct fastcgi_server *server, int grace_ms);

/* Calls the handler for the one request of a CGI program. */
void fastcgi_serve_cgi(fastcgi_handler handler, void *context);

#endif
