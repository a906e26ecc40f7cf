#include "inventory/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "db/copy_in.h"
#include "db/query.h"

/* The limit of a key of a btree index is about 2,700 bytes. */
#define MAX_KEY_BYTES 2600

#define STAGING_POSITION_COLUMNS 2

/* A load that is running. */
struct load {
    struct db *db;
    const struct load_options *options;
    const char *const *files;
    struct load_summary *summary;
    struct db_copy_in *copy;
    int64_t size; /* of the file that is being read; -1: unknown */
    int64_t records;

};

/*
 * The staging table has the columns of a record, its position, and whether it was refused: the stored row of a refused
 * record stays.
 */
static const char staging[] =
    "CREATE TEMPORARY TABLE staging ("
    " container_id text COLLATE \"C\", container_name text COLLATE \"C\", image_name text COLLATE \"C\","
    " pod_name text COLLATE \"C\", cluster_name text COLLATE \"C\", cluster_type text COLLATE \"C\","
    " status text COLLATE \"C\", risky boolean, low_risk integer, medium_risk integer, high_risk integer,"
    " fatal_risk integer, create_time timestamptz(3), restart_count integer, cpu_limit text COLLATE \"C\","
    " memory_limit text COLLATE \"C\", enterprise_project_id text COLLATE \"C\", cluster_container boolean,"
    " position text, is_refused boolean)";

/* The columns of waybill.container that a load sets, and their values in the staging table. */
#define LOADED_COLUMNS \
    "enterprise_project_id, container_name, image_name, pod_name, cluster_name, cluster_type, status," \
    " cluster_container, risky, low_risk, medium_risk, high_risk, fatal_risk, restart_count, create_time, cpu_limit," \
    " memory_limit, source"
#define LOADED_VALUES \
    "s.enterprise_project_id, s.container_name, s.image_name, s.pod_name, s.cluster_name, s.cluster_type, s.status," \
    " s.cluster_container, s.risky, s.low_risk, s.medium_risk, s.high_risk, s.fatal_risk, s.restart_count," \
    " s.create_time, s.cpu_limit, s.memory_limit, $2::text"
#define STORED_VALUES \
    "c.enterprise_project_id, c.container_name, c.image_name, c.pod_name, c.cluster_name, c.cluster_type, c.status," \
    " c.cluster_container, c.risky, c.low_risk, c.medium_risk, c.high_risk, c.fatal_risk, c.restart_count," \
    " c.create_time, c.cpu_limit, c.memory_limit, c.source"

static bool stage_row(struct load *load, const struct db_field fields[RECORD_FIELD_COUNT],
                      const struct loader_position *position, bool is_refused, struct error *err)
{
    struct db_field row[RECORD_FIELD_COUNT + STAGING_POSITION_COLUMNS];
    char text[128];

    memcpy(row, fields, RECORD_FIELD_COUNT * sizeof(row[0]));
    snprintf(text, sizeof(text), "item %" PRId64 " (line %" PRId64 ")", position->item, position->line);
    row[RECORD_FIELD_COUNT] = (struct db_field) {text, strlen(text)};
    row[RECORD_FIELD_COUNT + 1] = is_refused ? (struct db_field) {"true", 4} : (struct db_field) {"false", 5};
    return db_copy_in_row(load->copy, row, RECORD_FIELD_COUNT + STAGING_POSITION_COLUMNS, err);
}

/* Reports a refused record. Returns whether the load goes on. */
static bool report_refused(struct load *load, const char *file, const char *position, const struct error *reason,
                           struct error *err)
{
    const struct load_options *options = load->options;
    struct buffer text = {0};

    load->summary->refused++;
    buffer_printf(&text, "%s: %s: %s", file, position, reason->message);
    if (options->skip_refused)
        options->refused(options->context, buffer_text(&text));
    else
        error_set(err, reason->code, "%s", buffer_text(&text));
    buffer_free(&text);
    return options->skip_refused;
}

static bool on_refused(void *context, const char *container_id, bool hides_rows,
                       const struct loader_position *position, struct error *err)
{
    struct load *load = context;
    struct db_field fields[RECORD_FIELD_COUNT] = {0};
    const struct error reason = *err;
    char text[64];

    snprintf(text, sizeof(text), "item %" PRId64 " (line %" PRId64 ")", position->item, position->line);
    if (!report_refused(load, position->file, text, &reason, err))
        return false;
    load->summary->keeps_rows = load->summary->keeps_rows || hides_rows;
    if (container_id == NULL)
        return true;
    fields[RECORD_CONTAINER_ID] = (struct db_field) {container_id, strlen(container_id)};
    return stage_row(load, fields, position, true, err);
}

static bool on_container(void *context, const struct record *record, const struct loader_position *position,
                         struct error *err)
{
    struct load *load = context;
    const struct db_field *id = &record->fields[RECORD_CONTAINER_ID];
    struct db_field fields[RECORD_FIELD_COUNT];

    load->records++;
    if (id->length + strlen(load->options->project_id) > MAX_KEY_BYTES) {
        error_set(err, ERROR_PARAMETER, "container_id and the ID of the project must have at most %d bytes together",
                  MAX_KEY_BYTES);
        return on_refused(load, NULL, false, position, err);
    }
    memcpy(fields, record->fields, sizeof(fields));
    if (fields[RECORD_ENTERPRISE_PROJECT_ID].data == NULL)
        fields[RECORD_ENTERPRISE_PROJECT_ID] = (struct db_field) {load->options->enterprise_project_id,
                                                                  strlen(load->options->enterprise_project_id)};
    if (fields[RECORD_CLUSTER_CONTAINER].data == NULL)
        fields[RECORD_CLUSTER_CONTAINER] = fields[RECORD_POD_NAME].data != NULL ? (struct db_field) {"true", 4}
                                                                                : (struct db_field) {"false", 5};
    return stage_row(load, fields, position, false, err);
}

static void on_skipped(void *context)
{
    struct load *load = context;

    load->summary->skipped++;
}

static bool on_progress(void *context, int64_t position, struct error *err)
{
    struct load *load = context;

    return load->options->progress(load->options->context, position, load->size, load->records, err);
}

static bool stage_file(struct load *load, const char *path, struct error *err)
{
    const struct loader_sink sink = {
        .container = on_container,
        .skip = on_skipped,
        .refuse = on_refused,
        .progress = on_progress,
        .context = load,
    };
    const struct load_format *format = NULL;
    struct input *input = input_open(path, err);
    bool staged;

    if (input == NULL)
        return false;
    load->size = input_size(input);
    staged = load_file(input, load->options->format, &load->options->loader, &sink, &format, err);
    input_close(input);
    return staged;
}

/* Copies the records of all files to the staging table, without a lock, so that a slow pipe delays nothing. */
static bool stage_files(struct load *load, size_t count, struct error *err)
{
    bool staged = true;

    if (!db_execute(load->db, staging, 0, NULL, NULL, err))
        return false;
    load->copy = db_copy_in_begin(load->db, "pg_temp.staging", err);
    if (load->copy == NULL)
        return false;
    for (size_t i = 0; staged && i < count; i++)
        staged = stage_file(load, load->files[i], err);
    if (!staged) {
        db_copy_in_abort(load->copy);
        return false;
    }
    return db_copy_in_end(load->copy, NULL, err) && db_execute(load->db, "ANALYZE pg_temp.staging", 0, NULL, NULL, err);
}

/* Refuses all but the first record of each container_id. */
static bool refuse_duplicates(struct load *load, struct error *err)
{
    static const char sql[] =
        "DELETE FROM pg_temp.staging AS s USING ("
        " SELECT ctid, container_id, position, first_value(position) OVER same AS first,"
        "  row_number() OVER same AS number"
        " FROM pg_temp.staging WHERE NOT is_refused AND container_id IN ("
        "  SELECT container_id FROM pg_temp.staging WHERE NOT is_refused GROUP BY container_id HAVING count(*) > 1)"
        " WINDOW same AS (PARTITION BY container_id ORDER BY ctid)) AS d"
        " WHERE s.ctid = d.ctid AND d.number > 1"
        " RETURNING d.container_id, d.position, d.first";
    struct db_result *rows = db_query(load->db, DB_ROWS, sql, 0, NULL, err);
    bool goes_on = rows != NULL;

    for (size_t i = 0; goes_on && i < db_rows(rows); i++) {
        struct error reason;
        char excerpt[TEXT_EXCERPT_SIZE];
        const char *id = db_text(rows, i, "container_id");

        error_set(&reason, ERROR_PARAMETER, "container_id %s is already used by %s",
                  text_excerpt(excerpt, id, strlen(id)), db_text(rows, i, "first"));
        goes_on = report_refused(load, "the load", db_text(rows, i, "position"), &reason, err);
    }
    db_result_free(rows);
    return goes_on;
}

/* Updates the rows that differ, inserts the new ones in the order in which exports read them. */
static bool merge_rows(struct load *load, struct error *err)
{
    static const char update[] =
        "UPDATE waybill.container AS c SET (" LOADED_COLUMNS ") = ROW(" LOADED_VALUES ")"
        " FROM pg_temp.staging AS s"
        " WHERE c.project_id = $1 AND c.container_id = s.container_id AND NOT s.is_refused"
        " AND (" STORED_VALUES ") IS DISTINCT FROM (" LOADED_VALUES ")";
    static const char insert[] =
        "INSERT INTO waybill.container (project_id, container_id, " LOADED_COLUMNS ")"
        " SELECT $1, s.container_id, " LOADED_VALUES " FROM pg_temp.staging AS s"
        " WHERE NOT s.is_refused AND NOT EXISTS ("
        "  SELECT FROM waybill.container AS c WHERE c.project_id = $1 AND c.container_id = s.container_id)"
        " ORDER BY s.container_id";
    const char *const values[] = {load->options->project_id, load->options->source};

    return db_execute(load->db, update, ARRAY_SIZE(values), values, &load->summary->changed, err)
           && db_execute(load->db, insert, ARRAY_SIZE(values), values, &load->summary->added, err);
}

/* Removes the rows of the source that the load does not have. */
static bool remove_rows(struct load *load, struct error *err)
{
    static const char sql[] =
        "DELETE FROM waybill.container AS c"
        " WHERE c.project_id = $1 AND c.source = $2 AND c.enterprise_project_id = $3"
        " AND NOT EXISTS (SELECT FROM pg_temp.staging AS s WHERE s.container_id = c.container_id)";
    const struct load_options *options = load->options;
    const char *const values[] = {options->project_id, options->source, options->enterprise_project_id};

    if (!options->replace || load->summary->keeps_rows)
        return true;
    return db_execute(load->db, sql, ARRAY_SIZE(values), values, &load->summary->removed, err);
}

/* Calls a function of the database that takes the project and returns nothing. */
static bool call_for_project(struct load *load, const char *sql, struct error *err)
{
    const char *const values[] = {load->options->project_id};
    struct db_result *row = db_query(load->db, DB_ONE_ROW, sql, ARRAY_SIZE(values), values, err);
    bool called = row != NULL;

    db_result_free(row);
    return called;
}

static bool record_load(struct load *load, struct error *err)
{
    static const char sql[] =
        "INSERT INTO waybill.inventory_load AS l VALUES ($1, now())"
        " ON CONFLICT (project_id) DO UPDATE SET load_time = excluded.load_time";
    const char *const values[] = {load->options->project_id};

    return db_execute(load->db, sql, ARRAY_SIZE(values), values, NULL, err)
           && call_for_project(load, "SELECT waybill.inventory_analyze($1)", err);
}

static bool count_unchanged(struct load *load, struct error *err)
{
    struct db_result *row = db_query(load->db, DB_ONE_ROW,
                                     "SELECT count(*) AS records FROM pg_temp.staging WHERE NOT is_refused", 0, NULL,
                                     err);

    if (row == NULL)
        return false;
    load->summary->unchanged = db_integer(row, 0, "records") - load->summary->added - load->summary->changed;
    db_result_free(row);
    return true;
}

static bool lock_project(struct load *load, struct error *err)
{
    struct buffer subject = {0};
    bool locked;

    buffer_printf(&subject, "inventory %s", load->options->project_id);
    locked = db_begin_locked(load->db, db_lock_of(buffer_text(&subject)), err);
    buffer_free(&subject);
    return locked;
}

/* Stores the staged records in one transaction. */
static bool store_rows(struct load *load, struct error *err)
{
    static const char memory[] = "SET LOCAL work_mem = '256MB'; SET LOCAL gin_pending_list_limit = '64MB'";
    bool stored;

    if (!lock_project(load, err))
        return false;
    stored = db_run_script(load->db, memory, err)
             && refuse_duplicates(load, err)
             && merge_rows(load, err)
             && remove_rows(load, err)
             && count_unchanged(load, err)
             && record_load(load, err);
    if (!stored || load->options->dry_run) {
        db_rollback(load->db);
        return stored;
    }
    if (db_commit(load->db, err))
        return true;
    if (error_is_transient(err))
        error_set(err, err->code, "the answer to the commit was lost: the load may have taken effect; load again");
    return false;
}

/* Removes combinations that are no longer needed. A failure delays this until the next load. */
static void tidy(struct load *load)
{
    struct error ignored;

    (void) !call_for_project(load, "SELECT waybill.inventory_tidy($1)", &ignored);
}

bool load_files(struct db *db, const struct load_options *options, const char *const *files, size_t count,
                struct load_summary *ret_summary, struct error *err)
{
    struct load load = {.db = db, .options = options, .files = files, .summary = ret_summary};
    const struct load_summary nothing = {0};
    bool stored;

    *ret_summary = nothing;
    stored = stage_files(&load, count, err) && store_rows(&load, err);
    if (!stored) {
        ret_summary->added = ret_summary->changed = ret_summary->unchanged = ret_summary->removed = 0;
        return false;
    }
    if (!options->dry_run && ret_summary->changed + ret_summary->removed > 0)
        tidy(&load);
    return true;
}
