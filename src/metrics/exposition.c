#include "metrics/exposition.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "metrics/totals.h"

/* The families, in the order of the text. tests/check-metrics compares the table with the names that src counts. */
static const struct family {
    const char *name;
    const char *type;
    const char *help;
} families[] = {
    {"waybill_build_info", "gauge", "The version of Waybill, as a label."},
    {"waybill_http_requests_total", "counter", "Requests served, by operation and HTTP status."},
    {"waybill_http_request_duration_seconds", "histogram", "Duration of requests, including waits for exports."},
    {"waybill_failed_signins_total", "counter", "Sign-ins that failed, by kind of credentials."},
    {"waybill_exports_total", "counter", "Export attempts, by outcome."},
    {"waybill_exported_rows_total", "counter", "Rows in the files of successful exports."},
    {"waybill_exported_bytes_total", "counter", "Bytes in the files of successful exports."},
    {"waybill_schedule_runs_total", "counter", "Runs of schedules, by outcome."},
    {"waybill_notifications_total", "counter", "Attempts to send a notification, by outcome."},
    {"waybill_keystone_validations_total", "counter", "Tokens that Keystone was asked to validate, by outcome."},
    {"waybill_database_errors_total", "counter", "Failed statements and connection attempts, by reason."},
    {"waybill_tasks", "gauge", "Tasks in the database, by state."},
    {"waybill_queue_oldest_seconds", "gauge", "Age of the oldest queued task."},
    {"waybill_schedule_oldest_due_seconds", "gauge", "Age of the oldest occurrence that is due and has not run."},
    {"waybill_files_bytes", "gauge", "Total size of all files that can be downloaded."},
    {"waybill_database_up", "gauge", "Whether the database responds."},
};

/* The sample lines of each family. */
struct samples {
    struct buffer lines[ARRAY_SIZE(families)];
};

static bool is_sample_of(const struct family *family, const char *name)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    bool histogram = strcmp(family->type, "histogram") == 0;
    size_t length = strlen(family->name);
    size_t own = strcspn(name, "{");

    if (strncmp(name, family->name, length) != 0)
        return false;
    if (!histogram)
        return own == length;
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        if (own == length + strlen(suffixes[i]) && strncmp(name + length, suffixes[i], strlen(suffixes[i])) == 0)
            return true;
    }
    return false;
}

/* Adds a line to the family of the name. Ignores a name that has no family, such as one of a newer version. */
static void add_sample(struct samples *samples, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);

static void add_sample(struct samples *samples, const char *name, const char *format, ...)
{
    va_list arguments;

    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        if (!is_sample_of(&families[i], name))
            continue;
        buffer_printf(&samples->lines[i], "%s ", name);
        va_start(arguments, format);
        buffer_vprintf(&samples->lines[i], format, arguments);
        va_end(arguments);
        buffer_append_text(&samples->lines[i], "\n");
    }
}

static void add_total(void *context, const char *name, const char *value)
{
    add_sample(context, name, "%s", value);
}

static void add_gauges(struct samples *samples, const struct totals_gauges *gauges)
{
    add_sample(samples, "waybill_tasks{state=\"queued\"}", "%" PRId64, gauges->queued);
    add_sample(samples, "waybill_tasks{state=\"running\"}", "%" PRId64, gauges->running);
    add_sample(samples, "waybill_tasks{state=\"success\"}", "%" PRId64, gauges->success);
    add_sample(samples, "waybill_tasks{state=\"failure\"}", "%" PRId64, gauges->failure);
    add_sample(samples, "waybill_queue_oldest_seconds", "%.3f", gauges->oldest_queued);
    add_sample(samples, "waybill_schedule_oldest_due_seconds", "%.3f", gauges->oldest_due);
    add_sample(samples, "waybill_files_bytes", "%" PRId64, gauges->files_bytes);
}

/* Adds the totals of all processes and the gauges. Adds nothing if the database fails. */
static bool add_shared_samples(struct samples *samples, struct db *db)
{
    struct totals_gauges gauges;
    struct error ignored;

    if (db != NULL
        && totals_flush(db, &ignored)
        && totals_read(db, add_total, samples, &ignored)
        && totals_read_gauges(db, &gauges, &ignored)) {
        add_gauges(samples, &gauges);
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        buffer_clear(&samples->lines[i]);
    return false;
}

void exposition_write(struct buffer *text, struct db *db)
{
    struct samples samples = {0};
    bool up = add_shared_samples(&samples, db);

    add_sample(&samples, "waybill_build_info{version=\"" WAYBILL_VERSION "\"}", "1");
    add_sample(&samples, "waybill_database_up", "%d", up ? 1 : 0);
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        const struct family *family = &families[i];

        if (samples.lines[i].length > 0)
            buffer_printf(text, "# HELP %s %s\n# TYPE %s %s\n%s", family->name, family->help, family->name,
                          family->type, buffer_text(&samples.lines[i]));
        buffer_free(&samples.lines[i]);
    }
}
