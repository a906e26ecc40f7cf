/* waybill schedule list|show|pause|resume|run|runs|remove: the actions on existing schedules. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/schedule.h"
#include "schedule/run.h"
#include "schedule/schedule.h"

#define PAGE_SIZE 200 /* schedules that are read at a time */

/* The schedule that an action is about, and the values of the action. */
struct schedule_call {
    struct db *db;
    struct task_viewer viewer; /* everything in the project */
    char schedule_id[TEXT_UUID_LENGTH + 1];
    const struct config *config;
    int64_t limit;
};

typedef bool (*schedule_act)(const struct schedule_call *call, struct error *err);

/* Parses --project, NAME, and --limit if there is one, and runs `act` on the schedule of that name. */
static bool with_schedule(const char *command, int argc, char **argv, const struct config *config, bool has_limit,
                          schedule_act act, struct error *err)
{
    struct schedule_call call = {.config = config, .limit = 50};
    const char *name;
    const struct cli_option options[] = {
        {"--project", .parse = cli_parse_project, .target = &call.viewer.project_id, .required = true},
        {"NAME", .text = &name, .required = true},
        {has_limit ? "--limit" : NULL, .integer = &call.limit, .min = 1, .max = 9999999},
        {0},
    };
    bool done;

    if (!cli_parse_options(command, argc, argv, options, err))
        return false;
    call.db = cli_open_service(config, call.viewer.project_id, err);
    if (call.db == NULL)
        return false;
    done = schedule_find_id(call.db, call.viewer.project_id, name, call.schedule_id, err) && act(&call, err);
    db_close(call.db);
    return done;
}

/* Writes a time as ISO 8601, or "" for 0, and returns it. */
static const char *format_instant(char out[CLOCK_ISO8601_SIZE], int64_t instant)
{
    out[0] = '\0';
    if (instant != 0)
        clock_format_iso8601(out, instant);
    return out;
}

static void print_schedule_line(const struct schedule *schedule)
{
    char next[CLOCK_ISO8601_SIZE], last[CLOCK_ISO8601_SIZE];
    const struct schedule_definition *definition = &schedule->definition;
    const char *const values[] = {
        definition->name,
        definition->enabled ? "enabled" : "paused",
        format_instant(next, schedule->next_run_time),
        format_instant(last, schedule->has_last_run ? schedule->last_occurrence_time : 0),
        schedule->has_last_run ? schedule->last_state : "",
        definition->rule,
        definition->time_zone,
        schedule->schedule_id,
    };

    cli_print_line(values, ARRAY_SIZE(values));
}

static bool print_schedules(struct db *db, const struct task_viewer *viewer, struct error *err)
{
    struct schedule_page page;
    size_t count = PAGE_SIZE;

    for (int offset = 0; count == PAGE_SIZE; offset += PAGE_SIZE) {
        if (!schedule_list(db, viewer, PAGE_SIZE, offset, &page, err))
            return false;
        count = page.count;
        for (size_t i = 0; i < count; i++)
            print_schedule_line(&page.schedules[i]);
        schedule_page_free(&page);
    }
    return true;
}

bool cli_schedule_list(int argc, char **argv, const struct config *config, struct error *err)
{
    struct task_viewer viewer = {0};
    const struct cli_option options[] = {
        {"--project", .parse = cli_parse_project, .target = &viewer.project_id, .required = true},
        {0},
    };
    struct db *db;
    bool listed;

    if (!cli_parse_options("schedule list", argc, argv, options, err))
        return false;
    db = cli_open_service(config, viewer.project_id, err);
    if (db == NULL)
        return false;
    puts("NAME\tSTATE\tNEXT RUN\tLAST RUN\tLAST STATE\tRULE\tTIME ZONE\tID");
    listed = print_schedules(db, &viewer, err);
    db_close(db);
    return listed;
}

static void print_time_field(const char *name, int64_t instant)
{
    char text[CLOCK_ISO8601_SIZE];

    cli_print_field(name, format_instant(text, instant));
}

static void print_integer_field(const char *name, int value)
{
    printf("%s: %d\n", name, value);
}

static void print_definition(const struct schedule_definition *definition)
{
    cli_print_field("name", definition->name);
    cli_print_field("rule", definition->rule);
    cli_print_field("time_zone", definition->time_zone);
    print_time_field("start_time", definition->start_time);
    cli_print_field("enabled", definition->enabled ? "true" : "false");
    print_integer_field("keep", definition->keep);
    cli_print_field("enterprise_project_id", definition->enterprise_project_id);
    print_integer_field("export_size", definition->export_size);
    cli_print_field("request", definition->request);
    cli_print_field("notify_url", definition->notify_url == NULL ? "" : definition->notify_url);
}

static bool show_one(const struct schedule_call *call, struct error *err)
{
    struct schedule schedule;

    if (!schedule_find(call->db, &call->viewer, call->schedule_id, &schedule, err))
        return false;
    cli_print_field("schedule_id", schedule.schedule_id);
    cli_print_field("project_id", call->viewer.project_id);
    print_definition(&schedule.definition);
    print_time_field("create_time", schedule.create_time);
    print_time_field("next_run_time", schedule.next_run_time);
    cli_print_field("pause_reason", schedule.pause_reason == NULL ? "" : schedule.pause_reason);
    print_time_field("last_occurrence_time", schedule.has_last_run ? schedule.last_occurrence_time : 0);
    cli_print_field("last_task_id", schedule.has_last_run ? schedule.last_task_id : "");
    cli_print_field("last_task_status", schedule.has_last_run ? schedule.last_state : "");
    schedule_clear(&schedule);
    return true;
}

bool cli_schedule_show(int argc, char **argv, const struct config *config, struct error *err)
{
    return with_schedule("schedule show", argc, argv, config, false, show_one, err);
}

static bool pause_one(const struct schedule_call *call, struct error *err)
{
    return schedule_set_enabled(call->db, &call->viewer, call->schedule_id, false, err);
}

bool cli_schedule_pause(int argc, char **argv, const struct config *config, struct error *err)
{
    return with_schedule("schedule pause", argc, argv, config, false, pause_one, err);
}

static bool resume_one(const struct schedule_call *call, struct error *err)
{
    return schedule_set_enabled(call->db, &call->viewer, call->schedule_id, true, err);
}

bool cli_schedule_resume(int argc, char **argv, const struct config *config, struct error *err)
{
    return with_schedule("schedule resume", argc, argv, config, false, resume_one, err);
}

static bool run_one(const struct schedule_call *call, struct error *err)
{
    char task_id[TEXT_UUID_LENGTH + 1];

    if (!schedule_run_now(call->db, &call->viewer, call->schedule_id, "waybill schedule run",
                          call->config->unfinished_tasks, task_id, err))
        return false;
    puts(task_id);
    return true;
}

bool cli_schedule_run(int argc, char **argv, const struct config *config, struct error *err)
{
    return with_schedule("schedule run", argc, argv, config, false, run_one, err);
}

static void print_run(const struct schedule_run *run)
{
    char occurrence[CLOCK_ISO8601_SIZE];
    const char *const values[] = {
        format_instant(occurrence, run->occurrence_time), run->state, run->task_id, run->reason,
    };

    cli_print_line(values, ARRAY_SIZE(values));
}

static bool list_runs(const struct schedule_call *call, struct error *err)
{
    struct schedule_run_page page;

    if (!schedule_run_list(call->db, &call->viewer, call->schedule_id, (int) call->limit, 0, &page, err))
        return false;
    puts("OCCURRENCE\tSTATE\tTASK\tREASON");
    for (size_t i = 0; i < page.count; i++)
        print_run(&page.runs[i]);
    free(page.runs);
    return true;
}

bool cli_schedule_runs(int argc, char **argv, const struct config *config, struct error *err)
{
    return with_schedule("schedule runs", argc, argv, config, true, list_runs, err);
}

static bool remove_one(const struct schedule_call *call, struct error *err)
{
    return schedule_remove(call->db, &call->viewer, call->schedule_id, call->config->retention_hours, err);
}

bool cli_schedule_remove(int argc, char **argv, const struct config *config, struct error *err)
{
    return with_schedule("schedule remove", argc, argv, config, false, remove_one, err);
}
