#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
    if (memory == NULL) {
        fputs("waybill: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *memory_zeroed(size_t count, size_t size)
{
    return checked(calloc(count, size));
}

void *memory_resize(void *old, size_t size)
{
    return checked(realloc(old, size));
}

char *memory_copy_text(const char *text)
{
    return memory_copy_bytes(text, strlen(text));
}

char *memory_copy_bytes(const char *data, size_t length)
{
    char *copy = checked(malloc(length + 1));

    if (length > 0)
        memcpy(copy, data, length);
    copy[length] = '\0';
    return copy;
}

void memory_wipe(void *data, size_t length)
{
    explicit_bzero(data, length);
}

void memory_free_secret(char *text)
{
    if (text == NULL)
        return;
    memory_wipe(text, strlen(text));
    free(text);
}
