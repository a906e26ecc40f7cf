/* Creates the listening sockets of FastCGI processes, and connects to them. */
#ifndef WAYBILL_HTTP_LISTEN_H
#define WAYBILL_HTTP_LISTEN_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

/* How the process was started, according to its file descriptor 0 (FastCGI specification, section 2.2). */
enum fastcgi_mode {
    FASTCGI_LISTENING, /* descriptor 0 is a listening socket */
    FASTCGI_CGI,       /* a web server runs it as a CGI program */
    FASTCGI_NEITHER,
};

/* Also sets a listening socket on descriptor 0 to non-blocking mode, as fastcgi_start requires. */
enum fastcgi_mode fastcgi_mode(void);

/*
 * Opens a listening socket. `address` is either a path, which contains a `/`, or HOST:PORT. A path gets the mode 0660;
 * a socket that no process listens on is replaced. For HOST:PORT, the socket listens on the first address of the host
 * that this machine has. Returns -1 on failure (ERROR_CONFIG), such as a port in use. Close it with fastcgi_unlisten.
 */
MUST_CHECK int fastcgi_listen(const char *address, struct error *err);

/* Removes the path and closes the socket. If other threads may still use the socket, pass -1: it remains open. */
void fastcgi_unlisten(int socket, const char *address);

/*
 * Connects to such an address. If the host has several addresses, tries them in order. Returns -1 on failure
 * (ERROR_UNAVAILABLE), also if the monotonic deadline passes. The deadline does not limit the resolution of the name.
 */
MUST_CHECK int fastcgi_connect(const char *address, int64_t deadline, struct error *err);

#endif
