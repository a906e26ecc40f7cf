#include "export/export_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "check.h"
#include "export_files.h"
#include "faults.h"
#include "scratch.h"

/* Returns the path of a name in the directory; the caller frees it. */
static char *path_in(const char *directory, const char *name)
{
    struct buffer path = {0};

    buffer_printf(&path, "%s/%s", directory, name);
    return path.data;
}

/* Writes a file of another owner. */
static void put(const char *directory, const char *name, const char *text)
{
    char *path = path_in(directory, name);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static void check_has(const char *directory, const char *name, const char *text)
{
    char *path = path_in(directory, name);
    struct buffer bytes = {0};

    scratch_read(path, &bytes);
    assert_string_equal(buffer_text(&bytes), text);
    buffer_free(&bytes);
    free(path);
}

/* Checks that the directory has only this file, with this text, and that size and sum match it. */
static void check_published(const char *directory, const char *file_id, const struct export_file *file,
                            const char *text)
{
    unsigned char sum[SHA256_SIZE], expected[SHA256_SIZE];
    struct buffer path = {0}, bytes = {0};
    struct stat status;

    assert_int_equal(scratch_count(directory), 1);
    buffer_printf(&path, "%s/%s", directory, file_id);
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

/* If the file system lacks nameless files, or the process lacks /proc, the file is written as FILE_ID.part. */
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

static void check_only_parts(const char *directory)
{
    char *path = path_in(directory, ID), *part = path_in(directory, ID ".part");

    assert_true(scratch_count(directory) <= 1);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(part, F_OK) == 0, scratch_count(directory) == 1);
    free(path);
    free(part);
}

static void publishes(const void *row)
{
    const struct way_case *c = row;
    char *directory = make_directory(c->name);
    mode_t mask = umask(022);
    struct export_file *file;

    faults = c->faults;
    file = begin_file(directory, ID, false);
    check_only_parts(directory);
    write_text(file, "\"Container ID\"\r\n");
    write_text(file, "");
    write_text(file, "\"c-1\"\r\n");
    check_only_parts(directory);
    publish(file);
    umask(mask);
    check_published(directory, ID, file, "\"Container ID\"\r\n\"c-1\"\r\n");
    export_file_free(file);
    assert_int_equal(scratch_count(directory), 1);
    /* The data is synced first, then the name is made, then the directory is synced. */
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
    file = begin_file(directory, ID, false);
    write_text(file, "half of a fi");
    export_file_free(file);
    assert_int_equal(scratch_count(directory), 0);
    free(directory);
}

static void empty_file(void)
{
    char *directory = make_directory("empty");
    struct export_file *file = begin_file(directory, ID, false);

    publish(file);
    check_published(directory, ID, file, "");
    export_file_free(file);
    free(directory);
}

static void unpublishes(void)
{
    char *directory = make_directory("unpublished");
    struct export_file *kept = begin_file(directory, OTHER_ID, false), *file = begin_file(directory, ID, false);

    write_text(kept, "kept");
    publish(kept);
    publish(file);
    assert_int_equal(scratch_count(directory), 2);
    export_file_unpublish(file);
    check_published(directory, OTHER_ID, kept, "kept");
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
    {"write-EIO", {.write = EIO}, "cannot be written"},
    {"write-EIO-later", {.write = EIO, .write_short = 3, .write_at = 3}, "cannot be written"},
    {"fsync-EIO", {.fsync_file = EIO}, "cannot be written"},
    {"fsync-ENOSPC", {.fsync_file = ENOSPC}, "space"},
    {"fsync-EDQUOT", {.fsync_file = EDQUOT}, "space"},
    {"close-EIO", {.close = EIO}, "cannot be written"},
    {"close-ENOSPC", {.close = ENOSPC}, "space"},
    {"fsync-directory-EIO", {.fsync_directory = EIO}, "cannot be written"},
    {"link-EEXIST", {.linkat = EEXIST, .renameat = EEXIST}, "cannot be written"},
    {"no-link", {.linkat = EACCES, .renameat = EACCES}, "cannot be written"},
    {"no-link-ENOSPC", {.linkat = ENOSPC, .renameat = ENOSPC}, "space"},
    {"part-write-ENOSPC", {.no_tmpfile = EOPNOTSUPP, .write = ENOSPC}, "space"},
    {"part-write-EIO", {.no_tmpfile = EOPNOTSUPP, .write = EIO}, "cannot be written"},
    {"part-close-EIO", {.no_tmpfile = EOPNOTSUPP, .close = EIO}, "cannot be written"},
    {"part-fsync-EIO", {.no_tmpfile = EOPNOTSUPP, .fsync_file = EIO}, "cannot be written"},
    {"part-fsync-directory-EIO", {.no_tmpfile = EOPNOTSUPP, .fsync_directory = EIO}, "cannot be written"},
    {"part-no-rename", {.no_tmpfile = EOPNOTSUPP, .renameat = EACCES}, "cannot be written"},
};

/* A failure leaves no file, and the message contains neither a path nor the system's error text. */
static void survives_faults(const void *row)
{
    const struct fault_case *c = row;
    char *directory = make_directory(c->name);
    struct export_file *file;
    struct error err;

    faults = c->faults;
    file = begin_file(directory, ID, false);
    assert_false(export_file_write(file, "0123456789", 10, &err) && export_file_publish(file, &err));
    export_file_free(file);
    check_refusal(&err, ERROR_STORAGE, c->message);
    assert_null(strstr(err.message, directory));
    assert_string_not_equal(err.detail, "");
    assert_int_equal(scratch_count(directory), 0);
    faults_clear();
    free(directory);
}

/* Unpublishing twice, or before publishing, does not remove a file of that name that belongs to another. */
static void unpublishes_only_its_own(void)
{
    char *directory = make_directory("own");
    struct export_file *file = begin_file(directory, ID, false);

    put(directory, ID, "another's");
    write_text(file, "mine");
    export_file_unpublish(file);
    check_has(directory, ID, "another's");
    export_file_free(file);
    check_has(directory, ID, "another's");

    file = begin_file(directory, OTHER_ID, false);
    publish(file);
    export_file_unpublish(file);
    put(directory, OTHER_ID, "another's");
    export_file_unpublish(file);
    export_file_free(file);
    check_has(directory, OTHER_ID, "another's");
    assert_int_equal(scratch_count(directory), 2);
    free(directory);
}

/* If publishing failed, unpublishing removes nothing. */
static void unpublishes_nothing_after_a_failure(void)
{
    char *directory = make_directory("failed");
    struct export_file *file = begin_file(directory, ID, false);
    struct error err;

    put(directory, ID, "another's");
    faults.fsync_file = EIO;
    assert_false(export_file_publish(file, &err));
    export_file_unpublish(file);
    faults_clear();
    export_file_free(file);
    check_has(directory, ID, "another's");
    free(directory);
}

/* Two writers of one name would mix their data: the second is refused and does not change the first one's file. */
static void one_part_at_a_time(void)
{
    char *directory = make_directory("one-part");
    struct export_file *file;
    struct error err;

    faults.no_tmpfile = EOPNOTSUPP;
    file = begin_file(directory, ID, false);
    write_text(file, "first");
    assert_null(export_file_begin(directory, ID, false, &err));
    check_refusal(&err, ERROR_STORAGE, "cannot be written");
    check_has(directory, ID ".part", "first");
    publish(file);
    check_published(directory, ID, file, "first");
    export_file_free(file);
    faults_clear();
    free(directory);
}

#define MIB (1024 * 1024)

/* Every 8 MiB the disk is told to write out all data so far. A failure of that call is ignored. */
static void large_file(const void *row)
{
    const struct way_case *c = row;
    char *directory = make_directory(c->name), *path = path_in(directory, ID);
    struct export_file *file;
    struct buffer bytes = {0};
    unsigned char sum[SHA256_SIZE], expected[SHA256_SIZE];
    char chunk[100000];

    faults = c->faults;
    file = begin_file(directory, ID, false);
    while (bytes.length < 20 * MIB) {
        struct error err;

        memset(chunk, 'a' + (int) (bytes.length % 26), sizeof(chunk));
        buffer_append(&bytes, chunk, sizeof(chunk));
        check_good(export_file_write(file, chunk, sizeof(chunk), &err), &err);
        assert_true(faults_synced() <= (int64_t) bytes.length);
        assert_true(faults_synced() > (int64_t) bytes.length - MIB);
        assert_true(faults_synced() == 0 || faults_synced() >= MIB); /* not at every write */
    }
    publish(file);
    export_file_sha256(file, sum);
    digest_sha256(bytes.data, bytes.length, expected);
    assert_memory_equal(sum, expected, SHA256_SIZE);
    assert_int_equal(export_file_size(file), bytes.length);
    export_file_free(file);
    buffer_clear(&bytes);
    scratch_read(path, &bytes);
    digest_sha256(bytes.data, bytes.length, sum);
    assert_memory_equal(sum, expected, SHA256_SIZE);
    assert_int_equal(unlink(path), 0);
    buffer_free(&bytes);
    faults_clear();
    free(path);
    free(directory);
}

static const struct way_case large_cases[] = {
    {"large", {0}, NULL},
    {"large-no-sync_file_range", {.sync_file_range = ENOSYS}, NULL},
    {"large-short-writes", {.write_short = 70000}, NULL},
};

static const struct remove_case {
    const char *name;
    bool published, part;
} remove_cases[] = {
    {"remove-published", true, false},
    {"remove-part", false, true},
    {"remove-both", true, true},
    {"remove-nothing", false, false},
};

/* Files with this id are removed; those with another id stay. */
static void removes(const void *row)
{
    const struct remove_case *c = row;
    char *directory = make_directory(c->name);
    bool removed = !(c->published || c->part);
    struct error err;

    put(directory, OTHER_ID, "kept");
    put(directory, OTHER_ID ".part", "kept part");
    if (c->published)
        put(directory, ID, "file");
    if (c->part)
        put(directory, ID ".part", "part");
    check_good(export_file_remove(directory, ID, &removed, &err), &err);
    assert_int_equal(removed, c->published || c->part);
    assert_int_equal(scratch_count(directory), 2);
    check_has(directory, OTHER_ID, "kept");
    check_has(directory, OTHER_ID ".part", "kept part");

    removed = true;
    check_good(export_file_remove(directory, ID, &removed, &err), &err);
    assert_false(removed);
    free(directory);
}

/* Files that this module left when its process was killed are removed. */
static void removes_what_is_being_written(void)
{
    char *directory = make_directory("remove-unfinished");
    struct export_file *file;
    bool removed = false;
    struct error err;

    faults.no_tmpfile = EOPNOTSUPP;
    file = begin_file(directory, ID, false);
    write_text(file, "half of a fi");
    assert_int_equal(scratch_count(directory), 1);
    check_good(export_file_remove(directory, ID, &removed, &err), &err);
    assert_true(removed);
    assert_int_equal(scratch_count(directory), 0);
    export_file_free(file);
    faults_clear();
    free(directory);
}

/* Checks that the file is unchanged and that the message contains no path. */
static void check_not_removed(const char *directory)
{
    struct error err;

    for (int before = 0; before <= 1; before++) {
        bool removed = before == 1;

        assert_false(export_file_remove(directory, ID, &removed, &err));
        check_refusal(&err, ERROR_STORAGE, "");
        assert_null(strstr(err.message, directory));
        assert_null(strstr(err.message, ID));
        assert_string_not_equal(err.detail, "");
        assert_int_equal(removed, before == 1);
    }
}

static void can_fail_to_remove(void)
{
    char *directory = make_directory("remove-fails"), *part = path_in(directory, ID ".part");
    char *missing = scratch_path("no-such-directory"), *no_directory = scratch_write("no-directory", BYTES("x"));

    check_not_removed(missing);
    check_not_removed(no_directory);
    put(directory, ID, "file");
    faults.unlinkat = EACCES;
    check_not_removed(directory);
    faults_clear();
    check_has(directory, ID, "file");

    /* A directory is in the place of the part: the file is removed, but the call fails. */
    assert_int_equal(mkdir(part, 0755), 0);
    check_not_removed(directory);
    assert_int_equal(scratch_count(directory), 1);
    free(no_directory);
    free(missing);
    free(part);
    free(directory);
}

static const struct probe_case {
    const char *name;
    struct faults faults;
    const char *message; /* NULL: the directory is good */
} probe_cases[] = {
    {"probe", {0}, NULL},
    {"probe-no-O_TMPFILE", {.no_tmpfile = EOPNOTSUPP}, NULL},
    {"probe-old-kernel", {.no_tmpfile = EISDIR}, NULL},
    {"probe-EINVAL", {.no_tmpfile = EINVAL}, NULL},
    {"probe-EROFS", {.no_tmpfile = EROFS, .openat = EROFS}, "cannot be written"},
    {"probe-EMFILE", {.open = EMFILE}, "cannot be written"},
    {"probe-no-inode", {.open = ENOSPC}, "space"},
    {"probe-write-ENOSPC", {.write = ENOSPC}, "space"},
    {"probe-write-EDQUOT", {.write = EDQUOT}, "space"},
    {"probe-write-EIO", {.write = EIO}, "cannot be written"},
};

/* Returns the number that the next descriptor gets; it shows whether one was left open. */
static int next_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    close(fd);
    return fd;
}

static bool probe(const char *directory, const struct faults *with, struct error *err)
{
    int next = next_descriptor();
    bool good;

    faults = *with;
    good = export_file_probe(directory, err);
    faults_clear();
    assert_int_equal(next_descriptor(), next);
    return good;
}

static void probes(const void *row)
{
    const struct probe_case *c = row;
    char *directory = make_directory(c->name);
    struct error err;

    if (c->message == NULL) {
        check_good(probe(directory, &c->faults, &err), &err);
    } else {
        assert_false(probe(directory, &c->faults, &err));
        check_refusal(&err, ERROR_STORAGE, c->message);
        assert_null(strstr(err.message, directory));
        assert_string_not_equal(err.detail, "");
    }
    assert_int_equal(scratch_count(directory), 0);
    free(directory);
}

/* The probe really writes the byte; it does not only check for free space. */
static void probe_writes(void)
{
    char *directory = make_directory("probe-writes");
    struct rlimit before;
    struct error err;
    bool good;

    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(const struct rlimit) {.rlim_cur = 0, .rlim_max = before.rlim_max});
    good = export_file_probe(directory, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    assert_false(good);
    check_refusal(&err, ERROR_STORAGE, "cannot be written");
    free(directory);
}

/* The directory is needed whether or not the file system supports nameless files. */
static void probe_needs_a_directory(void)
{
    static const struct faults ways[] = {{0}, {.no_tmpfile = EOPNOTSUPP}};
    char *missing = scratch_path("no-such-directory");
    char *no_directory = scratch_write("no-directory", BYTES("x"));

    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        const char *const paths[] = {missing, no_directory};

        for (size_t k = 0; k < ARRAY_SIZE(paths); k++) {
            struct error err;

            if (probe(paths[k], &ways[i], &err))
                check_fail("%s is taken for a directory", paths[k]);
            check_refusal(&err, ERROR_STORAGE, "");
            assert_null(strstr(err.message, paths[k]));
            assert_non_null(strstr(err.detail, paths[k]));
        }
    }
    free(missing);
    free(no_directory);
}

static void file_size_limit(void)
{
    char *directory = make_directory("limited");
    struct export_file *file = begin_file(directory, ID, false);
    struct rlimit before;
    struct error err;
    bool written;

    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(const struct rlimit) {.rlim_cur = 1000, .rlim_max = before.rlim_max});
    written = export_file_write(file, (const char[1500]) {0}, 1500, &err); /* takes 1000 bytes, then fails */
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
    assert_null(export_file_begin(missing, ID, false, &err));
    check_refusal(&err, ERROR_STORAGE, "");
    assert_null(strstr(err.message, missing));
    assert_non_null(strstr(err.detail, missing));
    assert_null(export_file_begin(no_directory, ID, false, &err));
    check_refusal(&err, ERROR_STORAGE, "");
    free(missing);
    free(no_directory);
}

/* Root may write anywhere, so it changes to another user for this test. */
static void needs_to_write_there(void)
{
    char *directory = make_directory("read-only");
    struct export_file *file;
    struct error err;

    assert_int_equal(chmod(scratch_directory(), 0755), 0);
    assert_int_equal(chmod(directory, 0555), 0);
    if (geteuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    file = export_file_begin(directory, ID, false, &err);
    assert_null(file);
    check_refusal(&err, ERROR_STORAGE, "");
    assert_false(export_file_probe(directory, &err));
    check_refusal(&err, ERROR_STORAGE, "");
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(scratch_count(directory), 0);
    free(directory);
}

static void opens_what_is_published(void)
{
    char *directory = make_directory("opened");
    struct export_file *file = begin_file(directory, ID, false);
    struct error err;
    char text[8] = "";
    int fd;

    write_text(file, "abc");
    assert_int_equal(export_file_open(directory, ID, EXPORT_FILE_PLAIN, &err), -1);
    check_refusal(&err, ERROR_NOT_FOUND, "");
    publish(file);
    fd = export_file_open(directory, ID, EXPORT_FILE_PLAIN, &err);
    check_good(fd >= 0, &err);
    assert_int_equal(read(fd, text, sizeof(text)), 3);
    assert_string_equal(text, "abc");
    close(fd);
    export_file_unpublish(file);
    assert_int_equal(export_file_open(directory, ID, EXPORT_FILE_PLAIN, &err), -1);
    check_refusal(&err, ERROR_NOT_FOUND, "");
    export_file_free(file);
    free(directory);
}

static void opens_nothing_else(void)
{
    char *directory = make_directory("links");
    char *missing = scratch_path("no-such-directory");
    struct buffer link = {0};
    struct error err;

    assert_int_equal(export_file_open(missing, ID, EXPORT_FILE_PLAIN, &err), -1);
    check_refusal(&err, ERROR_STORAGE, "");
    assert_null(strstr(err.message, missing));
    buffer_printf(&link, "%s/%s", directory, ID);
    assert_int_equal(symlink("/etc/passwd", link.data), 0);
    assert_int_equal(export_file_open(directory, ID, EXPORT_FILE_PLAIN, &err), -1);
    check_refusal(&err, ERROR_STORAGE, "");
    faults.openat = EMFILE;
    assert_int_equal(export_file_open(directory, ID, EXPORT_FILE_PLAIN, &err), -1);
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
    CHECK(unpublishes_only_its_own);
    CHECK(unpublishes_nothing_after_a_failure);
    CHECK(one_part_at_a_time);
    CHECK_EACH(large_file, large_cases, name);
    CHECK_EACH(survives_faults, fault_cases, name);
    CHECK_EACH(removes, remove_cases, name);
    CHECK(removes_what_is_being_written);
    CHECK(can_fail_to_remove);
    CHECK_EACH(probes, probe_cases, name);
    CHECK(probe_writes);
    CHECK(probe_needs_a_directory);
    CHECK(file_size_limit);
    CHECK(needs_a_directory);
    CHECK(needs_to_write_there);
    CHECK(opens_what_is_published);
    CHECK(opens_nothing_else);
    CHECK(freeing_nothing_is_fine);
    return check_run("export/export_file");
}
