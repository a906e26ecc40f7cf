/*
 * What the loaders of all formats share: the options that they obey, the sink that receives what they read, and the
 * state of the file that they read. This code needs no database.
 */
#ifndef WAYBILL_INVENTORY_LOADER_H
#define WAYBILL_INVENTORY_LOADER_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "inventory/record.h"

#define IMAGE_NAME_MAX_BYTES 1024 /* of an image with a report: it is part of a key */

struct loader_options {
    const char *cluster_name; /* NULL: none */
    const char *cluster_type; /* NULL: none */
    const char *image;        /* that reports are on, whatever they name; NULL: what they name */
    bool include_init;        /* init containers that run to completion */
    bool include_ephemeral;   /* ephemeral containers */
};

/* Where a record is in the input. */
struct loader_position {
    const char *file; /* as messages name it */
    int64_t item;     /* from 1; 0: unknown */
    int64_t line;     /* from 1; 0: unknown */
};

/* Numbers of risks, as the columns of these names have them. */
struct image_risks {
    int64_t low, medium, high, fatal;
};

/* Receives what a loader reads. A function that returns false has filled err, and the loader stops with this error. */
struct loader_sink {
    /* A container. The record is valid until the function returns. */
    bool (*container)(void *context, const struct record *record, const struct loader_position *position,
                      struct error *err);

    /* The risks of an image, under one of its names. The name is valid until the function returns. */
    bool (*report)(void *context, const char *image, const struct image_risks *risks, struct error *err);

    /* Something that is left out on purpose, such as an init container or a pod sandbox. */
    void (*skip)(void *context);

    /*
     * A record that cannot be stored, for the reason in err. Returns true if the loader goes on without it; otherwise,
     * err also names the position.
     * `container_id` is that of the stored row which the record would have kept, or NULL if it has none. `hides_rows`:
     * the record may stand for containers whose ids are unknown.
     */
    bool (*refuse)(void *context, const char *container_id, bool hides_rows, const struct loader_position *position,
                   struct error *err);

    /* Called after each item, with the number of bytes that were read, so that the sink can show progress or stop. */
    bool (*progress)(void *context, int64_t position, struct error *err);

    void *context;
};

/* One load of one file. */
struct loader {
    const struct loader_options *options;
    const struct loader_sink *sink;
    struct loader_position position; /* of the current record */
    struct image_risks risks;        /* of the elements of the report that is being read */
    bool lacks_elements;             /* an element of the current text was refused */
};

/*
 * Passes a record that cannot be stored, for the reason in err, to the sink. The container_id of the record, if it has
 * one, tells which stored row stays. `record` is NULL if there is none. Returns true if the loader goes on.
 */
bool loader_refuse(struct loader *loader, const struct record *record, struct error *err);

/*
 * Checks that the elements of a list were found as items (base/json_items.h): `text` is the text around them, in which
 * the list is empty, missing or null. Another value, or a name that is written with escapes, is an error.
 */
MUST_CHECK bool loader_check_list(const struct loader *loader, struct json_object *text, const char *list,
                                  struct error *err);

#endif
