/* The web server's side of FastCGI connections, and other helpers for tests of the threads that serve them. */
#ifndef WAYBILL_TESTS_UNIT_PEER_H
#define WAYBILL_TESTS_UNIT_PEER_H

#include <stdbool.h>
#include <stddef.h>

#define PEER_AT_MOST_MS 60000 /* reached only if there is a bug */

#define PEER_BEGIN "\1\1\0\1\0\10\0\0" "\0\1\0\0\0\0\0\0"
#define PEER_PARAMS_END "\1\4\0\1\0\0\0\0"
#define PEER_STDIN_END "\1\5\0\1\0\0\0\0"

/* Connects to the socket at the path. */
int peer_connect(const char *path);

/* Fills the queue of the listening socket, so that further connections wait. Returns the connection in the queue. */
int peer_fill_queue(int listener, const char *path);

/* Sends all the data; PEER_SEND sends a literal. peer_try_to_send returns false if the other side takes no more. */
bool peer_try_to_send(int peer, const char *data, size_t length);
void peer_send(int peer, const char *data, size_t length);
#define PEER_SEND(peer, literal) peer_send((peer), (literal), sizeof(literal) - 1)

/* Sends the records of a request's head with one parameter, up to the end of PARAMS. */
void peer_send_head(int peer, const char *name, const char *value);

/* Sends `length` bytes of the body, at most 65535, as one record. */
void peer_send_body(int peer, const char *data, size_t length);

/* Reads a response up to END_REQUEST into `out`, NUL-terminated. Returns false if the stream ends earlier. */
bool peer_answer(int peer, char *out, size_t size);

/* Returns the number of records of the last such response. */
int peer_records(void);

/* Waits until the other side closes or shuts down the connection, and discards the data that arrives before. */
void peer_expect_end(int peer);

/* Returns whether the connection is still open and no data has arrived. */
bool peer_is_open(int peer);

/* Returns the number of threads of this process. peer_await_threads waits until there are `count`. */
int peer_threads(void);
void peer_await_threads(int count);

#endif
