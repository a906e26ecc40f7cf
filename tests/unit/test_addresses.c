/* The addresses of http/listen.c: hosts with several addresses, and the mode of a socket's path. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "http/listen.h"
#include "scratch.h"

#define NOT_OURS "192.0.2.1"  /* reserved for documentation (RFC 5737): no machine has it */
#define NO_FAMILY "no family" /* an address of a family that the kernel does not know */
#define HOST "host.example"

/* The addresses that HOST resolves to. */
static const char *host_addresses[4];
/* The mode of a path after bind. */
static mode_t mode_after_bind;

/* The linker puts these before those of the C library (--wrap). */
int __real_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result);
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result);
int __real_bind(int socket, const struct sockaddr *address, socklen_t length);
int __wrap_bind(int socket, const struct sockaddr *address, socklen_t length);

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    struct addrinfo **end = result;

    if (strcmp(node, HOST) != 0)
        return __real_getaddrinfo(node, service, hints, result);
    for (size_t i = 0; host_addresses[i] != NULL; i++) {
        bool no_family = strcmp(host_addresses[i], NO_FAMILY) == 0;
        int state = __real_getaddrinfo(no_family ? "127.0.0.1" : host_addresses[i], service, hints, end);

        if (state != 0)
            return state;
        if (no_family)
            (*end)->ai_family = (*end)->ai_addr->sa_family = 999;
        while (*end != NULL)
            end = &(*end)->ai_next;
    }
    return 0;
}

static mode_t mode_of(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_mode & 0777 : 0;
}

int __wrap_bind(int socket, const struct sockaddr *address, socklen_t length)
{
    int state = __real_bind(socket, address, length);

    if (address->sa_family == AF_UNIX)
        mode_after_bind = mode_of(((const struct sockaddr_un *) (const void *) address)->sun_path);
    return state;
}

/* Makes HOST resolve to these addresses; NULL entries are left out. */
static void resolve_to(const char *const addresses[3])
{
    size_t count = 0;

    for (size_t i = 0; i < 3; i++) {
        if (addresses[i] != NULL)
            host_addresses[count++] = addresses[i];
    }
    host_addresses[count] = NULL;
}

static int port_of(int listener)
{
    struct sockaddr_in name;
    socklen_t length = sizeof(name);

    assert_int_equal(getsockname(listener, (struct sockaddr *) &name, &length), 0);
    assert_int_equal(name.sin_family, AF_INET);
    return ntohs(name.sin_port);
}

/* Opens a socket that listens on this address and a free port, which goes to *ret_port. */
static int listen_at(const char *host, int *ret_port)
{
    char address[64];
    struct error err;
    int listener;

    snprintf(address, sizeof(address), "%s:0", host);
    listener = fastcgi_listen(address, &err);
    check_good(listener >= 0, &err);
    *ret_port = port_of(listener);
    return listener;
}

static bool can_connect(const char *host, int port, struct error *err)
{
    char address[64];
    int client;

    snprintf(address, sizeof(address), "%s:%d", host, port);
    client = fastcgi_connect(address, clock_monotonic_ms() + 60000, err);
    if (client >= 0)
        close(client);
    return client >= 0;
}

static const struct listen_case {
    const char *name;
    const char *addresses[3];
    const char *used; /* NULL: none */
} listen_cases[] = {
    {"the first", {"127.0.0.1", "127.0.0.2"}, "127.0.0.1"},
    {"the second", {NOT_OURS, "127.0.0.1"}, "127.0.0.1"},
    {"the third", {NOT_OURS, NO_FAMILY, "127.0.0.1"}, "127.0.0.1"},
    {"before one that is not ours", {"127.0.0.1", NOT_OURS}, "127.0.0.1"},
    {"none", {NO_FAMILY, NOT_OURS}, NULL},
};

static void listens_on_the_first_that_works(const void *row)
{
    const struct listen_case *c = row;
    struct error err;
    int port;

    resolve_to(c->addresses);
    if (c->used == NULL) {
        assert_int_equal(fastcgi_listen(HOST ":0", &err), -1);
        check_refusal(&err, ERROR_CONFIG, strerror(EADDRNOTAVAIL));
    } else {
        int listener = listen_at(HOST, &port);

        assert_true(can_connect(c->used, port, &err));
        fastcgi_unlisten(listener, HOST ":0");
        assert_false(can_connect(c->used, port, &err));
    }
}

/* A second process cannot bind a port in use, even if the host has another address. */
static void refuses_a_port_in_use(void)
{
    static const char *const addresses[3] = {"127.0.0.1", "127.0.0.2"};
    char address[64];
    struct error err;
    int port;
    int listener = listen_at("127.0.0.1", &port);

    resolve_to(addresses);
    snprintf(address, sizeof(address), HOST ":%d", port);
    assert_int_equal(fastcgi_listen(address, &err), -1);
    check_refusal(&err, ERROR_CONFIG, strerror(EADDRINUSE));
    assert_false(can_connect("127.0.0.2", port, &err));
    fastcgi_unlisten(listener, "127.0.0.1:0");
}

static const struct connect_case {
    const char *name;
    const char *addresses[3];
    bool connects;
} connect_cases[] = {
    {"the first", {"127.0.0.1", "127.0.0.2"}, true},
    {"the second", {"127.0.0.2", "127.0.0.1"}, true},
    {"the third", {"127.0.0.2", NO_FAMILY, "127.0.0.1"}, true},
    {"none", {NO_FAMILY, "127.0.0.2"}, false},
};

static void connects_to_the_first_that_accepts(const void *row)
{
    const struct connect_case *c = row;
    struct error err;
    int port;
    int listener = listen_at("127.0.0.1", &port);

    resolve_to(c->addresses);
    assert_int_equal(can_connect(HOST, port, &err), c->connects);
    if (!c->connects)
        check_refusal(&err, ERROR_UNAVAILABLE, strerror(ECONNREFUSED));
    fastcgi_unlisten(listener, "127.0.0.1:0");
}

static const struct mode_case {
    const char *name;
    mode_t umask;
    mode_t made; /* the mode that bind gives */
} mode_cases[] = {{"umask 0", 0, 0660}, {"umask 022", 022, 0640}, {"umask 077", 077, 0600}};

/* The path never has a wider mode than 0660, and has 0660 at the end. */
static void a_path_has_its_mode(const void *row)
{
    const struct mode_case *c = row;
    char *path = scratch_path("mode.sock");
    mode_t before = umask(c->umask);
    struct error err;
    int listener = fastcgi_listen(path, &err);

    umask(before);
    check_good(listener >= 0, &err);
    assert_int_equal(mode_after_bind, c->made);
    assert_int_equal(mode_of(path), 0660);
    fastcgi_unlisten(listener, path);
    free(path);
}

int main(void)
{
    CHECK_EACH(listens_on_the_first_that_works, listen_cases, name);
    CHECK(refuses_a_port_in_use);
    CHECK_EACH(connects_to_the_first_that_accepts, connect_cases, name);
    CHECK_EACH(a_path_has_its_mode, mode_cases, name);
    return check_run("http/listen: addresses");
}
