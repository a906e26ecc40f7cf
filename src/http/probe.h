/* Asks a FastCGI process something, as a web server would: for an operator who wants to know whether it answers. */
#ifndef WAYBILL_HTTP_PROBE_H
#define WAYBILL_HTTP_PROBE_H

#include "base/compiler.h"
#include "base/error.h"

/*
 * Sends GET `path` to the process that listens at `address` (as in fastcgi_listen), and waits up to timeout_ms for its
 * whole answer. *ret_status is the status of the answer, whose body is of no interest. ERROR_UNAVAILABLE if there is
 * none.
 */
MUST_CHECK bool http_probe(const char *address, const char *path, int timeout_ms, int *ret_status, struct error *err);

#endif
