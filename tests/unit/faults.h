/*
 * System calls that fail when a test wants it, and that keep their order. The linker puts them before those of the C
 * library (--wrap), so a program that uses this has the option for each of access, fsync, linkat, openat, renameat
 * and write.
 */
#ifndef WAYBILL_TESTS_UNIT_FAULTS_H
#define WAYBILL_TESTS_UNIT_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

/* The errno of each call; 0: the call does what it does. */
struct faults {
    int no_tmpfile; /* openat, for a file without a name */
    int no_proc;    /* access, for a path in /proc */
    int openat, fsync_file, fsync_directory, linkat, renameat, write;
    size_t write_at;    /* writes before the one that fails */
    size_t write_short; /* bytes that one write takes at most; 0: all */
    bool write_eintr;   /* every other write is interrupted */
};

extern struct faults faults;

/* Back to no faults, and an order of none. */
void faults_clear(void);

/* The calls that publish a file, in their order: f fsync of a file, d of a directory, l link, r rename. */
const char *faults_order(void);

#endif
