/* The output of a command: a file appears whole or not at all, and special files are written directly. */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "check.h"
#include "export_files.h"
#include "faults.h"
#include "scratch.h"

#define TEXT "\"Container ID\"\r\n\"c-1\"\r\n"
#define OLD "the old content"

/* Returns the path of a name in the directory; the caller frees it. */
static char *entry(const char *directory, const char *name)
{
    struct buffer path = {0};

    buffer_printf(&path, "%s/%s", directory, name);
    return path.data;
}

static void make_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void check_text(const char *path, const char *text)
{
    struct buffer bytes = {0};

    scratch_read(path, &bytes);
    assert_string_equal(buffer_text(&bytes), text);
    buffer_free(&bytes);
}

static void check_mode(const char *path, mode_t mode)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, mode);
}

static struct cli_output *open_output(const char *path)
{
    struct error err;
    struct cli_output *output = cli_output_open(path, &err);

    check_good(output != NULL, &err);
    return output;
}

static bool finish_output(struct cli_output *output, struct error *err)
{
    bool done = cli_output_write(output, TEXT, strlen(TEXT), err) && cli_output_commit(output, err);

    cli_output_close(output);
    return done;
}

static void write_output(const char *path)
{
    struct error err;

    check_good(finish_output(open_output(path), &err), &err);
}

/* Without unnamed files, the file has a temporary name. An unnamed file has one only to replace another. */
static const struct publish_case {
    const char *name;
    struct faults faults;
    const char *old;   /* content of the existing file; NULL: there is none */
    bool is_temporary;
} publish_cases[] = {
    {"new", {0}, NULL, false},
    {"replaced", {0}, OLD, false},
    {"replaced-empty", {0}, "", false},
    {"new-temporary", {.no_tmpfile = EOPNOTSUPP}, NULL, true},
    {"replaced-temporary", {.no_tmpfile = EOPNOTSUPP}, OLD, true},
    {"new-no-proc", {.no_proc = ENOENT}, NULL, true},
    {"new-short-writes", {.write_short = 3}, NULL, false},
    {"new-interrupted-writes", {.write_eintr = true}, NULL, false},
};

/* Whether the file system of the tests supports unnamed files. If not, all files have a temporary name. */
static bool has_unnamed_files(const char *directory)
{
    int fd = open(directory, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);

    return fd >= 0 && close(fd) == 0;
}

/* The data is synced, then the file is named, then the directory is synced. Until then, the old file stays. */
static void publishes_output(const void *row)
{
    const struct publish_case *c = row;
    char *directory = make_directory(c->name), *path = entry(directory, "out.csv");
    bool is_temporary = c->is_temporary || !has_unnamed_files(directory);
    struct cli_output *output;
    struct error err;

    if (c->old != NULL)
        make_file(path, c->old, 0644);
    faults = c->faults;
    output = open_output(path);
    check_good(cli_output_write(output, TEXT, strlen(TEXT), &err), &err);
    if (c->old != NULL)
        check_text(path, c->old);
    else
        assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(scratch_count(directory), (is_temporary ? 1 : 0) + (c->old != NULL ? 1 : 0));
    check_good(cli_output_commit(output, &err), &err);
    assert_string_equal(faults_order(), is_temporary ? "frd" : c->old != NULL ? "fllrd" : "fld");
    cli_output_close(output);
    check_text(path, TEXT);
    assert_int_equal(scratch_count(directory), 1);
    faults_clear();
    free(path);
    free(directory);
}

/* A file that is not committed leaves nothing, and the old file stays. */
static void discards_output(const void *row)
{
    const struct publish_case *c = row;
    char name[64], *directory, *path;
    struct cli_output *output;
    struct error err;

    snprintf(name, sizeof(name), "discarded-%s", c->name);
    directory = make_directory(name);
    path = entry(directory, "out.csv");
    if (c->old != NULL)
        make_file(path, c->old, 0644);
    faults = c->faults;
    output = open_output(path);
    check_good(cli_output_write(output, TEXT, strlen(TEXT), &err), &err);
    cli_output_close(output);
    faults_clear();
    assert_int_equal(scratch_count(directory), c->old != NULL);
    if (c->old != NULL)
        check_text(path, c->old);
    free(path);
    free(directory);
}

static const struct failure_case {
    const char *name;
    struct faults faults;
    const char *message;
} failure_cases[] = {
    {"fails-write", {.write = ENOSPC}, "out.csv: write: No space left on device"},
    {"fails-later-write", {.write = EIO, .write_short = 3, .write_at = 2}, "out.csv: write: Input/output error"},
    {"fails-fsync", {.fsync_file = EIO}, "out.csv: fsync: Input/output error"},
    {"fails-link", {.linkat = EPERM, .renameat = EPERM}, "out.csv: publish: Operation not permitted"},
    {"fails-rename", {.renameat = EACCES}, "out.csv: publish: Permission denied"},
    {"fails-temporary-write", {.no_tmpfile = EOPNOTSUPP, .write = EIO}, "out.csv: write: Input/output error"},
    {"fails-temporary-rename", {.no_tmpfile = EOPNOTSUPP, .renameat = EIO}, "out.csv: publish: Input/output error"},
    {"fails-create", {.no_tmpfile = EOPNOTSUPP, .openat = EACCES}, "out.csv: create: Permission denied"},
    {"fails-fchmod", {.fchmod = EPERM}, "out.csv: fchmod: Operation not permitted"},
    {"fails-open-of-the-directory", {.open = EMFILE}, "out.csv: open: Too many open files"},
};

static void failure_keeps_the_old_file(const void *row)
{
    const struct failure_case *c = row;
    char *directory = make_directory(c->name), *path = entry(directory, "out.csv");
    struct cli_output *output;
    struct error err;

    make_file(path, OLD, 0644);
    faults = c->faults;
    output = cli_output_open(path, &err);
    assert_false(output != NULL && finish_output(output, &err));
    faults_clear();
    check_refusal(&err, ERROR_STORAGE, c->message);
    assert_ptr_equal(strstr(err.message, path), err.message);
    check_text(path, OLD);
    check_mode(path, 0644);
    assert_int_equal(scratch_count(directory), 1);
    free(path);
    free(directory);
}

/* If the directory cannot be synced, the file is complete, but it may not survive a power failure. */
static void sync_of_the_directory_can_fail(void)
{
    char *directory = make_directory("directory-fsync"), *path = entry(directory, "out.csv");
    struct error err;

    faults.fsync_directory = EIO;
    assert_false(finish_output(open_output(path), &err));
    faults_clear();
    check_refusal(&err, ERROR_STORAGE, "out.csv: fsync of the directory: Input/output error");
    check_text(path, TEXT);
    free(path);
    free(directory);
}

static void permissions_of_a_new_file(void)
{
    char *directory = make_directory("permissions"), *path = entry(directory, "out.csv");
    static const mode_t masks[] = {0, 022, 077};

    for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
        for (int has_name = 0; has_name <= 1; has_name++) {
            mode_t before = umask(masks[i]);

            faults.no_tmpfile = has_name ? EOPNOTSUPP : 0;
            write_output(path);
            umask(before);
            check_mode(path, 0666 & ~masks[i]);
            assert_int_equal(unlink(path), 0);
        }
    }
    faults_clear();
    free(path);
    free(directory);
}

static void permissions_of_a_replaced_file(void)
{
    char *directory = make_directory("kept-permissions"), *path = entry(directory, "out.csv");
    static const mode_t modes[] = {0600, 0640, 0666, 0755, 0200};
    struct stat status;

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        make_file(path, OLD, modes[i]);
        if (geteuid() == 0)
            assert_int_equal(chown(path, 12345, 54321), 0);
        write_output(path);
        check_mode(path, modes[i]);
        assert_int_equal(stat(path, &status), 0);
        if (geteuid() == 0)
            assert_true(status.st_uid == 12345 && status.st_gid == 54321);
        assert_int_equal(unlink(path), 0);
    }
    free(path);
    free(directory);
}

/* Who cannot keep the group of a file does not give its permissions to another group. */
static void permissions_of_a_foreign_group(void)
{
    char *directory = make_directory("foreign-group"), *path = entry(directory, "out.csv");

    if (geteuid() == 0) {
        make_file(path, OLD, 0664);
        assert_int_equal(chown(path, 12345, 54321), 0);
        assert_int_equal(chmod(scratch_directory(), 0755), 0);
        assert_int_equal(chmod(directory, 0777), 0);
        assert_int_equal(seteuid(65534), 0);
        write_output(path);
        assert_int_equal(seteuid(0), 0);
        check_text(path, TEXT);
        check_mode(path, 0604);
    }
    free(path);
    free(directory);
}

static void links_stay(void)
{
    char *directory = make_directory("links"), *link = entry(directory, "link"), *path = entry(directory, "out.csv");
    struct stat status;

    make_file(path, OLD, 0640);
    assert_int_equal(symlink("out.csv", link), 0);
    write_output(link);
    assert_int_equal(lstat(link, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    check_text(path, TEXT);
    check_mode(path, 0640);
    free(path);
    free(link);
    free(directory);
}

/* A path without a directory is in the working directory. */
static void relative_paths(void)
{
    char *directory = make_directory("relative"), *path = entry(directory, "out.csv");
    char *before = getcwd(NULL, 0);

    assert_int_equal(chdir(directory), 0);
    write_output("out.csv");
    check_text(path, TEXT);
    write_output("./out.csv");
    assert_int_equal(scratch_count(directory), 1);
    assert_int_equal(chdir(before), 0);
    free(before);
    free(path);
    free(directory);
}

static void long_names(void)
{
    char *directory = make_directory("long"), name[256] = "", *path;

    memset(name, 'x', 255);
    path = entry(directory, name);
    write_output(path);
    faults.no_tmpfile = EOPNOTSUPP;
    write_output(path);
    faults_clear();
    check_text(path, TEXT);
    free(path);
    free(directory);
}

static void refuses_paths(void)
{
    char *directory = make_directory("refused"), *missing = entry(directory, "no/out.csv");
    char *slash = entry(directory, "out/"), *file = entry(directory, "file"), *below = entry(directory, "file/out.csv");
    const struct {
        const char *path, *reason;
    } cases[] = {
        {"", ": open: No such file or directory"},
        {directory, "refused: open: Is a directory"},
        {missing, "no/out.csv: open: No such file or directory"},
        {slash, "out/: open: No such file or directory"},
        {below, "file/out.csv: open: Not a directory"},
    };

    make_file(file, OLD, 0644);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct error err;

        assert_null(cli_output_open(cases[i].path, &err));
        check_refusal(&err, ERROR_STORAGE, cases[i].reason);
    }
    assert_int_equal(scratch_count(directory), 1);
    free(below);
    free(file);
    free(slash);
    free(missing);
    free(directory);
}

static void special_files(void)
{
    char *directory = make_directory("special"), *fifo = entry(directory, "fifo");
    struct stat status;
    struct error err;
    char text[64] = "";
    int reader;

    write_output("/dev/null");
    assert_int_equal(stat("/dev/null", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
    assert_false(finish_output(open_output("/dev/full"), &err));
    check_refusal(&err, ERROR_STORAGE, "/dev/full: write: No space left on device");

    assert_int_equal(mkfifo(fifo, 0600), 0);
    reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    write_output(fifo);
    assert_int_equal(read(reader, text, sizeof(text)), strlen(TEXT));
    assert_string_equal(text, TEXT);
    close(reader);
    assert_int_equal(stat(fifo, &status), 0);
    assert_true(S_ISFIFO(status.st_mode));
    faults.open = EACCES;
    assert_null(cli_output_open(fifo, &err));
    check_refusal(&err, ERROR_STORAGE, "fifo: open: Permission denied");
    faults_clear();
    free(fifo);
    free(directory);
}

/* Runs it with the file as standard output. */
static void with_standard_output(const char *path, void (*run)(void))
{
    int file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC), saved = dup(STDOUT_FILENO);

    assert_true(file >= 0 && saved >= 0);
    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    run();
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(file);
}

static void write_to_dash(void)
{
    write_output("-");
}

static void write_to_device(void)
{
    write_output("/dev/stdout");
}

/* Standard output is appended to, and stays open, also under another name. */
static void standard_output(void)
{
    char *directory = make_directory("standard-output"), *path = entry(directory, "out.csv");

    make_file(path, OLD, 0644);
    with_standard_output(path, write_to_dash);
    check_text(path, OLD TEXT);
    with_standard_output(path, write_to_device);
    check_text(path, OLD TEXT TEXT);
    free(path);
    free(directory);
}

static void closed_standard_output(void)
{
    int saved = dup(STDOUT_FILENO);
    struct cli_output *output;
    struct error err;

    fflush(stdout);
    close(STDOUT_FILENO);
    output = cli_output_open("-", &err);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    assert_null(output);
    check_refusal(&err, ERROR_STORAGE, "standard output: open: Bad file descriptor");
}

static void pipe_without_a_reader(void)
{
    int ends[2], saved = dup(STDOUT_FILENO);
    struct error err;
    bool done;

    fflush(stdout);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
    done = finish_output(open_output("-"), &err);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    signal(SIGPIPE, SIG_DFL);
    assert_false(done);
    check_refusal(&err, ERROR_STORAGE, "standard output: write: Broken pipe");
}

/* A signal in the middle of an export. */
static const struct interruption {
    const char *name;
    int signal;
    bool is_ignored;
    struct faults faults;
} interruptions[] = {
    {"SIGTERM", SIGTERM, false, {0}},
    {"SIGTERM-temporary", SIGTERM, false, {.no_tmpfile = EOPNOTSUPP}},
    {"SIGINT-temporary", SIGINT, false, {.no_tmpfile = EOPNOTSUPP}},
    {"SIGHUP-temporary", SIGHUP, false, {.no_tmpfile = EOPNOTSUPP}},
    {"SIGQUIT-temporary", SIGQUIT, false, {.no_tmpfile = EOPNOTSUPP}},
    {"SIGHUP-ignored", SIGHUP, true, {.no_tmpfile = EOPNOTSUPP}},
};

/* Writes in a child, which gets the signal after the first write. Returns the status of waitpid. */
static int interrupt(const struct interruption *c, const char *path)
{
    pid_t child;
    int status;

    fflush(stdout);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct cli_output *output;
        struct error err;
        bool done;

        alarm(60);
        signal(c->signal, c->is_ignored ? SIG_IGN : SIG_DFL);
        faults = c->faults;
        output = cli_output_open(path, &err);
        if (output == NULL || !cli_output_write(output, TEXT, strlen(TEXT), &err) || raise(c->signal) != 0)
            _exit(3);
        done = cli_output_write(output, "", 0, &err) && cli_output_commit(output, &err);
        cli_output_close(output);
        _exit(done ? 0 : 4);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void signals_leave_nothing(const void *row)
{
    const struct interruption *c = row;
    char *directory = make_directory(c->name), *path = entry(directory, "out.csv");
    int status = interrupt(c, path);

    if (c->is_ignored) {
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        check_text(path, TEXT);
    } else {
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), c->signal);
        assert_int_equal(scratch_count(directory), 0);
    }
    free(path);
    free(directory);
}

static void closing_nothing_is_fine(void)
{
    cli_output_close(NULL);
}

int main(void)
{
    CHECK_EACH(publishes_output, publish_cases, name);
    CHECK_EACH(discards_output, publish_cases, name);
    CHECK_EACH(failure_keeps_the_old_file, failure_cases, name);
    CHECK(sync_of_the_directory_can_fail);
    CHECK(permissions_of_a_new_file);
    CHECK(permissions_of_a_replaced_file);
    CHECK(permissions_of_a_foreign_group);
    CHECK(links_stay);
    CHECK(relative_paths);
    CHECK(long_names);
    CHECK(refuses_paths);
    CHECK(special_files);
    CHECK(standard_output);
    CHECK(closed_standard_output);
    CHECK(pipe_without_a_reader);
    CHECK_EACH(signals_leave_nothing, interruptions, name);
    CHECK(closing_nothing_is_fine);
    return check_run("cli/output");
}
