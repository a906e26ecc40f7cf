#include "inventory/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "db/copy_in.h"
#include "db/query.h"
#include "inventory/load_time.h"
#include "inventory/reports.h"

/* The limit of a key of a btree index is about 2,700 bytes. */
#define MAX_KEY_BYTES 2600

#define STAGING_COLUMNS (RECORD_FIELD_COUNT + 5)
#define POSITION_SIZE 64
#define NUMBER_SIZE 24

/* A load that is running. */
struct load {
    struct db *db;
    const struct load_options *options;
    const char *const *files;
    struct load_summary *summary;
    struct db_copy_in *copy;
    size_t file;  /* number of the file that is being read, from 0 */
    int64_t size; /* of this file; -1: unknown */
    int64_t records; /* number of staged records that were not refused */
    struct json_object *reports; /* see inventory/reports.h */
    bool has_containers;         /* a file is of a format with containers, even if it has none */
};

/* Appends the columns that a load sets, but for container_id, with the prefix of a table. `source` is the last one. */
static void append_columns(struct buffer *sql, const char *prefix, const char *source)
{
    for (size_t field = 0; field < RECORD_FIELD_COUNT; field++) {
        if (field != RECORD_CONTAINER_ID)
            buffer_printf(sql, "%s%s, ", prefix, record_columns[field].name);
    }
    buffer_printf(sql, "%srisks_reported, %s", prefix, source);
}

static struct db_field boolean_field(bool value)
{
    return value ? (struct db_field) {"true", 4} : (struct db_field) {"false", 5};
}

static struct db_field number_field(char out[NUMBER_SIZE], int64_t number)
{
    return (struct db_field) {out, (size_t) snprintf(out, NUMBER_SIZE, "%" PRId64, number)};
}

static bool stage_row(struct load *load, const struct db_field fields[RECORD_FIELD_COUNT],
                      const struct loader_position *position, bool is_refused, struct error *err)
{
    struct db_field row[STAGING_COLUMNS];
    char file[NUMBER_SIZE], item[NUMBER_SIZE], line[NUMBER_SIZE];

    memcpy(row, fields, RECORD_FIELD_COUNT * sizeof(row[0]));
    row[RECORD_FIELD_COUNT] = number_field(file, (int64_t) load->file);
    row[RECORD_FIELD_COUNT + 1] = number_field(item, position->item);
    row[RECORD_FIELD_COUNT + 2] = number_field(line, position->line);
    row[RECORD_FIELD_COUNT + 3] = boolean_field(is_refused);
    row[RECORD_FIELD_COUNT + 4] = boolean_field(false);
    return db_copy_in_row(load->copy, row, STAGING_COLUMNS, err);
}

static void append_position(struct buffer *text, const struct loader_position *position)
{
    buffer_printf(text, "%s: item %" PRId64 " (line %" PRId64 ")", position->file, position->item, position->line);
}

/* Reports the refused record, with the reason in err. Returns whether the load goes on; if not, err has the report. */
static bool report_refused(struct load *load, const struct loader_position *position, struct error *err)
{
    const struct load_options *options = load->options;
    struct buffer text = {0};

    load->summary->refused++;
    append_position(&text, position);
    buffer_printf(&text, ": %s", err->message);
    if (options->skip_refused)
        options->refused(options->context, buffer_text(&text));
    else
        error_set(err, err->code, "%s", buffer_text(&text));
    buffer_free(&text);
    return options->skip_refused;
}

static bool on_refused(void *context, const char *container_id, bool hides_rows,
                       const struct loader_position *position, struct error *err)
{
    struct load *load = context;
    struct db_field fields[RECORD_FIELD_COUNT] = {0};

    if (!report_refused(load, position, err))
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
        fields[RECORD_CLUSTER_CONTAINER] = boolean_field(fields[RECORD_POD_NAME].data != NULL);
    load->records++;
    return stage_row(load, fields, position, false, err);
}

static bool on_report(void *context, const char *image, const struct image_risks *risks, struct error *err)
{
    struct load *load = context;

    (void) err;
    reports_add(load->reports, image, risks);
    return true;
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
        .report = on_report,
        .skip = on_skipped,
        .refuse = on_refused,
        .progress = on_progress,
        .context = load,
    };
    struct input *input = input_open(path, err);
    const struct load_format *format = NULL;
    bool loaded;

    if (input == NULL)
        return false;
    load->size = input_size(input);
    loaded = load_file(input, load->options->format, &load->options->loader, &sink, &format, err);
    input_close(input);
    load->has_containers = load->has_containers || (loaded && (format == NULL || !format->is_reports));
    return loaded;
}

/*
 * Creates the staging table: the columns of a record, in their order, its position, whether it was refused, because the
 * stored row of a refused record stays, and risks_reported.
 */
static bool create_staging(struct db *db, struct error *err)
{
    struct buffer sql = {0};
    bool created;

    buffer_append_text(&sql, "CREATE TEMPORARY TABLE staging AS SELECT ");
    for (size_t field = 0; field < RECORD_FIELD_COUNT; field++)
        buffer_printf(&sql, "%s, ", record_columns[field].name);
    buffer_append_text(&sql, "0 AS file, 0::bigint AS item, 0::bigint AS line, false AS is_refused, risks_reported"
                             " FROM waybill.container WITH NO DATA");
    created = db_execute(db, buffer_text(&sql), 0, NULL, NULL, err);
    buffer_free(&sql);
    return created;
}

/* Copies the records of all files to the staging table, without a lock, so that a slow pipe delays nothing. */
static bool stage_files(struct load *load, size_t count, struct error *err)
{
    bool loaded = true;

    if (!create_staging(load->db, err))
        return false;
    load->copy = db_copy_in_begin(load->db, "pg_temp.staging", err);
    if (load->copy == NULL)
        return false;
    for (load->file = 0; loaded && load->file < count; load->file++)
        loaded = stage_file(load, load->files[load->file], err);
    if (!loaded) {
        db_copy_in_abort(load->copy);
        return false;
    }
    return db_copy_in_end(load->copy, NULL, err)
           && db_execute(load->db, "ANALYZE pg_temp.staging", 0, NULL, NULL, err);
}

static struct loader_position position_of(const struct load *load, const struct db_result *rows, size_t row,
                                          const char *file, const char *item, const char *line)
{
    return (struct loader_position) {
        .file = input_name_of(load->files[db_integer(rows, row, file)]),
        .item = db_integer(rows, row, item),
        .line = db_integer(rows, row, line),
    };
}

/* Refuses a record whose container_id an earlier one has. */
static bool refuse_duplicate(struct load *load, const struct db_result *rows, size_t row, struct error *err)
{
    const struct loader_position position = position_of(load, rows, row, "file", "item", "line");
    const struct loader_position first = position_of(load, rows, row, "first_file", "first_item", "first_line");
    const char *id = db_text(rows, row, "container_id");
    char excerpt[TEXT_EXCERPT_SIZE];
    struct buffer text = {0};

    append_position(&text, &first);
    error_set(err, ERROR_PARAMETER, "container_id %s is already used by %s", text_excerpt(excerpt, id, strlen(id)),
              buffer_text(&text));
    buffer_free(&text);
    load->records--;
    return report_refused(load, &position, err);
}

/* Moves all but the first record of each container_id to a table, with the position of the first. */
static bool remove_duplicates(struct load *load, struct error *err)
{
    static const char find[] =
        "CREATE TEMPORARY TABLE duplicate AS SELECT * FROM ("
        " SELECT container_id, file, item, line, ctid AS place, row_number() OVER same AS number,"
        "  first_value(file) OVER same AS first_file, first_value(item) OVER same AS first_item,"
        "  first_value(line) OVER same AS first_line"
        " FROM pg_temp.staging WHERE NOT is_refused AND container_id IN ("
        "  SELECT container_id FROM pg_temp.staging WHERE NOT is_refused GROUP BY container_id HAVING count(*) > 1)"
        " WINDOW same AS (PARTITION BY container_id ORDER BY file, item, ctid)) AS record"
        " WHERE number > 1";
    static const char remove[] =
        "DELETE FROM pg_temp.staging AS s USING pg_temp.duplicate AS d WHERE s.ctid = d.place";

    return db_execute(load->db, find, 0, NULL, NULL, err) && db_execute(load->db, remove, 0, NULL, NULL, err);
}

/* Refuses the removed records in their order, with few of them in memory. */
static bool refuse_duplicates(struct load *load, struct error *err)
{
    static const char cursor[] =
        "DECLARE refused CURSOR FOR SELECT * FROM pg_temp.duplicate ORDER BY file, item, place";
    bool goes_on = remove_duplicates(load, err) && db_execute(load->db, cursor, 0, NULL, NULL, err);
    size_t count = 1;

    while (goes_on && count > 0) {
        struct db_result *rows = db_query(load->db, DB_ROWS, "FETCH 1000 FROM refused", 0, NULL, err);

        goes_on = rows != NULL;
        count = goes_on ? db_rows(rows) : 0;
        for (size_t i = 0; goes_on && i < count; i++)
            goes_on = refuse_duplicate(load, rows, i, err);
        db_result_free(rows);
    }
    return goes_on;
}

/* Updates the rows that differ. */
static bool update_rows(struct load *load, struct error *err)
{
    const char *const values[] = {load->options->project_id, load->options->source};
    struct buffer sql = {0};
    bool updated;

    buffer_append_text(&sql, "UPDATE waybill.container AS c SET (");
    append_columns(&sql, "", "source");
    buffer_append_text(&sql, ") = ROW(");
    append_columns(&sql, "s.", "$2::text");
    buffer_append_text(&sql, ") FROM pg_temp.staging AS s WHERE c.project_id = $1 AND c.container_id = s.container_id"
                             " AND NOT s.is_refused AND (");
    append_columns(&sql, "c.", "c.source");
    buffer_append_text(&sql, ") IS DISTINCT FROM (");
    append_columns(&sql, "s.", "$2::text");
    buffer_append_text(&sql, ")");
    updated = db_execute(load->db, buffer_text(&sql), ARRAY_SIZE(values), values, &load->summary->changed, err);
    buffer_free(&sql);
    return updated;
}

/* Inserts the new rows in the order in which exports read them. */
static bool insert_rows(struct load *load, struct error *err)
{
    const char *const values[] = {load->options->project_id, load->options->source};
    struct buffer sql = {0};
    bool inserted;

    buffer_append_text(&sql, "INSERT INTO waybill.container (project_id, container_id, ");
    append_columns(&sql, "", "source");
    buffer_append_text(&sql, ") SELECT $1, s.container_id, ");
    append_columns(&sql, "s.", "$2::text");
    buffer_append_text(&sql, " FROM pg_temp.staging AS s WHERE NOT s.is_refused AND NOT EXISTS ("
                             " SELECT FROM waybill.container AS c"
                             " WHERE c.project_id = $1 AND c.container_id = s.container_id)"
                             " ORDER BY s.container_id");
    inserted = db_execute(load->db, buffer_text(&sql), ARRAY_SIZE(values), values, &load->summary->added, err);
    buffer_free(&sql);
    return inserted;
}

static bool merge_rows(struct load *load, struct error *err)
{
    if (!update_rows(load, err) || !insert_rows(load, err))
        return false;
    load->summary->unchanged = load->records - load->summary->added - load->summary->changed;
    return true;
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

static bool store_reports(struct load *load, struct error *err)
{
    return json_object_array_length(load->reports) == 0
           || reports_store(load->db, load->options->project_id, load->reports, err);
}

/* Gives the risks of the reports to the containers that were stored before. */
static bool apply_reports(struct load *load, struct error *err)
{
    int64_t changed = 0;

    if (json_object_array_length(load->reports) > 0
        && !reports_apply(load->db, load->options->project_id, &changed, err))
        return false;
    load->summary->changed += changed;
    return true;
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

static bool lock_project(struct load *load, struct error *err)
{
    struct buffer subject = {0};
    bool locked;

    buffer_printf(&subject, "inventory %s", load->options->project_id);
    locked = db_begin_locked(load->db, db_lock_of(buffer_text(&subject)), err);
    buffer_free(&subject);
    return locked;
}

/*
 * Makes the time of the next statements linear. Without the index, the planner compares each row with each record if it
 * expects few rows, as in a project or a source that is new.
 */
static bool index_staging(struct load *load, struct error *err)
{
    return db_execute(load->db, "CREATE INDEX ON pg_temp.staging (container_id)", 0, NULL, NULL, err);
}

/* Stores the staged records in one transaction. */
static bool store_rows(struct load *load, struct error *err)
{
    bool stored;

    if (!lock_project(load, err))
        return false;
    stored = db_run_script(load->db, "SET LOCAL work_mem = '256MB'", err)
             && refuse_duplicates(load, err)
             && store_reports(load, err)
             && reports_fill_staging(load->db, load->options->project_id, err)
             && index_staging(load, err)
             && merge_rows(load, err)
             && remove_rows(load, err)
             && apply_reports(load, err)
             && load_time_record(load->db, load->options->project_id, err);
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

/*
 * Makes the statistics of the planner current, and removes combinations that are no longer needed. This comes after the
 * transaction, because ANALYZE locks tables that loads of other projects analyze too. A failure delays it until the
 * next load.
 */
static void tidy(struct load *load)
{
    const struct load_summary *summary = load->summary;
    struct error ignored;

    if (summary->added + summary->changed + summary->removed > 0)
        (void) !call_for_project(load, "SELECT waybill.inventory_analyze($1)", &ignored);
    if (summary->changed + summary->removed > 0)
        (void) !call_for_project(load, "SELECT waybill.inventory_tidy($1)", &ignored);
}

/* Removing what the load does not have makes no sense if none of the files can have containers. */
static bool check_replace(const struct load *load, struct error *err)
{
    return !load->options->replace || load->has_containers
           || error_set(err, ERROR_USAGE, "inventory load: --replace needs a file with containers, not only reports");
}

bool load_files(struct db *db, const struct load_options *options, const char *const *files, size_t count,
                struct load_summary *ret_summary, struct error *err)
{
    struct load load = {.db = db, .options = options, .files = files, .summary = ret_summary};
    const struct load_summary nothing = {0};
    bool stored;

    *ret_summary = nothing;
    load.reports = json_object_new_array();
    stored = stage_files(&load, count, err) && check_replace(&load, err) && store_rows(&load, err);
    json_object_put(load.reports);
    if (!stored) {
        ret_summary->added = ret_summary->changed = ret_summary->unchanged = ret_summary->removed = 0;
        return false;
    }
    if (!options->dry_run)
        tidy(&load);
    return true;
}
