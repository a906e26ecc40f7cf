/* Sends a request to a FastCGI process, as a web server does, to check that the process responds. */
#ifndef WAYBILL_HTTP_PROBE_H
#define WAYBILL_HTTP_PROBE_H

#include "base/compiler.h"
#include "base/error.h"

/*
 * Sends GET `path` to the process that listens at `address` (as in fastcgi_listen). timeout_ms limits the whole
 * exchange, from the connection to the end of the response. *ret_status is its HTTP status; its body is ignored. Fails
 * with ERROR_UNAVAILABLE if there is no valid response.
 */
MUST_CHECK bool http_probe(const char *address, const char *path, int timeout_ms, int *ret_status, struct error *err);

#endif
