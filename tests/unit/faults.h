/*
 * System calls that fail on request and record their order. The linker puts them before those of the C library
 * (--wrap): a program that uses this file is linked with that option for each of access, close, fchmod, fsync, linkat,
 * open, openat, renameat, sync_file_range, unlinkat and write.
 */
#ifndef WAYBILL_TESTS_UNIT_FAULTS_H
#define WAYBILL_TESTS_UNIT_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The errno of each call; 0: the real call runs. */
struct faults {
    int no_tmpfile; /* open and openat, for a file without a name */
    int no_proc;    /* access, for a path in /proc */
    int open, openat, fchmod, fsync_file, fsync_directory, linkat, renameat, sync_file_range, unlinkat, write;
    int close; /* of a file, which is closed anyway; close of a directory never fails */
    size_t calls_before; /* calls of fsync of a file, linkat and renameat, together, before the others fail */
    size_t write_at;    /* number of writes before the others fail */
    size_t write_short; /* most bytes that one write takes; 0: no limit */
    bool write_eintr;   /* interrupt every other write */
};

extern struct faults faults;

/* Clears all faults and the recorded order. */
void faults_clear(void);

/* Returns the calls that publish a file, in order: f fsync of a file, d of a directory, l link, r rename. */
const char *faults_order(void);

/* Returns how far sync_file_range covers the file from its first byte; -1 if there is a gap. */
int64_t faults_synced(void);

#endif
