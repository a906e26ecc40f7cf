/*
 * Memory that is there or ends the process: a service that can't get a few kilobytes can't answer
 * either, and its supervisor starts it again with its queue intact in PostgreSQL.
 */
#ifndef WAYBILL_BASE_MEMORY_H
#define WAYBILL_BASE_MEMORY_H

#include <stddef.h>

/* Like their namesakes of the C library, but never return NULL. Free with free(). */
void *memory_zeroed(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *memory_resize(void *old, size_t size) __attribute__((returns_nonnull));
char *memory_copy_text(const char *text) __attribute__((malloc, returns_nonnull));
char *memory_copy_bytes(const char *data, size_t length) __attribute__((malloc, returns_nonnull)); /* adds a NUL */

#endif
