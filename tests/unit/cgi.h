/* Runs a handler as the one request of a CGI program: variables in the environment, standard input and output. */
#ifndef WAYBILL_TESTS_UNIT_CGI_H
#define WAYBILL_TESTS_UNIT_CGI_H

#include <stddef.h>

#include "base/buffer.h"
#include "http/fastcgi.h"

/* Sets a variable for the requests to come; NULL removes it. */
void cgi_variable(const char *name, const char *value);

/* Removes all that cgi_variable has set. */
void cgi_clear(void);

/* Serves a request with this body. What the handler writes is appended to `out`. */
void cgi_serve(fastcgi_handler handler, void *context, const char *body, size_t length, struct buffer *out);

/* Likewise, with what can be read from `path`. */
void cgi_serve_from(fastcgi_handler handler, void *context, const char *path, struct buffer *out);

/* The value of a header line in what a handler has written; NULL if there is none. To be freed. */
char *cgi_header(const struct buffer *out, const char *name);

/* The body in what a handler has written: what follows the empty line. */
const char *cgi_body(const struct buffer *out, size_t *ret_length);

#endif
