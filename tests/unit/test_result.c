/* Values of a result by the names of its columns; libpq builds the results, without a server. */
#include "db/result.h"

#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "check.h"

/* A column that is called as `name` says. Attributes of libpq need writable text. */
static PGresAttDesc column(char *name)
{
    return (PGresAttDesc) {.name = name};
}

/* Two rows, as a statement might return them. */
static struct db_result *make_result(void)
{
    char names[][8] = {"id", "flag", "Id", "nothing", "id"};
    static const char *const values[2][ARRAY_SIZE(names)] = {
        {"41", "t", "other", NULL, "again"},
        {"-9223372036854775808", "f", "", NULL, "again"},
    };
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[ARRAY_SIZE(names)];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        columns[i] = column(names[i]);
    assert_int_equal(PQsetResultAttrs(result, ARRAY_SIZE(names), columns), 1);
    for (int row = 0; row < 2; row++) {
        for (int i = 0; i < (int) ARRAY_SIZE(names); i++) {
            char value[32] = "";
            bool is_null = values[row][i] == NULL;

            strcpy(value, is_null ? "" : values[row][i]);
            assert_int_equal(PQsetvalue(result, row, i, is_null ? NULL : value, is_null ? -1 : (int) strlen(value)), 1);
        }
    }
    return (struct db_result *) result;
}

/* Case counts, and of two columns with one name the first is meant. */
static void values_by_name(void)
{
    struct db_result *result = make_result();

    assert_int_equal(db_rows(result), 2);
    assert_string_equal(db_text(result, 0, "id"), "41");
    assert_string_equal(db_text(result, 0, "Id"), "other");
    assert_string_equal(db_text(result, 1, "Id"), "");
    assert_int_equal(db_integer(result, 0, "id"), 41);
    assert_int_equal(db_integer(result, 1, "id"), INT64_MIN);
    assert_true(db_boolean(result, 0, "flag"));
    assert_false(db_boolean(result, 1, "flag"));
    assert_false(db_is_null(result, 1, "Id"));
    db_result_free(result);
}

static void null_values(void)
{
    struct db_result *result = make_result();

    assert_true(db_is_null(result, 0, "nothing"));
    assert_null(db_text(result, 0, "nothing"));
    assert_int_equal(db_integer(result, 0, "nothing"), 0);
    assert_false(db_boolean(result, 0, "nothing"));
    db_result_free(result);
}

static void note_column(void *context, const char *name, const char *value)
{
    buffer_printf(context, "%s=%s;", name, value == NULL ? "NULL" : value);
}

static void all_columns_in_their_order(void)
{
    struct db_result *result = make_result();
    struct buffer seen = {0};

    db_each_column(result, 0, note_column, &seen);
    assert_string_equal(buffer_text(&seen), "id=41;flag=t;Id=other;nothing=NULL;id=again;");
    buffer_free(&seen);
    db_result_free(result);
}

static const struct unknown_case {
    const char *name;
} unknown_cases[] = {{"ID"}, {"i"}, {"id "}, {""}, {"missing"}};

/* A name that no column has ends the process: a statement and its reader do not fit together. */
static void an_unknown_name_is_a_bug(const void *row)
{
    const struct unknown_case *c = row;
    struct db_result *result = make_result();
    pid_t child = fork();
    int status;

    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        if (freopen("/dev/null", "w", stderr) != NULL)
            (void) db_text(result, 0, c->name);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    db_result_free(result);
}

int main(void)
{
    CHECK(values_by_name);
    CHECK(null_values);
    CHECK(all_columns_in_their_order);
    CHECK_EACH(an_unknown_name_is_a_bug, unknown_cases, name);
    return check_run("db/result");
}
