#include "export_files.h"

#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "faults.h"
#include "scratch.h"

char *make_directory(const char *name)
{
    char *path = scratch_path(name);

    faults_clear();
    assert_int_equal(mkdir(path, 0755), 0);
    return path;
}

struct export_file *begin_file(const char *directory, const char *file_id, bool gzip)
{
    struct error err;
    struct export_file *file = export_file_begin(directory, file_id, gzip, &err);

    check_good(file != NULL, &err);
    return file;
}

void write_text(struct export_file *file, const char *text)
{
    struct error err;

    check_good(export_file_write(file, text, strlen(text), &err), &err);
}

void publish(struct export_file *file)
{
    struct error err;

    check_good(export_file_publish(file, &err), &err);
}
