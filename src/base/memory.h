/*
 * Memory allocation that ends the process on failure. A service that cannot allocate a few kilobytes cannot
 * respond to requests either. Its supervisor restarts it, and the queue of tasks is in PostgreSQL.
 */
#ifndef WAYBILL_BASE_MEMORY_H
#define WAYBILL_BASE_MEMORY_H

#include <stddef.h>

/* Like calloc, realloc, strdup and strndup, but they never return NULL. Free the memory with free(). */
void *memory_zeroed(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *memory_resize(void *old, size_t size) __attribute__((returns_nonnull));
char *memory_copy_text(const char *text) __attribute__((malloc, returns_nonnull));
char *memory_copy_bytes(const char *data, size_t length) __attribute__((malloc, returns_nonnull)); /* adds a NUL */

/* Overwrites memory that held a secret. */
void memory_wipe(void *data, size_t length);

/* Overwrites a text and frees it. NULL is allowed. */
void memory_free_secret(char *text);

#endif
