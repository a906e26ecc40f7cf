/* Helpers shared by the tests of export/export_file. A step that fails fails the test. */
#ifndef WAYBILL_TESTS_UNIT_EXPORT_FILES_H
#define WAYBILL_TESTS_UNIT_EXPORT_FILES_H

#include "export/export_file.h"

#define ID "01234567-89ab-4cde-8f01-23456789abcd"
#define OTHER_ID "fedcba98-7654-4321-8abc-0123456789ab"

/* Makes an empty directory of this name and clears all faults. Returns its path; the caller frees it. */
char *make_directory(const char *name);

/* The steps in the life of a file. */
struct export_file *begin_file(const char *directory, const char *file_id, bool gzip);
void write_text(struct export_file *file, const char *text);
void publish(struct export_file *file);

#endif
