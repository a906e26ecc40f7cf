/* Runs a handler as the one request of a CGI program: variables in the environment, standard input and output. */
#ifndef WAYBILL_TESTS_UNIT_CGI_H
#define WAYBILL_TESTS_UNIT_CGI_H

#include <stddef.h>

#include "base/buffer.h"
#include "http/fastcgi.h"

/* Sets a variable for all later requests. NULL removes it. */
void cgi_variable(const char *name, const char *value);

/* Removes every variable that cgi_variable set. */
void cgi_clear(void);

/* Serves one request with this body and appends what the handler writes to `out`. */
void cgi_serve(fastcgi_handler handler, void *context, const char *body, size_t length, struct buffer *out);

/* Like cgi_serve, but the body is read from `path`. */
void cgi_serve_from(fastcgi_handler handler, void *context, const char *path, struct buffer *out);

/* Returns the value of a header line in a handler's output, NULL if there is none. The caller frees it. */
char *cgi_header(const struct buffer *out, const char *name);

/* Returns the body in a handler's output: the bytes after the empty line. */
const char *cgi_body(const struct buffer *out, size_t *ret_length);

#endif
