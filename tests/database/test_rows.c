/* The rows of the inventory, from a real server to memory, with src/inventory and src/db alone. */
#include "inventory/rows.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../unit/check.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "inventory/rows_csv.h"
#include "server.h"

#define ID_AND_POD "{\"export_headers\":[[\"container_id\",\"ID\"],[\"pod_name\",\"=Pod\"]]}"

static bool append_line(void *context, const struct db_row *row, struct error *err)
{
    struct buffer *lines = context;

    (void) err;
    for (size_t i = 0; i < row->count; i++) {
        const struct db_field *field = &row->fields[i];

        buffer_append_text(lines, i == 0 ? "" : "|");
        if (field->data == NULL)
            buffer_append_text(lines, "NULL");
        else
            buffer_append(lines, field->data, field->length);
    }
    buffer_append_text(lines, "\n");
    return true;
}

static void rows_to_memory(void)
{
    static const char body[] =
        "{\"pod_name\":\"web-*\",\"export_headers\":[[\"container_id\",\"ID\"],[\"risky\",\"Risky\"]]}";
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct inventory_progress progress;
    struct buffer lines = {0};
    const struct inventory_sink sink = {append_line, &lines};
    struct error err;
    struct selection *selection = selection_parse(body, strlen(body), &err);
    const struct inventory_query query = {
        .relation = "waybill.container",
        .project_id = "p1",
        .selection = selection,
    };

    check_good(selection != NULL, &err);
    check_good(inventory_rows(db, &query, &sink, NULL, &progress, &err), &err);
    assert_string_equal(buffer_text(&lines), "c1|true\nc2|NULL\nc4|false\n");
    buffer_free(&lines);
    selection_free(selection);
    db_close(db);
}

/* Every character that a row on the way from the server escapes, and what looks like an escape. */
static void text_of_values(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct inventory_progress progress;
    struct buffer lines = {0};
    const struct inventory_sink sink = {append_line, &lines};
    struct error err;
    struct selection *selection = selection_parse(ID_AND_POD, strlen(ID_AND_POD), &err);
    const struct inventory_query query = {.relation = "texts", .project_id = "p1", .selection = selection};

    check_good(selection != NULL, &err);
    server_run(db, "CREATE TABLE public.texts (project_id text, container_id char(4), pod_name text);"
                   "INSERT INTO public.texts SELECT 'p1', 't' || number, value FROM unnest(ARRAY["
                   "E'\\\\N', E'\\\\', '', NULL,"
                   " E'a\\tb\\\\tc\\t', E'\\b\\f\\n\\r\\t\\x0b\\x01\\x7f', E'\\\\.', E'N\\\\', E'\\\\b\\\\\\\\n'])"
                   " WITH ORDINALITY AS given (value, number)");
    check_good(inventory_rows(db, &query, &sink, NULL, &progress, &err), &err);
    assert_string_equal(buffer_text(&lines), "t1|\\N\nt2|\\\nt3|\nt4|NULL\nt5|a\tb\\tc\t\n"
                                             "t6|\b\f\n\r\t\v\x01\x7f\nt7|\\.\nt8|N\\\nt9|\\b\\\\n\n");
    buffer_free(&lines);
    selection_free(selection);
    db_close(db);
}

/* A query, the connection that it runs on, and all that is seen of it. */
struct reading {
    struct db *db;
    struct selection *selection;
    struct inventory_query query;
    struct inventory_progress progress;
    struct error err;

    int rows;        /* that the sink was offered */
    int refused_row; /* the number of the row that the sink refuses; 0: none */
    int delay_ms;    /* that the sink takes for a row */

    int calls;                      /* of the watcher */
    int refused_call;               /* the number of the call at which it stops the reading; 0: none */
    const char *script;             /* that another connection runs during the first call; NULL: none */
    struct inventory_progress seen; /* at the last call */
};

static void begin(struct reading *reading, const char *relation, const char *body)
{
    *reading = (struct reading) {.db = server_open(SERVER_PATIENT_MS)};
    reading->selection = selection_parse(body, strlen(body), &reading->err);
    check_good(reading->selection != NULL, &reading->err);
    reading->query.relation = relation;
    reading->query.project_id = "p1";
    reading->query.selection = reading->selection;
    memset(&reading->progress, 0x7F, sizeof(reading->progress));
}

static void end(struct reading *reading)
{
    selection_free(reading->selection);
    db_close(reading->db);
}

static bool count_row(void *context, const struct db_row *row, struct error *err)
{
    struct reading *reading = context;
    const struct timespec delay = {.tv_nsec = reading->delay_ms * 1000000L};

    assert_int_equal(row->count, 2);
    nanosleep(&delay, NULL);
    return ++reading->rows != reading->refused_row || error_set(err, ERROR_STORAGE, "the sink is full");
}

static void run_elsewhere(const char *script)
{
    struct db *other = server_open(SERVER_PATIENT_MS);

    server_run(other, script);
    db_close(other);
}

static bool count_call(void *context, const struct inventory_progress *progress, struct error *err)
{
    struct reading *reading = context;

    assert_ptr_equal(progress, &reading->progress);
    assert_int_equal(progress->rows, reading->rows);
    reading->seen = *progress;
    if (++reading->calls == 1 && reading->script != NULL)
        run_elsewhere(reading->script);
    return reading->calls != reading->refused_call || error_set(err, ERROR_CANCELLED, "the watcher stops it");
}

static bool read_rows(struct reading *reading)
{
    const struct inventory_sink sink = {count_row, reading};
    const struct inventory_watcher watcher = {count_call, reading};

    return inventory_rows(reading->db, &reading->query, &sink, &watcher, &reading->progress, &reading->err);
}

/* Fails unless the reading failed like this, after so many rows. */
static void check_stopped(struct reading *reading, enum error_code code, const char *fragment, int rows, bool answered)
{
    check_refusal(&reading->err, code, fragment);
    assert_int_equal(reading->progress.rows, rows);
    assert_int_equal(reading->progress.answered, answered);
    assert_false(reading->progress.truncated);
}

static const struct limit_case {
    const char *label;
    int64_t limit;
    int rows;
    bool truncated;
} limit_cases[] = {
    {"none", 0, 5, false},
    {"1 of 5", 1, 1, true},
    {"4 of 5", 4, 4, true},
    {"5 of 5", 5, 5, false},
    {"6 of 5", 6, 5, false},
    {"the largest", INT64_MAX - 1, 5, false},
};

static void limits(const void *row)
{
    const struct limit_case *c = row;
    struct reading reading;

    begin(&reading, "waybill.container", ID_AND_POD);
    reading.query.limit = c->limit;
    check_good(read_rows(&reading), &reading.err);
    assert_int_equal(reading.rows, c->rows);
    assert_int_equal(reading.progress.rows, c->rows);
    assert_int_equal(reading.progress.truncated, c->truncated);
    assert_true(reading.progress.answered);
    assert_true(db_is_usable(reading.db));
    end(&reading);
}

/* The watcher gets the rows so far, every 250 ms. */
static void progress_of_rows(void)
{
    struct reading reading;
    int64_t started, took;

    begin(&reading, "many", ID_AND_POD);
    reading.query.limit = 190;
    reading.delay_ms = 10;
    started = clock_monotonic_ms();
    check_good(read_rows(&reading), &reading.err);
    took = clock_monotonic_ms() - started;
    assert_int_equal(reading.progress.rows, 190);
    assert_true(reading.progress.truncated);
    assert_in_range(reading.seen.rows, 1, 190);
    assert_true(reading.seen.answered);
    assert_in_range(reading.calls, 4, took / 250);
    end(&reading);
}

static void watcher_stops_rows(void)
{
    struct reading reading;

    begin(&reading, "many", ID_AND_POD);
    reading.delay_ms = 10;
    reading.refused_call = 2;
    assert_false(read_rows(&reading));
    assert_in_range(reading.rows, 2, 199);
    check_stopped(&reading, ERROR_CANCELLED, "the watcher stops it", reading.rows, true);
    assert_false(db_is_usable(reading.db));
    end(&reading);
}

static void watcher_stops_a_silent_query(void)
{
    struct reading reading;
    int64_t started = clock_monotonic_ms();

    begin(&reading, "silent", ID_AND_POD);
    reading.refused_call = 3;
    assert_false(read_rows(&reading));
    check_stopped(&reading, ERROR_CANCELLED, "the watcher stops it", 0, true);
    assert_in_range(clock_monotonic_ms() - started, 3 * 250, SERVER_PATIENT_MS / 2);
    assert_int_equal(reading.rows, 0);
    assert_false(db_is_usable(reading.db));
    end(&reading);
}

static const struct warm_case {
    const char *label;
    bool is_warm;
} warm_cases[] = {{"new", false}, {"used before", true}};

/* The server has not even planned the query, on a connection that has read the same relation before or not. */
static void watcher_stops_a_silent_plan(const void *row)
{
    const struct warm_case *c = row;
    struct db *other = server_open(SERVER_PATIENT_MS);
    struct reading reading;

    begin(&reading, "waybill.container", ID_AND_POD);
    if (c->is_warm)
        check_good(read_rows(&reading), &reading.err);
    server_run(other, "BEGIN; LOCK TABLE waybill.container");
    reading.rows = reading.calls = 0;
    reading.refused_call = 1;
    assert_false(read_rows(&reading));
    check_stopped(&reading, ERROR_CANCELLED, "the watcher stops it", 0, false);
    assert_false(db_is_usable(reading.db));
    end(&reading);
    db_close(other);
}

static void without_a_watcher(void)
{
    struct reading reading;
    const struct inventory_sink sink = {count_row, &reading};

    begin(&reading, "slow", ID_AND_POD);
    check_good(inventory_rows(reading.db, &reading.query, &sink, NULL, &reading.progress, &reading.err), &reading.err);
    assert_int_equal(reading.progress.rows, 5);
    end(&reading);
}

static void sink_refuses_a_row(void)
{
    struct reading reading;

    begin(&reading, "waybill.container", ID_AND_POD);
    reading.refused_row = 3;
    assert_false(read_rows(&reading));
    check_stopped(&reading, ERROR_STORAGE, "the sink is full", 2, true);
    assert_int_equal(reading.rows, 3);
    assert_false(db_is_usable(reading.db));
    end(&reading);
}

#define KILL_OTHERS "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity" \
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"

static void connection_lost_while_idle(const void *row)
{
    const struct warm_case *c = row;
    struct reading reading;

    begin(&reading, "waybill.container", ID_AND_POD);
    if (c->is_warm)
        check_good(read_rows(&reading), &reading.err);
    reading.rows = 0;
    run_elsewhere(KILL_OTHERS);
    assert_false(read_rows(&reading));
    check_stopped(&reading, ERROR_UNAVAILABLE, "", 0, false);
    assert_false(db_is_usable(reading.db));
    end(&reading);
}

static void connection_lost_during_the_query(void)
{
    struct reading reading;

    begin(&reading, "silent", ID_AND_POD);
    reading.script = KILL_OTHERS;
    assert_false(read_rows(&reading));
    check_stopped(&reading, ERROR_UNAVAILABLE, "", 0, true);
    end(&reading);
}

/* The server answers, if only with an error, and the connection can be used again. */
static void no_such_relation(void)
{
    struct reading reading;

    begin(&reading, "waybill.nowhere", ID_AND_POD);
    assert_false(read_rows(&reading));
    check_stopped(&reading, ERROR_CONFIG, "waybill check", 0, true);
    reading.query.relation = "waybill.container";
    check_good(read_rows(&reading), &reading.err);
    assert_int_equal(reading.progress.rows, 5);
    end(&reading);
}

/*
 * What becomes of a relation while a connection keeps reading it. The connection must not rely on what it knew, and not
 * on what it learned from a refusal.
 */
static const struct change_case {
    const char *label;
    const char *change;
    const char *refusal; /* names the column; NULL: none, the change does not matter */
} change_cases[] = {
    {"type", "ALTER TABLE public.changing ALTER pod_name TYPE bytea USING NULL", "pod_name"},
    {"type of an element", "ALTER TABLE public.changing ALTER container_id TYPE text[] USING ARRAY[container_id]",
     "container_id"},
    {"another usable type", "ALTER TABLE public.changing ALTER pod_name TYPE varchar(40)", NULL},
    {"dropped column", "ALTER TABLE public.changing DROP pod_name", "pod_name"},
    {"renamed column", "ALTER TABLE public.changing RENAME pod_name TO pod", "pod_name"},
    {"added column", "ALTER TABLE public.changing ADD note text", NULL},
    {"another column", "ALTER TABLE public.changing ALTER unused TYPE bytea USING NULL", NULL},
    {"dropped relation", "DROP TABLE public.changing", "cannot be read"},
    {"a view in its place", "ALTER TABLE public.changing RENAME TO changed; CREATE VIEW public.changing AS"
     " SELECT project_id, container_id, convert_to(pod_name, 'UTF8') AS pod_name FROM public.changed", "pod_name"},
};

#define MAKE_CHANGING "DROP TABLE IF EXISTS public.changed CASCADE; DROP TABLE IF EXISTS public.changing;" \
    "CREATE TABLE public.changing (project_id text, container_id text, pod_name text, unused text);" \
    "INSERT INTO public.changing VALUES ('p1', 'c1', 'a'), ('p1', 'c2', NULL)"

static void relation_changes(const void *row)
{
    const struct change_case *c = row;
    struct reading reading;

    run_elsewhere(MAKE_CHANGING);
    begin(&reading, "changing", ID_AND_POD);
    check_good(read_rows(&reading), &reading.err);
    check_good(read_rows(&reading), &reading.err);
    run_elsewhere(c->change);
    for (int i = 0; i < 2; i++) {
        reading.rows = 0;
        assert_int_equal(read_rows(&reading), c->refusal == NULL);
        assert_int_equal(reading.progress.rows, c->refusal == NULL ? 2 : 0);
        assert_true(reading.progress.answered);
        if (c->refusal != NULL)
            check_refusal(&reading.err, ERROR_CONFIG, c->refusal);
        assert_true(db_is_usable(reading.db));
    }
    run_elsewhere(MAKE_CHANGING);
    reading.rows = 0;
    check_good(read_rows(&reading), &reading.err);
    assert_int_equal(reading.rows, 2);
    end(&reading);
}

/* More sets of columns than a connection remembers. Each is checked again after a change. */
static void many_sets_of_columns(void)
{
    static const char *const names[] = {"container_name", "image_name", "pod_name", "cluster_name", "cluster_type",
                                        "status", "cpu_limit", "memory_limit", "risky", "create_time", "low_risk"};
    struct db *db = server_open(SERVER_PATIENT_MS);

    run_elsewhere("CREATE TABLE public.wide AS SELECT * FROM waybill.container WHERE project_id = 'p1'");
    for (size_t i = 0; i < 4 * ARRAY_SIZE(names); i++) {
        const char *name = names[i % ARRAY_SIZE(names)];
        struct reading reading;
        char body[128], change[128];

        snprintf(body, sizeof(body), "{\"export_headers\":[[\"container_id\",\"ID\"],[\"%s\",\"x\"]]}", name);
        begin(&reading, "wide", body);
        db_close(reading.db);
        reading.db = db;
        if (i >= 2 * ARRAY_SIZE(names) && i < 3 * ARRAY_SIZE(names)) {
            snprintf(change, sizeof(change), "ALTER TABLE public.wide ALTER %s TYPE bytea USING NULL", name);
            run_elsewhere(change);
        }
        assert_int_equal(read_rows(&reading), i < 2 * ARRAY_SIZE(names));
        if (i >= 2 * ARRAY_SIZE(names))
            check_refusal(&reading.err, ERROR_CONFIG, name);
        selection_free(reading.selection);
    }
    db_close(db);
}

/* An error in the middle of the rows leaves the connection usable too, and what it has sent counts. */
static void a_row_that_cannot_be_read(void)
{
    struct reading reading;

    begin(&reading, "broken", ID_AND_POD);
    reading.query.project_id = "p3";
    reading.query.limit = 20;
    assert_false(read_rows(&reading));
    check_stopped(&reading, ERROR_INTERNAL, "", 5, true);
    assert_true(db_is_usable(reading.db));
    end(&reading);
}

/* Nobody watches the connection before and after. */
static void watcher_is_called_for_rows_alone(void)
{
    static const char *const relations[] = {"waybill.container", "waybill.nowhere"};

    for (size_t i = 0; i < ARRAY_SIZE(relations); i++) {
        struct reading reading;

        begin(&reading, relations[i], ID_AND_POD);
        assert_int_equal(read_rows(&reading), i == 0);
        reading.calls = 0;
        server_run(reading.db, "SELECT pg_sleep(0.6)");
        assert_int_equal(reading.calls, 0);
        end(&reading);
    }
}

/* An output that keeps what it gets, unless it is full. */
struct output {
    struct buffer bytes;
    bool is_full;
};

static bool append_bytes(void *context, const char *data, size_t length, struct error *err)
{
    struct output *output = context;

    if (output->is_full)
        return error_set(err, ERROR_STORAGE, "the output is full");
    buffer_append(&output->bytes, data, length);
    return true;
}

static bool read_csv(struct reading *reading, struct output *output)
{
    const struct csv_options options = {.bom = true, .formula_guard = true, .utc = true};
    const struct csv_output to = {append_bytes, output};
    const struct inventory_watcher watcher = {count_call, reading};

    return inventory_rows_csv(reading->db, &reading->query, &options, &to, &watcher, &reading->progress, &reading->err);
}

#define BOM "\xEF\xBB\xBF"

static const struct csv_case {
    const char *label;
    const char *body;
    int64_t limit;
    int rows;
    const char *file;
} csv_cases[] = {
    {"text", ID_AND_POD, 0, 5,
     BOM "\"ID\",\"'=Pod\"\r\n\"c1\",\"web-1\"\r\n\"c2\",\"web-\"\r\n\"c3\",\r\n\"c4\",\"web-\"\"\xC3\xA9\n\"\r\n"
     "\"c5\",\"'=1+1\"\r\n"},
    {"types", "{\"export_headers\":[[\"low_risk\",\"Low\"],[\"create_time\",\"Time\"],[\"risky\",\"\xC3\x9C\"]]}", 1, 1,
     BOM "\"Low\",\"Time\",\"\xC3\x9C\"\r\n\"-7\",\"2026-04-03T08:15:00.120Z\",\"true\"\r\n"},
    {"no match", "{\"pod_name\":\"none\",\"export_headers\":[[\"container_id\",\"ID\"]]}", 0, 0, BOM "\"ID\"\r\n"},
};

static void rows_as_csv(const void *row)
{
    const struct csv_case *c = row;
    struct output output = {.is_full = false};
    struct reading reading;

    begin(&reading, "waybill.container", c->body);
    reading.query.limit = c->limit;
    check_good(read_csv(&reading, &output), &reading.err);
    assert_string_equal(buffer_text(&output.bytes), c->file);
    assert_int_equal(reading.progress.rows, c->rows);
    assert_int_equal(reading.progress.truncated, c->limit != 0);
    end(&reading);
    buffer_free(&output.bytes);
}

static void output_of_csv_is_full(void)
{
    struct output output = {.is_full = true};
    struct reading reading;

    begin(&reading, "waybill.container", ID_AND_POD);
    assert_false(read_csv(&reading, &output));
    check_stopped(&reading, ERROR_STORAGE, "the output is full", 5, true);
    end(&reading);
}

static void watcher_stops_csv(void)
{
    struct output output = {.is_full = false};
    struct reading reading;

    begin(&reading, "silent", ID_AND_POD);
    reading.refused_call = 1;
    assert_false(read_csv(&reading, &output));
    check_stopped(&reading, ERROR_CANCELLED, "the watcher stops it", 0, true);
    assert_int_equal(output.bytes.length, 0);
    end(&reading);
}

static void fill_database(void)
{
    run_elsewhere("INSERT INTO waybill.container (project_id, container_id, pod_name, risky, low_risk, create_time)"
                  " VALUES ('p1', 'c4', E'web-\"\u00E9\\n', false, NULL, NULL), ('p1', 'c3', NULL, true, NULL, NULL),"
                  " ('p1', 'c5', '=1+1', NULL, 5, NULL), ('p1', 'c2', 'web-', NULL, NULL, NULL),"
                  " ('p1', 'c1', 'web-1', true, -7, '2026-04-03 08:15:00.12Z'), ('p2', 'c0', 'web-0', true, 0, now());"
                  "CREATE TABLE public.many AS SELECT 'p1' AS project_id, 'c' || i AS container_id, 'pod' AS pod_name"
                  " FROM generate_series(1, 200) AS i;"
                  "ANALYZE public.many;"
                  "CREATE VIEW public.silent AS SELECT c.* FROM pg_sleep(60), waybill.container AS c;"
                  "CREATE VIEW public.slow AS SELECT c.* FROM pg_sleep(0.6), waybill.container AS c;"
                  "INSERT INTO waybill.container (project_id, container_id, low_risk)"
                  " SELECT 'p3', 'c' || i, i - 10005 FROM generate_series(10000, 19999) AS i;"
                  "ANALYZE waybill.container;"
                  "CREATE VIEW public.broken AS"
                  " SELECT project_id, container_id, (1 / low_risk)::text AS pod_name FROM waybill.container");
}

int main(void)
{
    CHECK(fill_database);
    CHECK(rows_to_memory);
    CHECK_EACH(limits, limit_cases, label);
    CHECK(progress_of_rows);
    CHECK(watcher_stops_rows);
    CHECK(watcher_stops_a_silent_query);
    CHECK_EACH(watcher_stops_a_silent_plan, warm_cases, label);
    CHECK(without_a_watcher);
    CHECK(sink_refuses_a_row);
    CHECK_EACH(connection_lost_while_idle, warm_cases, label);
    CHECK(connection_lost_during_the_query);
    CHECK(no_such_relation);
    CHECK_EACH(relation_changes, change_cases, label);
    CHECK(many_sets_of_columns);
    CHECK(a_row_that_cannot_be_read);
    CHECK(text_of_values);
    CHECK(watcher_is_called_for_rows_alone);
    CHECK_EACH(rows_as_csv, csv_cases, label);
    CHECK(output_of_csv_is_full);
    CHECK(watcher_stops_csv);
    return check_run("inventory/rows");
}
