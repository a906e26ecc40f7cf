/* The parts of the files with a task's SQL that need no database: export/task.c, claim.c and task_admin.c. */
#include "export/task.h"

#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "export/claim.h"
#include "export/task_admin.h"

static const struct name_case {
    const char *task_name, *file_name;
    int64_t create_time;
} name_cases[] = {
    {"container_0_export_task", "container_0_export.csv", 0},
    {"container_1775204100123_export_task", "container_1775204100123_export.csv", 1775204100123},
    {"container_9223372036854775807_export_task", "container_9223372036854775807_export.csv", INT64_MAX},
};

static void names(const void *row)
{
    const struct name_case *c = row;
    const struct task task = {.create_time = c->create_time};
    char name[TASK_NAME_SIZE];

    task_name(&task, name);
    assert_string_equal(name, c->task_name);
    task_file_name(&task, name);
    assert_string_equal(name, c->file_name);
}

static const struct {
    const char *id;
} no_ids[] = {
    {""}, {"test"}, {"0"}, {"01234567-89AB-4CDE-8F01-23456789ABCD"}, {"{01234567-89ab-4cde-8f01-23456789abcd}"},
    {"0123456789ab4cde8f0123456789abcd"}, {"01234567-89ab-4cde-8f01-23456789abcd "},
    {"01234567-89ab-4cde-8f01-23456789abcde"}, {"' OR true --"}, {"../../etc/passwd"}, {"\xE5\xAE\xB9"},
};

/* An id in another form belongs to no task, and the database is not asked: there is none here. */
static void other_ids_are_not_found(const void *row)
{
    const char *id = *(const char *const *) row;
    const struct task_viewer viewer = {.project_id = "p1"};
    char excerpt[TEXT_EXCERPT_SIZE], file_id[TEXT_UUID_LENGTH + 1] = "untouched";
    struct task task;
    struct error err;

    text_excerpt(excerpt, id, strlen(id));
    assert_false(task_find(NULL, &viewer, id, &task, &err));
    check_refusal(&err, ERROR_NOT_FOUND, "task_id: no such task in this project");
    check_refusal(&err, ERROR_NOT_FOUND, excerpt);
    assert_false(task_find_by_file(NULL, &viewer, id, &task, &err));
    check_refusal(&err, ERROR_NOT_FOUND, "file_id: no such file in this project");
    check_refusal(&err, ERROR_NOT_FOUND, excerpt);
    assert_false(task_remove(NULL, &viewer, id, file_id, &err));
    check_refusal(&err, ERROR_NOT_FOUND, "task_id: no such task in this project");
    check_refusal(&err, ERROR_NOT_FOUND, excerpt);
    assert_string_equal(file_id, "untouched");
}

static void see_nothing(const char *name, const char *value)
{
    check_fail("a task that is none has %s %s", name, value);
}

/* The same for the operator's functions. */
static void other_ids_are_no_task_of_an_operator(const void *row)
{
    const char *id = *(const char *const *) row;
    char excerpt[TEXT_EXCERPT_SIZE];
    struct error err;

    text_excerpt(excerpt, id, strlen(id));
    assert_false(task_admin_show(NULL, id, see_nothing, &err));
    check_refusal(&err, ERROR_NOT_FOUND, "there is no task ");
    check_refusal(&err, ERROR_NOT_FOUND, excerpt);
    assert_false(task_admin_cancel(NULL, id, &err));
    check_refusal(&err, ERROR_NOT_FOUND, "there is no unfinished task ");
    check_refusal(&err, ERROR_NOT_FOUND, excerpt);
    assert_false(task_admin_retry(NULL, id, &err));
    check_refusal(&err, ERROR_NOT_FOUND, "there is no failed task ");
    check_refusal(&err, ERROR_NOT_FOUND, excerpt);
}

static void ends_in_success_or_failure(void)
{
    assert_false(task_has_ended(&(struct task) {.state = TASK_QUEUED}));
    assert_false(task_has_ended(&(struct task) {.state = TASK_RUNNING}));
    assert_true(task_has_ended(&(struct task) {.state = TASK_SUCCESS}));
    assert_true(task_has_ended(&(struct task) {.state = TASK_FAILURE}));
}

/* A claim owns all that it points to (the sanitizer finds leaks), and NULL is allowed. */
static void claims_are_freed(void)
{
    struct claim *claim = memory_zeroed(1, sizeof(*claim));

    claim_free(NULL);
    claim_free(claim);
    claim = memory_zeroed(1, sizeof(*claim));
    claim->project_id = memory_copy_text("p");
    claim->enterprise_projects = memory_copy_text("{e}");
    claim->request = memory_copy_text("{}");
    claim->request_id = memory_copy_text("r");
    claim_free(claim);
}

int main(void)
{
    CHECK_EACH(names, name_cases, task_name);
    CHECK_EACH(other_ids_are_not_found, no_ids, id);
    CHECK_EACH(other_ids_are_no_task_of_an_operator, no_ids, id);
    CHECK(ends_in_success_or_failure);
    CHECK(claims_are_freed);
    return check_run("export/task, export/claim, export/task_admin");
}
