/* Files with a gzip variant: either both files exist or none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "check.h"
#include "export_files.h"
#include "faults.h"
#include "gunzip.h"
#include "scratch.h"

#define TEXT "\"Container ID\"\r\n\"c-1\"\r\n"

/* Returns the content of a file in the directory; the caller frees it. */
static struct buffer content(const char *directory, const char *name)
{
    struct buffer path = {0}, bytes = {0};
    struct stat status;

    buffer_printf(&path, "%s/%s", directory, name);
    scratch_read(path.data, &bytes);
    assert_int_equal(stat(path.data, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    buffer_free(&path);
    return bytes;
}

/* Checks that the directory has only this file and its gzip variant, with this text. */
static void check_published(const char *directory, const struct export_file *file, const char *text)
{
    struct buffer plain = content(directory, ID), packed = content(directory, ID ".gz"), unpacked = {0};
    unsigned char sum[SHA256_SIZE], expected[SHA256_SIZE];

    assert_int_equal(scratch_count(directory), 2);
    assert_string_equal(buffer_text(&plain), text);
    gunzip(packed.data, packed.length, &unpacked);
    assert_string_equal(buffer_text(&unpacked), text);
    assert_int_equal(export_file_size(file), strlen(text));
    assert_int_equal(export_file_gzip_size(file), packed.length);
    export_file_sha256(file, sum);
    digest_sha256(text, strlen(text), expected);
    assert_memory_equal(sum, expected, SHA256_SIZE);
    buffer_free(&plain);
    buffer_free(&packed);
    buffer_free(&unpacked);
}

static const struct way_case {
    const char *name;
    struct faults faults;
    size_t parts; /* files in the directory while they are written */
    const char *order;
} way_cases[] = {
    {"as-the-file-system-can", {0}, 0, NULL},
    {"no-O_TMPFILE", {.no_tmpfile = EOPNOTSUPP}, 2, "ffrrd"},
    {"no-proc", {.no_proc = ENOENT}, 2, "ffrrd"},
    {"short-writes", {.write_short = 3}, 0, NULL},
    {"interrupted-writes", {.write_eintr = true}, 0, NULL},
};

static void publishes(const void *row)
{
    const struct way_case *c = row;
    char *directory = make_directory(c->name);
    mode_t mask = umask(022);
    struct export_file *file;

    faults = c->faults;
    file = begin_file(directory, ID, true);
    write_text(file, "\"Container ID\"\r\n");
    write_text(file, "\"c-1\"\r\n");
    assert_true(c->order == NULL || scratch_count(directory) == c->parts);
    publish(file);
    umask(mask);
    check_published(directory, file, TEXT);
    export_file_free(file);
    assert_int_equal(scratch_count(directory), 2);
    /* The data of both is synced first, then the names are made, then the directory is synced. */
    if (c->order != NULL)
        assert_string_equal(faults_order(), c->order);
    else if (strcmp(faults_order(), "fflld") != 0)
        assert_string_equal(faults_order(), "ffrrd");
    faults_clear();
    free(directory);
}

static const struct mask_case {
    const char *name;
    mode_t mask;
    struct faults faults;
} mask_cases[] = {
    {"masks-nothing", 0, {0}},
    {"masks-the-group", 077, {0}},
    {"masks-all", 0777, {0}},
    {"masks-nothing-of-parts", 0, {.no_tmpfile = EOPNOTSUPP}},
    {"masks-the-group-of-parts", 077, {.no_tmpfile = EOPNOTSUPP}},
};

/* The web server's group can read both files, and others cannot, whatever the umask is. */
static void has_its_mode(const void *row)
{
    static const char *const names[] = {ID, ID ".gz"};
    const struct mask_case *c = row;
    char *directory = make_directory(c->name);
    mode_t mask = umask(c->mask);
    struct export_file *file;

    faults = c->faults;
    file = begin_file(directory, ID, true);
    publish(file);
    umask(mask);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct buffer path = {0};
        struct stat status;

        buffer_printf(&path, "%s/%s", directory, names[i]);
        assert_int_equal(stat(buffer_text(&path), &status), 0);
        assert_int_equal(status.st_mode & 07777, 0640);
        buffer_free(&path);
    }
    export_file_free(file);
    faults_clear();
    free(directory);
}

static void needs_its_mode(void)
{
    char *directory = make_directory("no-mode");
    struct error err;

    for (int parts = 0; parts < 2; parts++) {
        faults = (struct faults) {.fchmod = EPERM, .no_tmpfile = parts ? EOPNOTSUPP : 0};
        assert_null(export_file_begin(directory, ID, true, &err));
        check_refusal(&err, ERROR_STORAGE, "cannot be written");
        assert_int_equal(scratch_count(directory), 0);
    }
    faults_clear();
    free(directory);
}

static void leaves_nothing_unpublished(const void *row)
{
    const struct way_case *c = row;
    struct buffer name = {0};
    struct export_file *file;
    char *directory;

    buffer_printf(&name, "unpublished-%s", c->name);
    directory = make_directory(buffer_text(&name));
    faults = c->faults;
    file = begin_file(directory, ID, true);
    write_text(file, "half of a fi");
    export_file_free(file);
    assert_int_equal(scratch_count(directory), 0);
    faults_clear();
    buffer_free(&name);
    free(directory);
}

static void unpublishes(void)
{
    char *directory = make_directory("unpublishes");
    struct export_file *file = begin_file(directory, ID, true);

    write_text(file, TEXT);
    publish(file);
    export_file_unpublish(file);
    assert_int_equal(scratch_count(directory), 0);
    export_file_free(file);
    free(directory);
}

/* Faults of either file. Where calls come before, a later call of the same kind fails. */
static const struct fault_case {
    const char *name;
    struct faults faults;
    const char *message;
} fault_cases[] = {
    {"write-ENOSPC", {.write = ENOSPC, .write_at = 1}, "space"},
    {"write-EIO", {.write = EIO, .write_at = 1}, "cannot be written"},
    {"fsync-EIO", {.fsync_file = EIO}, "cannot be written"},
    {"fsync-EIO-of-the-second", {.fsync_file = EIO, .calls_before = 1}, "cannot be written"},
    {"fsync-directory-EIO", {.fsync_directory = EIO}, "cannot be written"},
    {"close-EIO", {.close = EIO}, "cannot be written"},
    {"no-link", {.linkat = EACCES, .renameat = EACCES}, "cannot be written"},
    {"no-link-of-the-second", {.linkat = EACCES, .renameat = EACCES, .calls_before = 3}, "cannot be written"},
    {"part-no-rename", {.no_tmpfile = EOPNOTSUPP, .renameat = ENOSPC}, "space"},
    {"part-no-rename-of-the-second", {.no_tmpfile = EOPNOTSUPP, .renameat = ENOSPC, .calls_before = 3}, "space"},
    {"part-write-EIO", {.no_tmpfile = EOPNOTSUPP, .write = EIO, .write_at = 1}, "cannot be written"},
};

/* A failure leaves neither file. */
static void survives_faults(const void *row)
{
    const struct fault_case *c = row;
    char *directory = make_directory(c->name);
    struct export_file *file;
    struct error err;

    faults = c->faults;
    file = begin_file(directory, ID, true);
    assert_false(export_file_write(file, TEXT, strlen(TEXT), &err) && export_file_publish(file, &err));
    check_refusal(&err, ERROR_STORAGE, c->message);
    export_file_free(file);
    assert_int_equal(scratch_count(directory), 0);
    faults_clear();
    free(directory);
}

/* Another process is writing the gzip variant: the new plain file is removed. */
static void needs_both(void)
{
    char *directory = make_directory("needs-both");
    struct buffer path = {0};
    struct error err;
    char *part;

    faults.no_tmpfile = EOPNOTSUPP;
    buffer_printf(&path, "%s/" ID ".gz.part", "needs-both");
    part = scratch_write(buffer_text(&path), "another's", 9);
    assert_null(export_file_begin(directory, ID, true, &err));
    check_refusal(&err, ERROR_STORAGE, "cannot be written");
    assert_int_equal(scratch_count(directory), 1);
    assert_int_equal(access(part, F_OK), 0);
    faults_clear();
    buffer_free(&path);
    free(part);
    free(directory);
}

static void put(const char *directory, const char *name)
{
    struct buffer path = {0};

    buffer_printf(&path, "%s/%s", directory, name);
    free(scratch_write(buffer_text(&path), name, strlen(name)));
    buffer_free(&path);
}

static const struct remove_case {
    const char *name;
    const char *left;
} remove_cases[] = {
    {"remove-gzip", ID ".gz"},
    {"remove-part-of-gzip", ID ".gz.part"},
};

/* All files with this id are removed, even if the plain file is already gone. */
static void removes(const void *row)
{
    const struct remove_case *c = row;
    char *directory = make_directory(c->name);
    bool removed = false;
    struct error err;

    put(c->name, c->left);
    put(c->name, OTHER_ID ".gz");
    check_good(export_file_remove(directory, ID, &removed, &err), &err);
    assert_true(removed);
    assert_int_equal(scratch_count(directory), 1);
    free(directory);
}

static void opens_the_form_asked_for(void)
{
    char *directory = make_directory("opens");
    struct export_file *file = begin_file(directory, ID, true);
    char byte = 0;
    struct error err;
    int fd;

    write_text(file, TEXT);
    publish(file);
    fd = export_file_open(directory, ID, EXPORT_FILE_PLAIN, &err);
    check_good(fd >= 0, &err);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, '"');
    close(fd);
    fd = export_file_open(directory, ID, EXPORT_FILE_GZIP, &err);
    check_good(fd >= 0, &err);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal((unsigned char) byte, 0x1f);
    close(fd);
    export_file_free(file);
    free(directory);
}

static void names(void)
{
    char name[EXPORT_FILE_NAME_SIZE];

    export_file_name(name, ID, EXPORT_FILE_PLAIN);
    assert_string_equal(name, ID);
    export_file_name(name, ID, EXPORT_FILE_GZIP);
    assert_string_equal(name, ID ".gz");
}

int main(void)
{
    CHECK_EACH(publishes, way_cases, name);
    CHECK_EACH(has_its_mode, mask_cases, name);
    CHECK(needs_its_mode);
    CHECK_EACH(leaves_nothing_unpublished, way_cases, name);
    CHECK(unpublishes);
    CHECK_EACH(survives_faults, fault_cases, name);
    CHECK(needs_both);
    CHECK_EACH(removes, remove_cases, name);
    CHECK(opens_the_form_asked_for);
    CHECK(names);
    return check_run("export/export_file with a gzip variant");
}
