/* The check of the time zone database by `waybill check`, with and without that database. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/time_zone.h"
#include "check.h"
#include "cli/checkup.h"
#include "scratch.h"

static bool is_missing; /* the time zone database */

struct time_zone *__real_time_zone_open(const char *name, struct error *err);
struct time_zone *__wrap_time_zone_open(const char *name, struct error *err);

struct time_zone *__wrap_time_zone_open(const char *name, struct error *err)
{
    if (!is_missing)
        return __real_time_zone_open("UTC", err);
    error_set(err, ERROR_PARAMETER, "time_zone must be known, got %s", name);
    return NULL;
}

/* Appends what the checks print. They find no PostgreSQL. */
static void print_findings(struct buffer *printed)
{
    const struct config config = {.conninfo = (char[]) {"host=/no/such/directory"}, .notify_hosts = (char[]) {""}};
    struct checkup checkup = {.config = &config};
    char *path = scratch_write("findings", BYTES(""));
    int file = open(path, O_WRONLY | O_CLOEXEC), terminal = dup(STDOUT_FILENO);

    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    checkup_schedules(&checkup);
    fflush(stdout);
    dup2(terminal, STDOUT_FILENO);
    close(terminal);
    close(file);
    assert_int_equal(checkup.failures, 0);
    scratch_read(path, printed);
    free(path);
}

static void check_findings(const char *line)
{
    struct buffer printed = {0};

    print_findings(&printed);
    if (strstr(buffer_text(&printed), line) == NULL)
        check_fail("no such line: %s", buffer_text(&printed));
    buffer_free(&printed);
}

static void the_database_is_there(void)
{
    is_missing = false;
    check_findings("\nok       tzdata         the time zone database can be read\n");
}

/* Schedules in UTC still run, so it is a warning. */
static void the_database_is_missing(void)
{
    is_missing = true;
    check_findings("\nwarning  tzdata         time_zone must be known, got Europe/Berlin: schedules can only use UTC:"
                   " install the package tzdata\n");
}

int main(void)
{
    CHECK(the_database_is_there);
    CHECK(the_database_is_missing);
    return check_run("cli/checkup_schedules");
}
