/*
 * System calls that fail when a test wants it, and that keep their order. The linker puts them before those of the C
 * library (--wrap), so a program that uses this has the option for each of access, close, fchmod, fsync, linkat, open,
 * openat, renameat, sync_file_range, unlinkat and write.
 */
#ifndef WAYBILL_TESTS_UNIT_FAULTS_H
#define WAYBILL_TESTS_UNIT_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The errno of each call; 0: the call does what it does. */
struct faults {
    int no_tmpfile; /* open and openat, for a file without a name */
    int no_proc;    /* access, for a path in /proc */
    int open, openat, fchmod, fsync_file, fsync_directory, linkat, renameat, sync_file_range, unlinkat, write;
    int close; /* of a file, which is closed all the same; a directory's does what it does */
    size_t calls_before; /* of fsync of a file, linkat and renameat, together: those before the ones that fail */
    size_t write_at;    /* writes before the one that fails */
    size_t write_short; /* bytes that one write takes at most; 0: all */
    bool write_eintr;   /* every other write is interrupted */
};

extern struct faults faults;

/* Back to no faults, and an order of none. */
void faults_clear(void);

/* The calls that publish a file, in their order: f fsync of a file, d of a directory, l link, r rename. */
const char *faults_order(void);

/* How far sync_file_range has been called for, from the first byte on and without a gap; -1 if there was one. */
int64_t faults_synced(void);

#endif
