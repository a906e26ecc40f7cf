/* The sockets of http/fastcgi.h: no FastCGI in here. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "http/fastcgi.h"

#define SOCKET_MODE 0660

enum fastcgi_mode fastcgi_mode(void)
{
    int listening = 0;
    socklen_t size = sizeof(listening);

    if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening) {
        int flags = fcntl(STDIN_FILENO, F_GETFL);

        /* Another process that shares the socket may be faster to accept. */
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

static int fail(int socket, const char *address, const char *reason, struct error *err)
{
    error_set(err, ERROR_CONFIG, "can't listen on %s: %s", address, reason);
    if (socket >= 0)
        close(socket);
    return -1;
}

/* Whether someone accepts connections at this path. */
static bool is_served(const struct sockaddr_un *name)
{
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool served = probe >= 0 && connect(probe, (const struct sockaddr *) name, sizeof(*name)) == 0;

    if (probe >= 0)
        close(probe);
    return served;
}

static int listen_on_path(const char *path, struct error *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct stat status;
    int listener;

    if (strlen(path) >= sizeof(name.sun_path))
        return fail(-1, path, "the path is too long for a socket", err);
    strcpy(name.sun_path, path);
    if (lstat(path, &status) == 0) {
        if (!S_ISSOCK(status.st_mode))
            return fail(-1, path, "a file that is no socket is in the way", err);
        if (is_served(&name))
            return fail(-1, path, "another process listens there", err);
        (void) unlink(path);
    }

    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *) &name, sizeof(name)) != 0
        || chmod(path, SOCKET_MODE) != 0 || listen(listener, SOMAXCONN) != 0)
        return fail(listener, path, strerror(errno), err);
    return listener;
}

/* What HOST:PORT stands for; free it with freeaddrinfo. NULL, and *ret_reason, if it is none. */
static struct addrinfo *resolve(const char *address, int flags, const char **ret_reason)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    const char *colon = strrchr(address, ':');
    struct addrinfo *found = NULL;
    int state;
    char *host;

    *ret_reason = "neither a path with a / nor HOST:PORT";
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

static int listen_on_port(const char *address, struct error *err)
{
    const char *reason;
    struct addrinfo *found = resolve(address, AI_PASSIVE, &reason);
    int listener;
    int on = 1;

    if (found == NULL)
        return fail(-1, address, reason, err);
    listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0
        || bind(listener, found->ai_addr, found->ai_addrlen) != 0 || listen(listener, SOMAXCONN) != 0)
        listener = fail(listener, address, strerror(errno), err);
    freeaddrinfo(found);
    return listener;
}

int fastcgi_listen(const char *address, struct error *err)
{
    return is_path(address) ? listen_on_path(address, err) : listen_on_port(address, err);
}

void fastcgi_unlisten(int socket, const char *address)
{
    close(socket);
    if (is_path(address))
        (void) unlink(address);
}

int fastcgi_connect(const char *address, struct error *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct addrinfo *found = NULL;
    const char *reason = "the path is too long for a socket";
    int client = -1;

    if (is_path(address) ? strlen(address) >= sizeof(name.sun_path)
                         : (found = resolve(address, 0, &reason)) == NULL)
        goto fail;
    if (found == NULL) {
        strcpy(name.sun_path, address);
        client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    } else {
        client = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    if (client >= 0 && (found == NULL ? connect(client, (const struct sockaddr *) &name, sizeof(name))
                                      : connect(client, found->ai_addr, found->ai_addrlen)) == 0) {
        if (found != NULL)
            freeaddrinfo(found);
        return client;
    }
    reason = strerror(errno);
    if (found != NULL)
        freeaddrinfo(found);

fail:
    error_set(err, ERROR_UNAVAILABLE, "can't connect to %s: %s", address, reason);
    if (client >= 0)
        close(client);
    return -1;
}
