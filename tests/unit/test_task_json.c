/* A task as the API shows it: the members that it has in each state. */
#include "export/task_json.h"

#include "check.h"

#define TASK_ID "01234567-89ab-4cde-8f01-23456789abcd"
#define FILE_ID "fedcba98-7654-4321-8abc-0123456789ab"
#define SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

#define NAMES "{\"task_id\":\"" TASK_ID "\",\"task_name\":\"container_1775204100123_export_task\",\"task_status\":"
#define PROGRESS "\"progress\":42,\"exported_rows\":4000000000,\"truncated\":true"

static const struct status_case {
    const char *label;
    enum task_state state;
    const char *json;
} status_cases[] = {
    {"queued", TASK_QUEUED,
     NAMES "\"running\"," PROGRESS ",\"create_time\":1775204100123}"},
    {"running", TASK_RUNNING,
     NAMES "\"running\"," PROGRESS ",\"create_time\":1775204100123}"},
    {"success", TASK_SUCCESS,
     NAMES "\"success\",\"file_id\":\"" FILE_ID "\",\"file_name\":\"container_1775204100123_export.csv\"," PROGRESS
     ",\"file_size\":5000000000,\"sha256\":\"" SHA256 "\",\"create_time\":1775204100123,\"finish_time\":1775204101000,"
     "\"expire_time\":1775808901000}"},
    {"failure", TASK_FAILURE,
     NAMES "\"failure\"," PROGRESS ",\"create_time\":1775204100123,\"finish_time\":1775204101000,"
     "\"error_code\":\"HSS.0041\",\"error_msg\":\"the \\\"export\\\" took\\tlong\"}"},
};

static const struct task all_of_it = {
    .task_id = TASK_ID,
    .progress = 42,
    .exported_rows = 4000000000,
    .truncated = true,
    .create_time = 1775204100123,
    .finish_time = 1775204101000,
    .file_id = FILE_ID,
    .file_size = 5000000000,
    .sha256 = SHA256,
    .expire_time = 1775808901000,
    .error_code = "HSS.0041",
    .error_msg = "the \"export\" took\tlong",
};

/* Callers never see the state `queued`, and a state never shows members of another, even if they are set. */
static void shows(const void *row)
{
    const struct status_case *c = row;
    struct task task = all_of_it;
    struct json_object *value;

    task.state = c->state;
    value = task_status_json(&task);
    assert_string_equal(
        json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), c->json);
    json_object_put(value);
}

/* The file of an expired task is gone, but the task still is a success. */
static void an_expired_task_is_a_success(void)
{
    struct task task = all_of_it;
    struct json_object *value, *status = NULL;

    task.state = TASK_SUCCESS;
    task.expired = true;
    value = task_status_json(&task);
    assert_true(json_object_object_get_ex(value, "task_status", &status));
    assert_string_equal(json_object_get_string(status), "success");
    assert_true(json_object_object_get_ex(value, "file_id", NULL));
    json_object_put(value);
}

static void a_kept_file_has_no_expiry(void)
{
    struct task task = all_of_it;
    struct json_object *value;

    task.state = TASK_SUCCESS;
    task.expire_time = 0;
    value = task_status_json(&task);
    assert_false(json_object_object_get_ex(value, "expire_time", NULL));
    assert_true(json_object_object_get_ex(value, "finish_time", NULL));
    json_object_put(value);
}

int main(void)
{
    CHECK_EACH(shows, status_cases, label);
    CHECK(an_expired_task_is_a_success);
    CHECK(a_kept_file_has_no_expiry);
    return check_run("export/task_json");
}
