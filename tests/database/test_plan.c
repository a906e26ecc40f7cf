/* What the planner expects, read from a real server's plans. */
#include "db/plan.h"

#include "../unit/check.h"
#include "server.h"

static bool estimate(struct db *db, const char *text, const char *value, int64_t *ret_rows, struct error *err)
{
    struct statement query = {0};
    bool done;

    statement_append(&query, "%s", text);
    if (value != NULL)
        statement_bind(&query, value);
    done = db_estimate_rows(db, &query, ret_rows, err);
    statement_free(&query);
    return done;
}

static const struct plan_case {
    const char *label;
    const char *sql;
    const char *value;
    int64_t rows;
} plan_cases[] = {
    {"of one node", "SELECT * FROM generate_series(1, 123)", NULL, 123},
    {"of the outermost node", "SELECT number FROM generate_series(1, 5000) AS number ORDER BY 1 LIMIT 77", NULL, 77},
    {"with a value", "SELECT number FROM generate_series(1, 5000) AS number LIMIT ", "55", 55},
    {"with rows in a text", "SELECT ' rows=9 \"Plan Rows\": 9' FROM generate_series(1, 11)", NULL, 11},
    {"of inner plans alone", "SELECT (SELECT count(*) FROM generate_series(1, 500))", NULL, 1},
    {"with more than 64 bits in it", "SELECT FROM generate_series(1, 1000000000) a, generate_series(1, 1000000000) b,"
     " generate_series(1, 1000000000) c LIMIT 5", NULL, 0},
};

static void plans(const void *row)
{
    const struct plan_case *c = row;
    struct db *db = server_open(SERVER_PATIENT_MS);
    int64_t rows = -1;
    struct error err;

    check_good(estimate(db, c->sql, c->value, &rows, &err), &err);
    assert_int_equal(rows, c->rows);
    assert_true(db_is_usable(db));
    db_close(db);
}

/* A plan nests deeper than the body of a request may. */
static void a_deep_plan(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct buffer sql = {0};
    int64_t rows = -1;
    struct error err;

    for (int i = 0; i < 100; i++)
        buffer_append_text(&sql, "SELECT DISTINCT * FROM (");
    buffer_append_text(&sql, "SELECT * FROM generate_series(1, 200) AS number LIMIT 100");
    for (int i = 0; i < 100; i++)
        buffer_printf(&sql, " OFFSET 0) AS query_%d", i);
    check_good(estimate(db, buffer_text(&sql), NULL, &rows, &err), &err);
    assert_int_equal(rows, 100);
    buffer_free(&sql);
    db_close(db);
}

static void a_query_that_cannot_be_planned(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    int64_t rows = -1;
    struct error err;

    assert_false(estimate(db, "SELECT missing FROM waybill.container", NULL, &rows, &err));
    check_refusal(&err, ERROR_INTERNAL, "internal error");
    assert_int_equal(rows, -1);
    db_close(db);
}

int main(void)
{
    CHECK_EACH(plans, plan_cases, label);
    CHECK(a_deep_plan);
    CHECK(a_query_that_cannot_be_planned);
    return check_run("db/plan");
}
