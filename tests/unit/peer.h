/* The web server's side of FastCGI connections, and other things that tests of the threads behind them need. */
#ifndef WAYBILL_TESTS_UNIT_PEER_H
#define WAYBILL_TESTS_UNIT_PEER_H

#include <stdbool.h>
#include <stddef.h>

#define PEER_AT_MOST_MS 60000 /* that a fault alone can reach */

#define PEER_BEGIN "\1\1\0\1\0\10\0\0" "\0\1\0\0\0\0\0\0"
#define PEER_PARAMS_END "\1\4\0\1\0\0\0\0"
#define PEER_STDIN_END "\1\5\0\1\0\0\0\0"

/* Connects to the socket at the path. */
int peer_connect(const char *path);

/* Sends all of it; PEER_SEND a literal. The first returns false where the other side takes no more. */
bool peer_try_to_send(int peer, const char *data, size_t length);
void peer_send(int peer, const char *data, size_t length);
#define PEER_SEND(peer, literal) peer_send((peer), (literal), sizeof(literal) - 1)

/* Sends the records of a head with one parameter, up to the end of PARAMS. */
void peer_send_head(int peer, const char *name, const char *value);

/* Sends `length` bytes of the body, at most 65535, as one record. */
void peer_send_body(int peer, const char *data, size_t length);

/* Reads all of an answer to its END_REQUEST; what it wrote goes to `out`, with a NUL. False if it ends before. */
bool peer_answer(int peer, char *out, size_t size);

/* Waits until the other side has closed, or shut down, the connection, and drops what comes before. */
void peer_expect_end(int peer);

/* Whether it has done so already, with nothing before it. */
bool peer_is_open(int peer);

/* The threads of this process; and waits until there are so many. */
int peer_threads(void);
void peer_await_threads(int count);

/* Sends standard error to a file of scratch; ends it and counts the lines that contain the text. */
void peer_catch_log(void);
int peer_count_log(const char *text);
void peer_release_log(void);

#endif
