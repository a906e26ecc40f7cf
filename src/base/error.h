/*
 * What went wrong, in one form from the database to the answer. A function that can fail takes a
 * struct error and returns false or NULL after filling it; error.c has the one table that says what
 * each code means to a client and to a shell.
 */
#ifndef WAYBILL_BASE_ERROR_H
#define WAYBILL_BASE_ERROR_H

#include <stdbool.h>

#include "base/compiler.h"

enum error_code {
    ERROR_NONE,
    ERROR_PARAMETER,    /* a parameter or a body field breaks a rule */
    ERROR_BODY,         /* the body can't be parsed */
    ERROR_IDENTITY,     /* no valid token */
    ERROR_PERMISSION,   /* the caller lacks the project or enterprise project */
    ERROR_NOT_FOUND,    /* no such task or file, for this caller */
    ERROR_NO_API,       /* no such path */
    ERROR_METHOD,       /* the path has no such method */
    ERROR_GONE,         /* the file has expired */
    ERROR_TOO_LARGE,    /* the body is larger than it may be */
    ERROR_MEDIA_TYPE,   /* the body is not application/json */
    ERROR_RANGE,        /* no byte of the file is in the range asked for */
    ERROR_TOO_MANY,     /* the project has too many unfinished tasks */
    ERROR_HEADERS,      /* the headers are larger than they may be */
    ERROR_INTERNAL,     /* a fault of the service */
    ERROR_TIMEOUT,      /* a query or an export took longer than it may */
    ERROR_STORAGE,      /* a file can't be written or read */
    ERROR_CANCELLED,    /* the process is stopping */
    ERROR_LEASE,        /* the lease on a task is lost: the task is another's, or gone */
    ERROR_UNAVAILABLE,  /* PostgreSQL can't be reached, or too many requests are under way */
    ERROR_CONFIG,       /* the configuration is wrong */
    ERROR_USAGE,        /* the command line is wrong */
};

struct error {
    enum error_code code;
    char message[512]; /* for the caller: names field, rule and what was got; no secret, no SQL */
    char detail[512];  /* for the log alone; may be empty */
};

struct error_info {
    const char *name;      /* as in the log */
    const char *api_code;  /* error_code of an answer */
    int http_status;
    int retry_after;       /* seconds for a Retry-After header, 0 is none */
    int exit_status;
};

/* The row of the table for this code. */
const struct error_info *error_info(enum error_code code);

/*
 * Fills err: the message is cut at a character's boundary if it is too long, the detail is emptied.
 * Always returns false, so that a caller can write `return error_set(...)`.
 */
bool error_set(struct error *err, enum error_code code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Adds what only the log may say. Always returns false. */
bool error_detail(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
