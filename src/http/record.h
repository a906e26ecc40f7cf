/*
 * The records that a web server sends on a connection (FastCGI specification, section 3.3), taken apart and checked as
 * their bytes come, in pieces of any length. Nothing here reads or writes a descriptor. A connection carries one
 * request for a responder: BEGIN_REQUEST, the stream PARAMS, the stream STDIN, and management records anywhere.
 */
#ifndef WAYBILL_HTTP_RECORD_H
#define WAYBILL_HTTP_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

#define RECORD_HEADER_SIZE 8
#define RECORD_GATHERED_MAX 256 /* the longest content of a management record that is answered */
#define RECORD_MAX_PAIRS 4096   /* of a request's parameters */

/* Bytes that belong to another. */
struct record_bytes {
    const char *data;
    size_t length;
};

enum record_event {
    RECORD_NEEDS_MORE, /* all bytes are taken, and more have to come */
    RECORD_CONTENT,    /* content of PARAMS or, after their end, of STDIN */
    RECORD_STREAM_END, /* the end of PARAMS or STDIN; after STDIN no bytes are taken any more */
    RECORD_MANAGEMENT, /* a management record, to be answered with record_answer */
    RECORD_ABORT,      /* the web server gives up the request; no bytes are taken any more */
    RECORD_INVALID,    /* not such a request; `problem` says why, and no bytes are taken any more */
};

enum record_phase {
    RECORD_PHASE_BEGIN,
    RECORD_PHASE_PARAMS,
    RECORD_PHASE_STDIN,
    RECORD_PHASE_OVER,
    RECORD_PHASE_INVALID,
};

/* The state between two pieces; all zero at the start. */
struct record_reader {
    enum record_phase phase;
    unsigned char header[RECORD_HEADER_SIZE];
    unsigned header_length; /* bytes of the header that have come */
    bool is_open;           /* the record's end has not been told */
    unsigned content_left;
    unsigned padding_left;
    int request_id; /* known after RECORD_PHASE_BEGIN */
    unsigned char gathered[RECORD_GATHERED_MAX];
    size_t gathered_length;
    const char *problem; /* NULL until RECORD_INVALID; for the log */
};

/* Takes bytes from the front of *bytes up to the next event. RECORD_CONTENT sets *ret_content to a part of *bytes. */
enum record_event record_read(struct record_reader *reader, struct record_bytes *bytes,
                              struct record_bytes *ret_content);

/* Appends the record that answers the management record which has just been read. */
void record_answer(const struct record_reader *reader, struct buffer *out);

/*
 * How many bytes of the content of PARAMS the pairs take that are whole, up to RECORD_MAX_PAIRS of them; *ret_pairs is
 * their number. libfcgi must get no other: it believes the lengths, and ends the process where it can't get as much
 * memory.
 */
size_t record_whole_params(const char *data, size_t length, int *ret_pairs);

/* Appends the records BEGIN_REQUEST and PARAMS, with its end, of a request with this content of PARAMS. */
void record_append_head(struct buffer *out, int request_id, const char *params, size_t length);

#endif
