/*
 * A library preloaded into waybill.fcgi. It makes calls on files below the directory FAULTS_BELOW fail as the file
 * FAULTS_ORDERS says at that moment. Each line of that file is one order, "CALL WHAT [FROM]":
 *
 *     write short           every write takes half of its data
 *     write ERROR FROM      a write fails once the file has FROM bytes
 *     fsync ERROR           fsync of a file fails; syncdir is fsync of a directory
 *     publish ERROR         the link or the rename that gives a file its name fails
 *     remove ERROR          a file cannot be removed
 *     remove slow           each removal takes a tenth of a second
 *     tmpfile ERROR         a file without a name cannot be opened
 *     CALL stop, CALL kill  the process stops, or kills itself, right after the call has succeeded (write: once the
 *                           file has FROM bytes)
 *     create stop           the process stops before it sends the statement that makes a task, within the transaction
 *                           if there is one; claim does the same for the statement that claims a task
 *
 * FAULTS_CLOCK, if it is set, is the number of seconds by which the clock of the process is ahead.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NEXT(function) ((__typeof__(&function)) dlsym(RTLD_NEXT, #function))

enum action { NOTHING, FAIL, SHORTEN, SLOW, STOP, KILL };

struct order {
    enum action action;
    int error;
    long long from;
};

static int error_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } errors[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EOPNOTSUPP", EOPNOTSUPP}, {"EACCES", EACCES}};

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strcmp(name, errors[i].name) == 0)
            return errors[i].number;
    }
    abort();
}

/* Returns the current order for a call. errno is preserved. */
static struct order ordered(const char *call)
{
    const char *path = getenv("FAULTS_ORDERS");
    struct order order = {NOTHING, 0, 0};
    int saved = errno;
    char text[512];
    ssize_t length;
    char *rest;
    int fd = path == NULL ? -1 : (int) syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        length = read(fd, text, sizeof(text) - 1);
        close(fd);
        text[length > 0 ? length : 0] = '\0';
        for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
            char of[16], what[16];
            long long from = 0;

            if (sscanf(line, "%15s %15s %lld", of, what, &from) < 2 || strcmp(of, call) != 0)
                continue;
            order.from = from;
            order.action = strcmp(what, "short") == 0  ? SHORTEN
                           : strcmp(what, "slow") == 0 ? SLOW
                           : strcmp(what, "stop") == 0 ? STOP
                           : strcmp(what, "kill") == 0 ? KILL
                                                       : FAIL;
            if (order.action == FAIL)
                order.error = error_number(what);
        }
    }
    errno = saved;
    return order;
}

static bool is_below(int fd)
{
    const char *directory = getenv("FAULTS_BELOW");
    size_t length = directory == NULL ? 0 : strlen(directory);
    int saved = errno;
    char link[32], path[4096];
    ssize_t got;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    got = readlink(link, path, sizeof(path) - 1);
    errno = saved;
    return length > 0 && got >= (ssize_t) length && strncmp(path, directory, length) == 0
           && (got == (ssize_t) length || path[length] == '/');
}

static int fail_with(int error)
{
    errno = error;
    return -1;
}

/* Ends a call that has succeeded. */
static void end_of_call(const struct order *order)
{
    int saved = errno;

    if (order->action == STOP || order->action == KILL)
        raise(order->action == STOP ? SIGSTOP : SIGKILL); /* before this thread continues */
    errno = saved;
}

ssize_t write(int fd, const void *data, size_t length)
{
    struct order order;
    struct stat status;
    ssize_t written;

    if (!is_below(fd))
        return NEXT(write)(fd, data, length);
    order = ordered("write");
    if (fstat(fd, &status) != 0)
        abort();
    if (order.action == FAIL && status.st_size >= order.from)
        return fail_with(order.error);
    if (order.action == SHORTEN && length > 1)
        length /= 2;
    written = NEXT(write)(fd, data, length);
    if (written > 0 && status.st_size + written > order.from)
        end_of_call(&order);
    return written;
}

static int sync_by(int (*sync)(int), int fd)
{
    struct stat status;
    struct order order;
    int result;

    if (!is_below(fd))
        return sync(fd);
    if (fstat(fd, &status) != 0)
        abort();
    order = ordered(S_ISDIR(status.st_mode) ? "syncdir" : "fsync");
    if (order.action == FAIL)
        return fail_with(order.error);
    result = sync(fd);
    if (result == 0)
        end_of_call(&order);
    return result;
}

int fsync(int fd)
{
    return sync_by(NEXT(fsync), fd);
}

int fdatasync(int fd)
{
    return sync_by(NEXT(fdatasync), fd);
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
    struct order order = {NOTHING, 0, 0};
    int result;

    if (is_below(to_directory))
        order = ordered("publish");
    if (order.action == FAIL)
        return fail_with(order.error);
    result = NEXT(linkat)(from_directory, from, to_directory, to, flags);
    if (result == 0)
        end_of_call(&order);
    return result;
}

int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    struct order order = {NOTHING, 0, 0};
    int result;

    if (is_below(to_directory))
        order = ordered("publish");
    if (order.action == FAIL)
        return fail_with(order.error);
    result = NEXT(renameat)(from_directory, from, to_directory, to);
    if (result == 0)
        end_of_call(&order);
    return result;
}

/* The prepared statements of all connections that orders can name. */
#define MAX_PREPARED 256

static struct {
    pthread_mutex_t lock;
    size_t count;
    struct {
        const void *connection;
        char name[32];
        const char *call;
    } statements[MAX_PREPARED];
} prepared = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* From libpq. */
int PQsendPrepare(void *connection, const char *name, const char *command, int count, const unsigned *types);
int PQsendQueryPrepared(void *connection, const char *name, int count, const char *const *values, const int *lengths,
                        const int *formats, int result_format);

int PQsendPrepare(void *connection, const char *name, const char *command, int count, const unsigned *types)
{
    const char *call = strstr(command, "INSERT INTO waybill.export_task") != NULL ? "create"
                       : strstr(command, "SET state = 'running'") != NULL         ? "claim"
                                                                                 : NULL;

    pthread_mutex_lock(&prepared.lock);
    if (prepared.count == MAX_PREPARED)
        abort();
    prepared.statements[prepared.count].connection = connection;
    snprintf(prepared.statements[prepared.count].name, sizeof(prepared.statements[0].name), "%s", name);
    prepared.statements[prepared.count++].call = call;
    pthread_mutex_unlock(&prepared.lock);
    return NEXT(PQsendPrepare)(connection, name, command, count, types);
}

/* Returns the newest: a later connection may have the address of an earlier one. */
static const char *call_of_prepared(const void *connection, const char *name)
{
    const char *call = NULL;

    pthread_mutex_lock(&prepared.lock);
    for (size_t i = 0; i < prepared.count; i++) {
        if (prepared.statements[i].connection == connection && strcmp(prepared.statements[i].name, name) == 0)
            call = prepared.statements[i].call;
    }
    pthread_mutex_unlock(&prepared.lock);
    return call;
}

int PQsendQueryPrepared(void *connection, const char *name, int count, const char *const *values, const int *lengths,
                        const int *formats, int result_format)
{
    const char *call = call_of_prepared(connection, name);
    struct order order = {NOTHING, 0, 0};

    if (call != NULL)
        order = ordered(call);
    end_of_call(&order);
    return NEXT(PQsendQueryPrepared)(connection, name, count, values, lengths, formats, result_format);
}

int unlinkat(int directory, const char *path, int flags)
{
    struct order order = {NOTHING, 0, 0};
    int result;

    if (is_below(directory))
        order = ordered("remove");
    if (order.action == FAIL)
        return fail_with(order.error);
    if (order.action == SLOW)
        usleep(100000);
    result = NEXT(unlinkat)(directory, path, flags);
    if (result == 0)
        end_of_call(&order);
    return result;
}

int openat(int directory, const char *path, int flags, ...)
{
    struct order order;
    mode_t mode = 0;
    va_list rest;

    if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    if ((flags & O_TMPFILE) == O_TMPFILE && is_below(directory)) {
        order = ordered("tmpfile");
        if (order.action == FAIL)
            return fail_with(order.error);
    }
    return NEXT(openat)(directory, path, flags, mode);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    const char *ahead = getenv("FAULTS_CLOCK");
    int result = NEXT(clock_gettime)(clock, now);

    if (ahead != NULL && clock == CLOCK_REALTIME)
        now->tv_sec += atoi(ahead);
    return result;
}
