/*
 * FastCGI: the threads that serve a listening socket, and the one request that each has in hand. The only user of
 * libfcgi. A plain CGI program's single request looks the same to those above.
 */
#ifndef WAYBILL_HTTP_FASTCGI_H
#define WAYBILL_HTTP_FASTCGI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/error.h"

/* One request and the way back to the web server. Lives as long as the handler's call. */
struct fastcgi_exchange;

/* A CGI variable (RFC 3875) such as REQUEST_METHOD or HTTP_HOST; NULL if there is none. */
const char *fastcgi_variable(const struct fastcgi_exchange *exchange, const char *name);

/* The most variables that a request may have, and the most bytes that they may have together. */
#define FASTCGI_MAX_VARIABLES 4096
#define FASTCGI_MAX_BYTES (512 * 1024)

/* Whether the request has more: then some are missing, and the body is. */
bool fastcgi_is_oversized(const struct fastcgi_exchange *exchange);

/*
 * Reads `size` bytes of the body; fewer at its end, or where the web server broke off or took more than 60 seconds for
 * the whole body. While the body does not come, the thread is paused (FASTCGI_TRANSFER); -1 if it may not be.
 */
ssize_t fastcgi_read(struct fastcgi_exchange *exchange, char *data, size_t size);

/*
 * Allows the whole answer so many milliseconds from now. Without it, it has 60 seconds from the first write on. Each
 * write alone has 60 seconds at most.
 */
void fastcgi_allow(struct fastcgi_exchange *exchange, int64_t ms);

/* Writes to the web server: CGI header lines, an empty line, the body. False if it is gone. */
MUST_CHECK bool fastcgi_write(struct fastcgi_exchange *exchange, const char *data, size_t length);

/* Whether the web server has closed the connection, as it does when its client has gone. */
bool fastcgi_is_gone(const struct fastcgi_exchange *exchange);

/* What the handler's thread waits for. */
enum fastcgi_pause {
    FASTCGI_WAIT,     /* the end of a task */
    FASTCGI_TRANSFER, /* a body or an answer that the other side sends or takes at its own pace */
};

/*
 * The handler's thread is going to wait: another takes its place until fastcgi_resume, or until all of the answer has
 * been written after the handler's return. False if as many wait for the same reason as may: then the handler must not
 * wait, and calls no fastcgi_resume.
 */
MUST_CHECK bool fastcgi_pause(struct fastcgi_exchange *exchange, enum fastcgi_pause reason);
void fastcgi_resume(struct fastcgi_exchange *exchange, enum fastcgi_pause reason);

typedef void (*fastcgi_handler)(void *context, struct fastcgi_exchange *exchange);

/* What a process was started as, by its file descriptor 0 (FastCGI specification, section 2.2). */
enum fastcgi_mode {
    FASTCGI_LISTENING, /* descriptor 0 is a listening socket */
    FASTCGI_CGI,       /* a web server runs it as a CGI program */
    FASTCGI_NEITHER,
};

enum fastcgi_mode fastcgi_mode(void);

/*
 * Makes a listening socket. `address` is a path (it has a `/`; the socket's mode is 0660, a socket that nobody
 * listens on any more is replaced) or HOST:PORT: the socket listens on the first address of the host that this machine
 * has. -1 on failure (ERROR_CONFIG), such as a port in use. Close it with fastcgi_unlisten.
 */
MUST_CHECK int fastcgi_listen(const char *address, struct error *err);

/* Closes it and removes its path. */
void fastcgi_unlisten(int socket, const char *address);

/* Connects to such an address, of a host to the first that accepts. -1 on failure (ERROR_UNAVAILABLE). */
MUST_CHECK int fastcgi_connect(const char *address, struct error *err);

struct fastcgi_server;

/*
 * Serves a listening socket, which must not block, with `threads` threads, each of which calls the handler for one
 * request after the other. At most `waits` more may be paused by FASTCGI_WAIT, and 256 by FASTCGI_TRANSFER. NULL on
 * failure. The socket stays the caller's.
 */
MUST_CHECK struct fastcgi_server *fastcgi_start(int socket, int threads, int waits, fastcgi_handler handler,
                                                void *context, struct error *err);

/* Accepts no more connections. Requests whose head has come in part may still come, and are served. */
void fastcgi_close(struct fastcgi_server *server);

/*
 * Closes, and waits up to grace_ms for the requests in hand. True if all threads have ended: then the server is
 * freed. False if some have not: then what they use must stay.
 */
MUST_CHECK bool fastcgi_stop(struct fastcgi_server *server, int grace_ms);

/* Calls the handler for the one request of a CGI program. */
void fastcgi_serve_cgi(fastcgi_handler handler, void *context);

#endif
