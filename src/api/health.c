/*
 * GET /healthz/live shows that the process responds; if it does not, restart it. GET /healthz/ready and /healthz show
 * whether it can work: it needs the database and space for a file. If it is not ready, wait.
 */
#include "api/api.h"
#include "db/query.h"
#include "export/export_file.h"

static void add_string(struct json_object *object, const char *key, const char *text)
{
    json_object_object_add(object, key, json_object_new_string(text));
}

static struct json_object *state(const char *status, bool ready)
{
    struct json_object *answer = json_object_new_object();

    add_string(answer, "status", status);
    json_object_object_add(answer, "live", json_object_new_boolean(true));
    json_object_object_add(answer, "ready", json_object_new_boolean(ready));
    return answer;
}

static bool database_answers(struct api_call *call, struct error *err)
{
    struct db *db = api_take_db(call, err);
    bool answers;

    if (db == NULL)
        return false;
    answers = db_ping(db, err);
    api_give_db(call, db);
    return answers;
}

bool api_live(struct api_call *call, struct error *err)
{
    struct json_object *answer = json_object_new_object();

    (void) err; /* it cannot fail */
    add_string(answer, "status", "live");
    json_object_object_add(answer, "live", json_object_new_boolean(true));
    http_response_json(call->response, 200, answer);
    return true;
}

bool api_ready(struct api_call *call, struct error *err)
{
    struct error files_error = {0};
    bool database = database_answers(call, err);
    bool files = export_file_probe(call->api->config->directory, &files_error);
    struct json_object *answer = state(database && files ? "ready" : "live", database && files);

    add_string(answer, "database", database ? "ok" : "unavailable");
    add_string(answer, "files", files ? "ok" : "unavailable");
    if (database && files) {
        http_response_json(call->response, 200, answer);
        return true;
    }
    if (database)
        *err = files_error;
    http_response_error_with(call->response, err, call->request, answer);
    /* The problem may be temporary. */
    call->response->status = error_info(ERROR_UNAVAILABLE)->http_status;
    if (error_info(err->code)->retry_after == 0)
        http_response_header(call->response, "Retry-After", "%d", error_info(ERROR_UNAVAILABLE)->retry_after);
    return true;
}
