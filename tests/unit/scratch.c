#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static char *directory;
static pid_t owner; /* a forked child does not remove the directory */

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void) status;
    (void) kind;
    (void) walk;
    return remove(path);
}

static void remove_directory(void)
{
    if (getpid() == owner)
        (void) nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(directory);
}

const char *scratch_directory(void)
{
    const char *parent = getenv("TMPDIR");
    struct buffer path = {0};

    if (directory != NULL)
        return directory;
    buffer_printf(&path, "%s/waybill-unit-XXXXXX", parent == NULL || *parent == '\0' ? "/tmp" : parent);
    assert_non_null(mkdtemp(path.data));
    directory = path.data;
    owner = getpid();
    atexit(remove_directory);
    return directory;
}

char *scratch_path(const char *name)
{
    struct buffer path = {0};

    buffer_printf(&path, "%s/%s", scratch_directory(), name);
    return path.data;
}

char *scratch_write(const char *name, const char *data, size_t length)
{
    char *path = scratch_path(name);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    return path;
}

void scratch_read(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "re");
    char chunk[8192];
    size_t got;

    assert_non_null(file);
    while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buffer_append(out, chunk, got);
    fclose(file);
}

size_t scratch_count(const char *path)
{
    DIR *entries = opendir(path);
    const struct dirent *entry;
    size_t count = 0;

    assert_non_null(entries);
    while ((entry = readdir(entries)) != NULL)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(entries);
    return count;
}

static int saved_log = -1;
static char *log_path;

void scratch_catch_log(void)
{
    int file;

    log_path = scratch_path("log");
    file = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    saved_log = dup(STDERR_FILENO);
    assert_true(file >= 0 && saved_log >= 0);
    dup2(file, STDERR_FILENO);
    close(file);
}

void scratch_read_log(struct buffer *out)
{
    scratch_read(log_path, out);
}

int scratch_count_log(const char *text)
{
    struct buffer log = {0};
    int count = 0;

    scratch_read_log(&log);
    for (const char *at = buffer_text(&log); (at = strstr(at, text)) != NULL; at += strlen(text))
        count++;
    buffer_free(&log);
    return count;
}

void scratch_release_log(void)
{
    dup2(saved_log, STDERR_FILENO);
    close(saved_log);
    free(log_path);
}
