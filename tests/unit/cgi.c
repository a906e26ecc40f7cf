#include "cgi.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/memory.h"
#include "check.h"
#include "scratch.h"

#define MAX_VARIABLES 32

static char *variables[MAX_VARIABLES];
static size_t variable_count;

void cgi_variable(const char *name, const char *value)
{
    if (value == NULL) {
        unsetenv(name);
        return;
    }
    assert_in_range(variable_count, 0, MAX_VARIABLES - 1);
    variables[variable_count++] = memory_copy_text(name);
    setenv(name, value, 1);
}

void cgi_clear(void)
{
    while (variable_count > 0) {
        unsetenv(variables[--variable_count]);
        free(variables[variable_count]);
    }
}

void cgi_serve(fastcgi_handler handler, void *context, const char *body, size_t length, struct buffer *out)
{
    char *path = scratch_write("stdin", body, length);

    cgi_serve_from(handler, context, path, out);
    free(path);
}

void cgi_serve_from(fastcgi_handler handler, void *context, const char *path, struct buffer *out)
{
    char *written = scratch_path("stdout");
    int file = open(written, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int terminal;

    assert_true(file >= 0);
    assert_non_null(freopen(path, "r", stdin));
    fflush(stdout);
    terminal = dup(STDOUT_FILENO);
    dup2(file, STDOUT_FILENO);
    fastcgi_serve_cgi(handler, context);
    fflush(stdout);
    dup2(terminal, STDOUT_FILENO);
    close(terminal);
    close(file);
    assert_non_null(freopen("/dev/null", "r", stdin));
    scratch_read(written, out);
    free(written);
}

const char *cgi_body(const struct buffer *out, size_t *ret_length)
{
    const char *end = strstr(buffer_text(out), "\r\n\r\n");

    if (end == NULL)
        check_fail("no end of the headers: %s", buffer_text(out));
    *ret_length = out->length - (size_t) (end + 4 - out->data);
    return end + 4;
}

char *cgi_header(const struct buffer *out, const char *name)
{
    size_t length = strlen(name);
    size_t body_length;
    const char *body = cgi_body(out, &body_length);

    for (const char *line = out->data; line < body - 2; line = strstr(line, "\r\n") + 2) {
        if (strncasecmp(line, name, length) == 0 && strncmp(line + length, ": ", 2) == 0)
            return memory_copy_bytes(line + length + 2, (size_t) (strstr(line, "\r\n") - line) - length - 2);
    }
    return NULL;
}
