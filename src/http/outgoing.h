/*
 * Outgoing HTTP requests. outgoing.c is the only user of libcurl. The certificate of an https URL is always verified,
 * redirects are not followed, and the environment and the files of the user have no effect: no proxy, no .netrc.
 */
#ifndef WAYBILL_HTTP_OUTGOING_H
#define WAYBILL_HTTP_OUTGOING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"

/* A parsed URL. Its parts are in the form in which libcurl has decoded them, and a request uses them in this form. */
struct outgoing_url;

/*
 * Parses a URL: 1 to 2048 visible ASCII characters of the form SCHEME://HOST/PATH, without user information, fragment,
 * IPv6 zone and port 0. Returns NULL on failure (ERROR_PARAMETER). The message names the parameter `name` and the rule,
 * but contains no user information, path or query. Free the URL with outgoing_url_free.
 */
MUST_CHECK struct outgoing_url *outgoing_url_parse(const char *name, const char *url, struct error *err);

/* NULL is allowed. */
void outgoing_url_free(struct outgoing_url *url);

/* The scheme in lower case, and the host. They are valid as long as the URL. */
const char *outgoing_url_scheme(const struct outgoing_url *url);
const char *outgoing_url_host(const struct outgoing_url *url);

/* The port, by default that of the scheme. 0 if libcurl does not know the scheme. */
int outgoing_url_port(const struct outgoing_url *url);

#define OUTGOING_AUTHORITY_SIZE 320

/* The host in lower case and the port, such as hooks.example.org:443. A longer text is cut. Messages contain it. */
const char *outgoing_url_authority(const struct outgoing_url *url);

/* A header. Neither part may contain control characters. */
struct outgoing_header {
    const char *name;
    const char *value;
};

struct outgoing_request {
    const struct outgoing_url *url;        /* with the scheme https or http */
    const struct outgoing_header *headers; /* ended by a NULL name */
    const char *body;                      /* the content of a POST; NULL: a GET */
    int timeout_ms;                        /* for all of it, including name resolution and connecting */
    int connect_timeout_ms;                /* until the connection is set up; 0: no limit of its own */
    size_t max_response;                   /* bytes of the headers and the content of the response */
    const char *ca_file;                   /* the only certificate authorities; NULL: those of the system */
    const atomic_bool *stop;               /* aborts within about a second once it is true; NULL: never */
};

struct outgoing_response {
    int status;
    bool is_cut;        /* it exceeds max_response, and the rest was not read */
    struct buffer body; /* the content, as it was sent: not decompressed */
};

/*
 * Sends a request and receives the response, whatever its status. Free the body of the response with buffer_free.
 * Errors: ERROR_CANCELLED after `stop`, ERROR_TIMEOUT, ERROR_INTERNAL if libcurl cannot be set up, else
 * ERROR_UNAVAILABLE. The messages name the host and the port, but no other part of the request. The process must ignore
 * SIGPIPE. The copies of the headers that this function makes are wiped; libcurl does not wipe its own.
 */
MUST_CHECK bool outgoing_send(const struct outgoing_request *request, struct outgoing_response *ret_response,
                              struct error *err);

#endif
