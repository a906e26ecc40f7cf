/*
 * A container that is to be loaded: a value for each column, as text that PostgreSQL accepts. The functions that set a
 * value check the rules of its column. They fail with ERROR_PARAMETER and a message that names the column, the rule and
 * the value; the column is NULL then.
 */
#ifndef WAYBILL_INVENTORY_RECORD_H
#define WAYBILL_INVENTORY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/field.h"

#define RECORD_MAX_TEXT 4096        /* characters */
#define RECORD_MAX_CONTAINER_ID 512 /* characters */

/* The columns, in the order of record_columns. */
enum record_field {
    RECORD_CONTAINER_ID,
    RECORD_CONTAINER_NAME,
    RECORD_IMAGE_NAME,
    RECORD_POD_NAME,
    RECORD_CLUSTER_NAME,
    RECORD_CLUSTER_TYPE,
    RECORD_STATUS,
    RECORD_RISKY,
    RECORD_LOW_RISK,
    RECORD_MEDIUM_RISK,
    RECORD_HIGH_RISK,
    RECORD_FATAL_RISK,
    RECORD_CREATE_TIME,
    RECORD_RESTART_COUNT,
    RECORD_CPU_LIMIT,
    RECORD_MEMORY_LIMIT,
    RECORD_ENTERPRISE_PROJECT_ID, /* NULL: that of the load */
    RECORD_CLUSTER_CONTAINER,     /* NULL: whether pod_name is not NULL */
    RECORD_FIELD_COUNT
};

enum record_kind {
    RECORD_TEXT,
    RECORD_CHOICE,  /* one of a list of texts */
    RECORD_BOOLEAN,
    RECORD_COUNT,   /* 0 to 2147483647 */
    RECORD_TIME,    /* of any year that PostgreSQL's timestamptz can hold, in milliseconds */
};

struct record_column {
    const char *name; /* of the column in waybill.container */
    enum record_kind kind;
    size_t max_length; /* of RECORD_TEXT, in characters */
};

extern const struct record_column record_columns[RECORD_FIELD_COUNT];

#define RECORD_SCRATCH_SIZE 40

struct record {
    struct db_field fields[RECORD_FIELD_COUNT];
    char scratch[RECORD_FIELD_COUNT][RECORD_SCRATCH_SIZE]; /* values that are not borrowed */
};

/* Sets all columns to NULL. */
void record_clear(struct record *record);

/* Returns the column with this name, or RECORD_FIELD_COUNT if there is none. */
enum record_field record_find(const char *name, size_t length);

/*
 * Sets a column of kind RECORD_TEXT or RECORD_CHOICE. The record refers to the text, which must live as long as the
 * value is used. NULL sets NULL.
 */
MUST_CHECK bool record_set_text(struct record *record, enum record_field field, const char *text, size_t length,
                                struct error *err);

/* The same for a string that ends with NUL. */
MUST_CHECK bool record_set_string(struct record *record, enum record_field field, const char *text, struct error *err);

/* Sets a column of kind RECORD_COUNT. */
MUST_CHECK bool record_set_count(struct record *record, enum record_field field, int64_t value, struct error *err);

/*
 * Sets a column of kind RECORD_TIME from a time with a date, a time of day, an optional fraction of any length, which
 * is cut to milliseconds, and an offset (RFC 3339, such as 2026-04-03T08:15:00.123456789Z or +02:00). NULL sets NULL.
 */
MUST_CHECK bool record_set_time(struct record *record, enum record_field field, const char *text, struct error *err);

/*
 * Sets a column of any kind from the text that an exported file has for it: true, false, a decimal number, a time as in
 * record_set_time or as PostgreSQL writes it beyond that (infinity, years before 1 or after 9999).
 */
MUST_CHECK bool record_set_exported(struct record *record, enum record_field field, const char *text, size_t length,
                                    struct error *err);

/* Whether the text is among the choices of a column of kind RECORD_CHOICE. */
bool record_is_choice(enum record_field field, const char *text);

/* Whether the record can be stored: it has a container_id. */
MUST_CHECK bool record_check(const struct record *record, struct error *err);

#endif
