/*
 * GET /metrics: the Prometheus text format, version 0.0.4. Counters are those of all processes (export/counters.h).
 * Without the database there is nothing to say but that.
 */
#include <inttypes.h>
#include <string.h>

#include "api/api.h"
#include "export/counters.h"

/* The counters, in the order in which they are shown. */
static const struct family {
    const char *name;
    const char *type;
    const char *help;
} families[] = {
    {"waybill_http_requests_total", "counter", "Requests served, by operation and HTTP status."},
    {"waybill_http_request_duration_seconds", "histogram", "How long requests took, waiting for an export included."},
    {"waybill_exports_total", "counter", "Attempts at an export, by how they ended."},
    {"waybill_exported_rows_total", "counter", "Rows in the files of successful exports."},
    {"waybill_exported_bytes_total", "counter", "Bytes in the files of successful exports."},
    {"waybill_database_errors_total", "counter", "Statements and connections that failed, by reason."},
};

/* The counters as they come from the database: sample lines of each family. */
struct samples {
    struct buffer lines[ARRAY_SIZE(families)];
};

static bool is_of(const char *name, const struct family *family)
{
    static const char *const suffixes[] = {"", "_bucket", "_sum", "_count"};
    size_t length = strlen(family->name);
    size_t own = strcspn(name, "{");

    if (strncmp(name, family->name, length) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        if (own == length + strlen(suffixes[i]) && strncmp(name + length, suffixes[i], strlen(suffixes[i])) == 0)
            return true;
    }
    return false;
}

static void take_sample(void *context, const char *name, const char *value)
{
    struct samples *samples = context;

    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        if (is_of(name, &families[i]))
            buffer_printf(&samples->lines[i], "%s %s\n", name, value);
    }
}

static void begin_family(struct buffer *text, const char *name, const char *type, const char *help)
{
    buffer_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_gauges(struct buffer *text, const struct counters_gauges *gauges)
{
    begin_family(text, "waybill_tasks", "gauge", "Tasks in the database, by state.");
    buffer_printf(text, "waybill_tasks{state=\"queued\"} %" PRId64 "\n", gauges->queued);
    buffer_printf(text, "waybill_tasks{state=\"running\"} %" PRId64 "\n", gauges->running);
    buffer_printf(text, "waybill_tasks{state=\"success\"} %" PRId64 "\n", gauges->success);
    buffer_printf(text, "waybill_tasks{state=\"failure\"} %" PRId64 "\n", gauges->failure);
    begin_family(text, "waybill_queue_oldest_seconds", "gauge", "How long the oldest queued task has waited.");
    buffer_printf(text, "waybill_queue_oldest_seconds %.3f\n", gauges->oldest_queued);
    begin_family(text, "waybill_files_bytes", "gauge", "Bytes of all files that can be downloaded.");
    buffer_printf(text, "waybill_files_bytes %" PRId64 "\n", gauges->files_bytes);
}

/* What the database knows; nothing of it if it does not answer. */
static bool add_shared(struct api_call *call, struct buffer *text, struct error *err)
{
    struct db *db = api_take_db(call, err);
    struct samples samples = {0};
    struct counters_gauges gauges;
    bool done;

    if (db == NULL)
        return false;
    done = counters_flush(db, err)
           && counters_read(db, take_sample, &samples, err)
           && counters_read_gauges(db, &gauges, err);
    api_give_db(call, db);
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        if (done && samples.lines[i].length > 0) {
            begin_family(text, families[i].name, families[i].type, families[i].help);
            buffer_append_text(text, buffer_text(&samples.lines[i]));
        }
        buffer_free(&samples.lines[i]);
    }
    if (done)
        add_gauges(text, &gauges);
    return done;
}

bool api_metrics(struct api_call *call, struct error *err)
{
    struct buffer text = {0};
    bool up;

    begin_family(&text, "waybill_build_info", "gauge", "The version, as a label.");
    buffer_append_text(&text, "waybill_build_info{version=\"" WAYBILL_VERSION "\"} 1\n");
    up = add_shared(call, &text, err);
    begin_family(&text, "waybill_database_up", "gauge", "Whether the database answers.");
    buffer_printf(&text, "waybill_database_up %d\n", up ? 1 : 0);
    http_response_text(call->response, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
    return true;
}
