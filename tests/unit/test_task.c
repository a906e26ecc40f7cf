/* What export/task.c has that needs no database. */
#include "export/task.h"

#include <string.h>

#include "check.h"

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
    {"0123456789ab4cde8f0123456789abcd"}, {"' OR true --"}, {"../../etc/passwd"}, {"\xE5\xAE\xB9"},
};

/* An id in another form than ours is of no task, and no database is asked: there is none here. */
static void other_ids_are_not_found(const void *row)
{
    const char *id = *(const char *const *) row;
    const struct task_viewer viewer = {.project_id = "p1"};
    char excerpt[TEXT_EXCERPT_SIZE];
    struct task task;
    struct error err;

    text_excerpt(excerpt, id, strlen(id));
    assert_false(task_find(NULL, &viewer, id, &task, &err));
    check_refusal(&err, ERROR_NOT_FOUND, "task_id ");
    check_refusal(&err, ERROR_NOT_FOUND, excerpt);
    assert_false(task_find_by_file(NULL, &viewer, id, &task, &err));
    check_refusal(&err, ERROR_NOT_FOUND, "file_id ");
    check_refusal(&err, ERROR_NOT_FOUND, excerpt);
}

static void freeing_nothing_is_fine(void)
{
    task_claim_free(NULL);
}

int main(void)
{
    CHECK_EACH(names, name_cases, task_name);
    CHECK_EACH(other_ids_are_not_found, no_ids, id);
    CHECK(freeing_nothing_is_fine);
    return check_run("export/task");
}
