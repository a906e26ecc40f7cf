/*
 * Errors, in one form from the database to the response. A function that can fail takes a struct error, fills it on
 * failure, and returns false or NULL. The table in error.c maps each code to HTTP and exit statuses.
 */
#ifndef WAYBILL_BASE_ERROR_H
#define WAYBILL_BASE_ERROR_H

#include <stdbool.h>

#include "base/compiler.h"

enum error_code {
    ERROR_NONE,
    ERROR_PARAMETER,    /* a parameter or a body field breaks a rule */
    ERROR_BODY,         /* the body cannot be parsed */
    ERROR_IDENTITY,     /* no valid credentials */
    ERROR_PERMISSION,   /* the caller lacks a permission, or access to the project or enterprise project */
    ERROR_NOT_FOUND,    /* no such task or file, for this caller */
    ERROR_NO_API,       /* no such path */
    ERROR_METHOD,       /* the path has no such method */
    ERROR_GONE,         /* the file has expired */
    ERROR_TOO_LARGE,    /* the body exceeds its size limit */
    ERROR_MEDIA_TYPE,   /* the body is not application/json */
    ERROR_RANGE,        /* the requested range cannot be satisfied */
    ERROR_KEY_REUSED,   /* the Idempotency-Key came with another request before */
    ERROR_TOO_MANY,     /* too many unfinished tasks of the project, or failed sign-ins of the address */
    ERROR_HEADERS,      /* the headers exceed their limits */
    ERROR_INTERNAL,     /* an error of the service itself */
    ERROR_TIMEOUT,      /* a query or an export exceeded its time limit */
    ERROR_STORAGE,      /* a file cannot be written or read */
    ERROR_CANCELLED,    /* the process is stopping */
    ERROR_LEASE,        /* the lease on a task is lost: another process has the task, or it was removed */
    ERROR_UNAVAILABLE,  /* PostgreSQL cannot be reached, or the service is busy or stopping */
    ERROR_PARTIAL,      /* a load went on without records that cannot be stored */
    ERROR_CONFIG,       /* the configuration is wrong */
    ERROR_USAGE,        /* the command line is wrong */
};

#define ERROR_CODE_COUNT (ERROR_USAGE + 1)

struct error {
    enum error_code code;
    int retry_after;   /* seconds of the Retry-After header, in place of those in the table; 0: as in the table */
    char message[512]; /* for the client: the field, the rule and the value; no secret, no SQL */
    char detail[512];  /* for the log only; may be empty */
};

struct error_info {
    const char *name;      /* in the log */
    const char *api_code;  /* error_code of a response */
    int http_status;
    int retry_after;       /* seconds of the Retry-After header; 0: no header */
    int exit_status;
};

/* Returns the row of the table for this code. */
const struct error_info *error_info(enum error_code code);

/*
 * Fills err and clears its detail. A long message is cut at the boundary of a character. Always returns false, so that
 * a caller can write `return error_set(...)`.
 */
bool error_set(struct error *err, enum error_code code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Sets retry_after. Always returns false. */
bool error_retry_after(struct error *err, int seconds);

/* Sets the detail, for the log only. Always returns false. */
bool error_detail(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Whether a retry may succeed: the database or the service is unavailable, or a time limit was exceeded. */
bool error_is_transient(const struct error *err);

#endif
