#include "export/export_file.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "check.h"
#include "faults.h"
#include "scratch.h"

/* An empty directory of this name. Its path; to be freed. */
static char *make_directory(const char *name)
{
    char *path = scratch_path(name);

    faults_clear();
    assert_int_equal(mkdir(path, 0755), 0);
    return path;
}

static struct export_file *begin(const char *directory)
{
    struct error err;
    struct export_file *file = export_file_begin(directory, &err);

    check_good(file != NULL, &err);
    return file;
}

static void write_text(struct export_file *file, const char *text)
{
    struct error err;

    check_good(export_file_write(file, text, strlen(text), &err), &err);
}

static void publish(struct export_file *file)
{
    struct error err;

    check_good(export_file_publish(file, &err), &err);
}

/* The directory has this file alone, with this text and what is said of it. */
static void check_published(const char *directory, const struct export_file *file, const char *text)
{
    unsigned char sum[SHA256_SIZE], expected[SHA256_SIZE];
    struct buffer path = {0}, bytes = {0};
    struct stat status;

    assert_int_equal(scratch_count(directory), 1);
    buffer_printf(&path, "%s/%s", directory, export_file_id(file));
    scratch_read(path.data, &bytes);
    assert_string_equal(buffer_text(&bytes), text);
    assert_int_equal(export_file_size(file), strlen(text));
    export_file_sha256(file, sum);
    digest_sha256(text, strlen(text), expected);
    assert_memory_equal(sum, expected, SHA256_SIZE);
    assert_int_equal(stat(path.data, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    buffer_free(&path);
    buffer_free(&bytes);
}

/* A file system may lack nameless files, or the process /proc: then the file is FILE_ID.part for a while. */
static const struct way_case {
    const char *name;
    struct faults faults;
    const char *order;
} way_cases[] = {
    {"as-the-file-system-can", {0}, NULL},
    {"no-O_TMPFILE", {.no_tmpfile = EOPNOTSUPP}, "frd"},
    {"old-kernel", {.no_tmpfile = EISDIR}, "frd"},
    {"no-proc", {.no_proc = ENOENT}, "frd"},
    {"short-writes", {.write_short = 3}, NULL},
    {"interrupted-writes", {.write_eintr = true}, NULL},
};

static void check_only_parts(const char *directory, const struct export_file *file)
{
    struct buffer path = {0};

    assert_true(scratch_count(directory) <= 1);
    buffer_printf(&path, "%s/%s", directory, export_file_id(file));
    assert_int_equal(access(path.data, F_OK), -1);
    buffer_append_text(&path, ".part");
    assert_int_equal(access(path.data, F_OK) == 0, scratch_count(directory) == 1);
    buffer_free(&path);
}

static void publishes(const void *row)
{
    const struct way_case *c = row;
    char *directory = make_directory(c->name);
    mode_t mask = umask(022);
    struct export_file *file;

    faults = c->faults;
    file = begin(directory);
    assert_true(text_is_uuid(export_file_id(file)));
    check_only_parts(directory, file);
    write_text(file, "\"Container ID\"\r\n");
    write_text(file, "");
    write_text(file, "\"c-1\"\r\n");
    check_only_parts(directory, file);
    publish(file);
    umask(mask);
    check_published(directory, file, "\"Container ID\"\r\n\"c-1\"\r\n");
    export_file_free(file);
    assert_int_equal(scratch_count(directory), 1);
    /* Data first, then the name, then the directory. */
    if (c->order != NULL)
        assert_string_equal(faults_order(), c->order);
    else if (strcmp(faults_order(), "fld") != 0)
        assert_string_equal(faults_order(), "frd");
    free(directory);
}

static void leaves_nothing_unpublished(const void *row)
{
    const struct way_case *c = row;
    char *directory, name[64];
    struct export_file *file;

    snprintf(name, sizeof(name), "unpublished-%s", c->name);
    directory = make_directory(name);
    faults = c->faults;
    file = begin(directory);
    write_text(file, "half of a fi");
    export_file_free(file);
    assert_int_equal(scratch_count(directory), 0);
    free(directory);
}

static void empty_file(void)
{
    char *directory = make_directory("empty");
    struct export_file *file = begin(directory);

    publish(file);
    check_published(directory, file, "");
    export_file_free(file);
    free(directory);
}

static void unpublishes(void)
{
    char *directory = make_directory("unpublished");
    struct export_file *kept = begin(directory), *file = begin(directory);

    assert_string_not_equal(export_file_id(kept), export_file_id(file));
    write_text(kept, "kept");
    publish(kept);
    publish(file);
    assert_int_equal(scratch_count(directory), 2);
    export_file_unpublish(file);
    check_published(directory, kept, "kept");
    export_file_free(file);
    export_file_free(kept);
    assert_int_equal(scratch_count(directory), 1);
    free(directory);
}

static const struct fault_case {
    const char *name;
    struct faults faults;
    const char *message;
} fault_cases[] = {
    {"write-ENOSPC", {.write = ENOSPC}, "space"},
    {"write-ENOSPC-later", {.write = ENOSPC, .write_short = 3, .write_at = 2}, "space"},
    {"write-EDQUOT", {.write = EDQUOT}, "space"},
    {"write-EIO", {.write = EIO}, "can't be written"},
    {"fsync-EIO", {.fsync_file = EIO}, "can't be written"},
    {"fsync-ENOSPC", {.fsync_file = ENOSPC}, "space"},
    {"fsync-directory-EIO", {.fsync_directory = EIO}, "can't be written"},
    {"no-link", {.linkat = EACCES, .renameat = EACCES}, "can't be written"},
    {"no-link-ENOSPC", {.linkat = ENOSPC, .renameat = ENOSPC}, "space"},
    {"part-write-ENOSPC", {.no_tmpfile = EOPNOTSUPP, .write = ENOSPC}, "space"},
    {"part-fsync-EIO", {.no_tmpfile = EOPNOTSUPP, .fsync_file = EIO}, "can't be written"},
    {"part-fsync-directory-EIO", {.no_tmpfile = EOPNOTSUPP, .fsync_directory = EIO}, "can't be written"},
    {"part-no-rename", {.no_tmpfile = EOPNOTSUPP, .renameat = EACCES}, "can't be written"},
};

/* After a failure nothing is left, and the message has neither a path nor the system's words. */
static void survives_faults(const void *row)
{
    const struct fault_case *c = row;
    char *directory = make_directory(c->name);
    struct export_file *file;
    struct error err;

    faults = c->faults;
    file = begin(directory);
    assert_false(export_file_write(file, "0123456789", 10, &err) && export_file_publish(file, &err));
    export_file_free(file);
    check_refusal(&err, ERROR_STORAGE, c->message);
    assert_null(strstr(err.message, directory));
    assert_string_not_equal(err.detail, "");
    assert_int_equal(scratch_count(directory), 0);
    faults_clear();
    free(directory);
}

static void file_size_limit(void)
{
    char *directory = make_directory("limited");
    struct export_file *file = begin(directory);
    struct rlimit before;
    struct error err;
    bool written;

    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(const struct rlimit) {.rlim_cur = 1000, .rlim_max = before.rlim_max});
    written = export_file_write(file, (const char[1500]) {0}, 1500, &err); /* 1000 bytes go through, then none */
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    assert_false(written);
    check_refusal(&err, ERROR_STORAGE, "");
    export_file_free(file);
    assert_int_equal(scratch_count(directory), 0);
    free(directory);
}

static void needs_a_directory(void)
{
    char *missing = scratch_path("no-such-directory");
    char *no_directory = scratch_write("file", BYTES("x"));
    struct error err;

    faults_clear();
    assert_null(export_file_begin(missing, &err));
    check_refusal(&err, ERROR_STORAGE, "");
    assert_null(strstr(err.message, missing));
    assert_non_null(strstr(err.detail, missing));
    assert_null(export_file_begin(no_directory, &err));
    check_refusal(&err, ERROR_STORAGE, "");
    free(missing);
    free(no_directory);
}

/* The superuser may write anywhere, so it becomes somebody else for a while. */
static void needs_to_write_there(void)
{
    char *directory = make_directory("read-only");
    struct export_file *file;
    struct error err;

    assert_int_equal(chmod(scratch_directory(), 0755), 0);
    assert_int_equal(chmod(directory, 0555), 0);
    if (geteuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    file = export_file_begin(directory, &err);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_null(file);
    check_refusal(&err, ERROR_STORAGE, "");
    assert_int_equal(scratch_count(directory), 0);
    free(directory);
}

static void opens_what_is_published(void)
{
    char *directory = make_directory("opened");
    struct export_file *file = begin(directory);
    struct error err;
    char text[8] = "";
    int fd;

    write_text(file, "abc");
    assert_int_equal(export_file_open(directory, export_file_id(file), &err), -1);
    check_refusal(&err, ERROR_NOT_FOUND, "");
    publish(file);
    fd = export_file_open(directory, export_file_id(file), &err);
    check_good(fd >= 0, &err);
    assert_int_equal(read(fd, text, sizeof(text)), 3);
    assert_string_equal(text, "abc");
    close(fd);
    export_file_unpublish(file);
    assert_int_equal(export_file_open(directory, export_file_id(file), &err), -1);
    check_refusal(&err, ERROR_NOT_FOUND, "");
    export_file_free(file);
    free(directory);
}

static void opens_nothing_else(void)
{
    static const char id[] = "01234567-89ab-4cde-8f01-23456789abcd";
    char *directory = make_directory("links");
    char *missing = scratch_path("no-such-directory");
    struct buffer link = {0};
    struct error err;

    assert_int_equal(export_file_open(missing, id, &err), -1);
    check_refusal(&err, ERROR_STORAGE, "");
    assert_null(strstr(err.message, missing));
    buffer_printf(&link, "%s/%s", directory, id);
    assert_int_equal(symlink("/etc/passwd", link.data), 0);
    assert_int_equal(export_file_open(directory, id, &err), -1);
    check_refusal(&err, ERROR_STORAGE, "");
    faults.openat = EMFILE;
    assert_int_equal(export_file_open(directory, id, &err), -1);
    check_refusal(&err, ERROR_STORAGE, "");
    faults_clear();
    buffer_free(&link);
    free(missing);
    free(directory);
}

static void freeing_nothing_is_fine(void)
{
    export_file_free(NULL);
}

int main(void)
{
    CHECK_EACH(publishes, way_cases, name);
    CHECK_EACH(leaves_nothing_unpublished, way_cases, name);
    CHECK(empty_file);
    CHECK(unpublishes);
    CHECK_EACH(survives_faults, fault_cases, name);
    CHECK(file_size_limit);
    CHECK(needs_a_directory);
    CHECK(needs_to_write_there);
    CHECK(opens_what_is_published);
    CHECK(opens_nothing_else);
    CHECK(freeing_nothing_is_fine);
    return check_run("export/export_file");
}
