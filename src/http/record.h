/*
 * Parses and checks the records that a web server sends on a connection (FastCGI specification, section 3.3), in pieces
 * of any length. Nothing here reads or writes a descriptor. A connection carries one request for a responder:
 * BEGIN_REQUEST, the stream PARAMS, the stream STDIN, and management records anywhere.
 */
#ifndef WAYBILL_HTTP_RECORD_H
#define WAYBILL_HTTP_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

#define RECORD_HEADER_SIZE 8
#define RECORD_MAX_CONTENT 65535 /* bytes of a record */
#define RECORD_GATHERED_MAX 256 /* largest content of a management record */
#define RECORD_MAX_PAIRS 4096   /* parameters of a request */

/* A view of bytes that belong to another object. */
struct record_bytes {
    const char *data;
    size_t length;
};

enum record_event {
    RECORD_NEEDS_MORE, /* all bytes are consumed; more must follow */
    RECORD_CONTENT,    /* content of PARAMS or, after its end, of STDIN */
    RECORD_STREAM_END, /* the end of PARAMS or STDIN; after STDIN no more bytes are consumed */
    RECORD_MANAGEMENT, /* a management record; respond with record_append_response */
    RECORD_ABORT,      /* the web server aborts the request; no more bytes are consumed */
    RECORD_INVALID,    /* an invalid request, see `problem`; no more bytes are consumed */
};

enum record_phase {
    RECORD_PHASE_BEGIN,
    RECORD_PHASE_PARAMS,
    RECORD_PHASE_STDIN,
    RECORD_PHASE_FINISHED,
    RECORD_PHASE_INVALID,
};

/* The state between two pieces. Initialize it with zeros. */
struct record_reader {
    enum record_phase phase;
    unsigned char header[RECORD_HEADER_SIZE];
    unsigned header_length; /* bytes of the header received */
    bool is_open;           /* the end of its content has not been handled yet */
    unsigned content_left;
    unsigned padding_left;
    int request_id; /* known after RECORD_PHASE_BEGIN */
    unsigned char gathered[RECORD_GATHERED_MAX];
    size_t gathered_length;
    const char *problem; /* NULL until RECORD_INVALID; for the log */
};

/*
 * Consumes bytes from the front of *bytes up to the next event. RECORD_CONTENT sets *ret_content to a part of *bytes.
 */
enum record_event record_read(struct record_reader *reader, struct record_bytes *bytes,
                              struct record_bytes *ret_content);

/* Appends the record that responds to the last management record. */
void record_append_response(const struct record_reader *reader, struct buffer *out);

/*
 * Returns how many bytes of the content of PARAMS consist of complete pairs, at most RECORD_MAX_PAIRS of them;
 * *ret_pairs is their number. Pass only these bytes to libfcgi, which trusts the lengths and exits if it cannot
 * allocate the memory.
 */
size_t record_complete_params(const char *data, size_t length, int *ret_pairs);

/* Finds the value of the first of these complete pairs that has this name. Returns false if there is none. */
bool record_find_param(const char *data, size_t length, const char *name, struct record_bytes *ret_value);

/* Writes the header of a record of the response with `length` bytes, at most RECORD_MAX_CONTENT. */
void record_format_output(char out[RECORD_HEADER_SIZE], int request_id, size_t length);

/* Appends the records of a head: BEGIN_REQUEST, PARAMS with this content, and the end of PARAMS. */
void record_append_head(struct buffer *out, int request_id, const char *params, size_t length);

#endif
