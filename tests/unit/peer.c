#include "peer.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "check.h"
#include "scratch.h"

int peer_connect(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(peer >= 0 && strlen(path) < sizeof(name.sun_path));
    strcpy(name.sun_path, path);
    assert_int_equal(connect(peer, (const struct sockaddr *) &name, sizeof(name)), 0);
    return peer;
}

int peer_fill_queue(int listener, const char *path)
{
    assert_int_equal(listen(listener, 0), 0); /* a queue of one connection (listen(2)) */
    return peer_connect(path);
}

bool peer_try_to_send(int peer, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(peer, data, length, MSG_NOSIGNAL);

        if (sent < 0)
            return false;
        data += sent;
        length -= (size_t) sent;
    }
    return true;
}

void peer_send(int peer, const char *data, size_t length)
{
    assert_true(peer_try_to_send(peer, data, length));
}

static void send_record(int peer, int type, const char *data, size_t length)
{
    const char header[] = {1, (char) type, 0, 1, (char) (length >> 8), (char) length, 0, 0};

    peer_send(peer, header, sizeof(header));
    peer_send(peer, data, length);
}

void peer_send_head(int peer, const char *name, const char *value)
{
    char params[128];
    int length = snprintf(params, sizeof(params), "%c%c%s%s", (int) strlen(name), (int) strlen(value), name, value);

    PEER_SEND(peer, PEER_BEGIN);
    send_record(peer, 4, params, (size_t) length);
    PEER_SEND(peer, PEER_PARAMS_END);
}

void peer_send_body(int peer, const char *data, size_t length)
{
    send_record(peer, 5, data, length);
}

/* Returns false at the end of the stream. */
static bool receive(int peer, char *data, size_t size)
{
    struct pollfd input = {.fd = peer, .events = POLLIN};

    while (size > 0) {
        ssize_t got;

        if (poll(&input, 1, PEER_AT_MOST_MS) != 1)
            check_fail("waited %d ms in vain for %zu bytes", PEER_AT_MOST_MS, size);
        got = recv(peer, data, size, 0);
        if (got <= 0)
            return false;
        data += got;
        size -= (size_t) got;
    }
    return true;
}

static int records; /* of the last response */

int peer_records(void)
{
    return records;
}

bool peer_answer(int peer, char *out, size_t size)
{
    unsigned char header[8];
    char content[65535 + 255];
    size_t told = 0;

    records = 0;
    while (receive(peer, (char *) header, sizeof(header))) {
        size_t length = (size_t) header[4] << 8 | header[5];

        if (!receive(peer, content, length + header[6]))
            break;
        records++;
        if (header[1] == 6 && told + length < size) {
            memcpy(out + told, content, length);
            told += length;
        }
        out[told] = '\0';
        if (header[1] == 3)
            return true;
    }
    return false;
}

void peer_expect_end(int peer)
{
    char byte;

    while (receive(peer, &byte, 1))
        continue;
}

bool peer_is_open(int peer)
{
    char byte;

    return recv(peer, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

int peer_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = -2; /* do not count . and .. */

    assert_non_null(tasks);
    while (readdir(tasks) != NULL)
        count++;
    closedir(tasks);
    return count;
}

void peer_await_threads(int count)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    for (int ms = 0; peer_threads() != count; ms++) {
        if (ms > PEER_AT_MOST_MS)
            check_fail("%d threads, not %d", peer_threads(), count);
        nanosleep(&pause, NULL);
    }
}
