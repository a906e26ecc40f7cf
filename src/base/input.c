#include "base/input.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

struct input {
    char *name;
    int fd;
    bool is_ended;     /* read() has returned 0 */
    int64_t size;      /* -1: unknown */
    int64_t consumed;  /* bytes */
    size_t start, end; /* the bytes in `data` that have not been consumed */
    char data[2 * INPUT_MAX_PEEK];
};

static bool fail_input(const struct input *input, const char *what, int error_number, struct error *err)
{
    return error_set(err, ERROR_PARAMETER, "%s cannot be %s: %s", input->name, what, strerror(error_number));
}

static bool is_standard_input(const char *path)
{
    return strcmp(path, "-") == 0;
}

struct input *input_open(const char *path, struct error *err)
{
    struct input *input = memory_zeroed(1, sizeof(*input));
    struct stat status;
    int failure = 0;

    input->name = memory_copy_text(input_name_of(path));
    input->fd = is_standard_input(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0 || fstat(input->fd, &status) != 0)
        failure = errno;
    else if (S_ISDIR(status.st_mode))
        failure = EISDIR;
    if (failure != 0) {
        fail_input(input, "opened", failure, err);
        input_close(input);
        return NULL;
    }
    input->size = S_ISREG(status.st_mode) ? (int64_t) status.st_size : -1;
    return input;
}

void input_close(struct input *input)
{
    if (input == NULL)
        return;
    if (input->fd > STDIN_FILENO)
        close(input->fd);
    free(input->name);
    free(input);
}

/* Reads once into the free space at the end of the buffer. */
static bool read_more(struct input *input, struct error *err)
{
    ssize_t length;

    do {
        length = read(input->fd, input->data + input->end, sizeof(input->data) - input->end);
    } while (length < 0 && errno == EINTR);
    if (length < 0)
        return fail_input(input, "read", errno, err);
    input->is_ended = length == 0;
    input->end += (size_t) length;
    return true;
}

bool input_peek(struct input *input, size_t wanted, const char **ret_data, size_t *ret_length, struct error *err)
{
    assert(wanted <= INPUT_MAX_PEEK);
    if (wanted == 0)
        wanted = 1;
    if (input->end - input->start < wanted && input->start > 0) {
        memmove(input->data, input->data + input->start, input->end - input->start);
        input->end -= input->start;
        input->start = 0;
    }
    while (input->end - input->start < wanted && !input->is_ended) {
        if (!read_more(input, err))
            return false;
    }
    *ret_data = input->data + input->start;
    *ret_length = input->end - input->start;
    return true;
}

void input_consume(struct input *input, size_t length)
{
    assert(length <= input->end - input->start);
    input->start += length;
    input->consumed += (int64_t) length;
}

int64_t input_position(const struct input *input)
{
    return input->consumed;
}

int64_t input_size(const struct input *input)
{
    return input->size;
}

const char *input_name(const struct input *input)
{
    return input->name;
}

const char *input_name_of(const char *path)
{
    return is_standard_input(path) ? "standard input" : path;
}
