#include "http/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

#define SOCKET_MODE 0660
#define SERVED_MS 1000 /* wait for a process that may be listening already */

enum fastcgi_mode fastcgi_mode(void)
{
    int listening = 0;
    socklen_t size = sizeof(listening);

    if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening) {
        int flags = fcntl(STDIN_FILENO, F_GETFL);

        /* Another process that shares the socket may accept a connection first. This process must not block then. */
        if (flags >= 0)
            (void) fcntl(STDIN_FILENO, F_SETFL, flags | O_NONBLOCK);
        return FASTCGI_LISTENING;
    }
    return getenv("GATEWAY_INTERFACE") != NULL ? FASTCGI_CGI : FASTCGI_NEITHER;
}

static bool is_path(const char *address)
{
    return strchr(address, '/') != NULL;
}

static int fail_to_listen(int socket, const char *address, const char *reason, struct error *err)
{
    error_set(err, ERROR_CONFIG, "cannot listen on %s: %s", address, reason);
    if (socket >= 0)
        close(socket);
    return -1;
}

/* Builds the socket address of a path. Returns false and sets *ret_reason if the path is too long. */
static bool name_path(struct sockaddr_un *ret_name, const char *path, const char **ret_reason)
{
    *ret_name = (struct sockaddr_un) {.sun_family = AF_UNIX};
    *ret_reason = "the path is too long for a socket";
    if (strlen(path) >= sizeof(ret_name->sun_path))
        return false;
    strcpy(ret_name->sun_path, path);
    return true;
}

/* Returns a connected socket, or -1 and errno, which is ETIMEDOUT after the deadline. */
static int connect_to(const struct sockaddr *name, socklen_t length, int64_t deadline)
{
    int client = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int left = clock_remaining_ms(deadline);
    /* 0 would be no limit. */
    const struct timeval limit = {.tv_sec = left / 1000, .tv_usec = left == 0 ? 1 : left % 1000 * 1000};
    int reason;

    if (client < 0)
        return -1;
    if (setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 && connect(client, name, length) == 0)
        return client;
    /* EAGAIN of a local socket whose queue stays full, EINPROGRESS of TCP (socket(7), SO_SNDTIMEO). */
    reason = errno == EAGAIN || errno == EINPROGRESS ? ETIMEDOUT : errno;
    close(client);
    errno = reason;
    return -1;
}

/* Whether a process listens at this path, even if it accepts no connection at the moment. */
static bool is_served(const struct sockaddr_un *name)
{
    int probe = connect_to((const struct sockaddr *) name, sizeof(*name), clock_monotonic_ms() + SERVED_MS);

    if (probe < 0)
        return errno == ETIMEDOUT;
    close(probe);
    return true;
}

static int listen_on_path(const char *path, struct error *err)
{
    struct sockaddr_un name;
    struct stat status;
    const char *reason;
    int listener;

    if (!name_path(&name, path, &reason))
        return fail_to_listen(-1, path, reason, err);
    if (lstat(path, &status) == 0) {
        if (!S_ISSOCK(status.st_mode))
            return fail_to_listen(-1, path, "a file that is not a socket exists at this path", err);
        if (is_served(&name))
            return fail_to_listen(-1, path, "another process is already listening on it", err);
        (void) unlink(path);
    }

    /* bind gives the path the mode of the socket minus the umask: the path never permits more than SOCKET_MODE. */
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || fchmod(listener, SOCKET_MODE) != 0
        || bind(listener, (struct sockaddr *) &name, sizeof(name)) != 0 || chmod(path, SOCKET_MODE) != 0
        || listen(listener, SOMAXCONN) != 0)
        return fail_to_listen(listener, path, strerror(errno), err);
    return listener;
}

/* Resolves HOST:PORT. Free the list with freeaddrinfo. Returns NULL and sets *ret_reason on failure. */
static struct addrinfo *resolve_address(const char *address, int flags, const char **ret_reason)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    const char *colon = strrchr(address, ':');
    struct addrinfo *found = NULL;
    int state;
    char *host;

    *ret_reason = "must be HOST:PORT or a path that contains a /";
    if (colon == NULL || colon == address || colon[1] == '\0')
        return NULL;
    if (address[0] == '[' && colon[-1] == ']')
        host = memory_copy_bytes(address + 1, (size_t) (colon - address) - 2);
    else
        host = memory_copy_bytes(address, (size_t) (colon - address));
    state = getaddrinfo(host, colon + 1, &hints, &found);
    free(host);
    *ret_reason = gai_strerror(state);
    return state == 0 ? found : NULL;
}

/* Returns a socket that listens on this address, or -1 and errno. */
static int listen_on_address(const struct addrinfo *address)
{
    int listener = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    int reason;

    if (listener < 0)
        return -1;
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0
        && bind(listener, address->ai_addr, address->ai_addrlen) == 0 && listen(listener, SOMAXCONN) == 0)
        return listener;
    reason = errno;
    close(listener);
    errno = reason;
    return -1;
}

static int listen_on_port(const char *address, struct error *err)
{
    const char *reason;
    struct addrinfo *found = resolve_address(address, AI_PASSIVE, &reason);
    int listener = -1;

    if (found == NULL)
        return fail_to_listen(-1, address, reason, err);
    for (const struct addrinfo *each = found; each != NULL; each = each->ai_next) {
        listener = listen_on_address(each);
        /* If another process uses this port on one address, listening on the next would split the clients. */
        if (listener >= 0 || errno == EADDRINUSE)
            break;
    }
    if (listener < 0)
        listener = fail_to_listen(-1, address, strerror(errno), err);
    freeaddrinfo(found);
    return listener;
}

int fastcgi_listen(const char *address, struct error *err)
{
    return is_path(address) ? listen_on_path(address, err) : listen_on_port(address, err);
}

void fastcgi_unlisten(int socket, const char *address)
{
    /* Once the socket is closed, the path may be that of another process. */
    if (is_path(address))
        (void) unlink(address);
    if (socket >= 0)
        close(socket);
}

static int connect_to_path(const char *path, int64_t deadline, const char **ret_reason)
{
    struct sockaddr_un name;
    int client;

    if (!name_path(&name, path, ret_reason))
        return -1;
    client = connect_to((const struct sockaddr *) &name, sizeof(name), deadline);
    *ret_reason = strerror(errno);
    return client;
}

static int connect_to_port(const char *address, int64_t deadline, const char **ret_reason)
{
    struct addrinfo *found = resolve_address(address, 0, ret_reason);
    int client = -1;

    if (found == NULL)
        return -1;
    for (const struct addrinfo *each = found; each != NULL && client < 0; each = each->ai_next)
        client = connect_to(each->ai_addr, each->ai_addrlen, deadline);
    *ret_reason = strerror(errno);
    freeaddrinfo(found);
    return client;
}

int fastcgi_connect(const char *address, int64_t deadline, struct error *err)
{
    const char *reason;
    int client = is_path(address) ? connect_to_path(address, deadline, &reason)
                                  : connect_to_port(address, deadline, &reason);

    if (client < 0)
        error_set(err, ERROR_UNAVAILABLE, "cannot connect to %s: %s", address, reason);
    return client;
}
