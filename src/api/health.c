/*
 * GET /healthz/live shows that the process responds. If there is no response, restart the process. GET /healthz/ready
 * and /healthz show whether it can serve requests, for which it needs the database, a usable inventory and space for a
 * file. If it is not ready, wait.
 */
#include "api/api.h"
#include "base/json.h"
#include "db/query.h"
#include "export/export_file.h"

static struct json_object *readiness_json(const char *status, bool ready)
{
    struct json_object *body = json_object_new_object();

    json_add_text(body, "status", status);
    json_object_object_add(body, "live", json_object_new_boolean(true));
    json_object_object_add(body, "ready", json_object_new_boolean(ready));
    return body;
}

static bool ping_database(struct api_call *call, struct error *err)
{
    struct db *db = api_acquire_db(call, err);
    bool responds;

    if (db == NULL)
        return false;
    responds = db_ping(db, err);
    api_release_db(call, db);
    return responds;
}

bool api_live(struct api_call *call, struct error *err)
{
    struct json_object *body = json_object_new_object();

    (void) err; /* it cannot fail */
    json_add_text(body, "status", "live");
    json_object_object_add(body, "live", json_object_new_boolean(true));
    http_response_json(call->response, 200, body);
    return true;
}

/* Returns the value of the field inventory: a text, or the list of its problems. *ret_usable is whether it has none. */
static struct json_object *inspect_inventory(struct api_call *call, bool database, bool *ret_usable, struct error *err)
{
    struct contract_result result = {0};
    struct json_object *problems;

    *ret_usable = false;
    if (!database && call->api->config->inventory_conninfo[0] == '\0')
        return json_object_new_string("unavailable"); /* it is in that database */
    if (!contract_monitor_ask(call->api->contract, &result, err))
        return json_object_new_string("unavailable");
    *ret_usable = result.count == 0;
    if (*ret_usable)
        return json_object_new_string("ok");

    problems = json_object_new_array();
    for (size_t i = 0; i < result.count; i++)
        json_object_array_add(problems, json_object_new_string(result.problems[i].text));
    contract_free(&result);
    error_set(err, ERROR_CONFIG, "the inventory is not usable; the field inventory lists its problems");
    return problems;
}

bool api_ready(struct api_call *call, struct error *err)
{
    struct error inventory_error = {0}, files_error = {0};
    bool database = ping_database(call, err);
    bool files = export_file_probe(call->api->config->directory, &files_error);
    bool inventory, ready;
    struct json_object *inventory_json = inspect_inventory(call, database, &inventory, &inventory_error);
    struct json_object *body;

    ready = database && inventory && files;
    body = readiness_json(ready ? "ready" : "live", ready);
    json_add_text(body, "database", database ? "ok" : "unavailable");
    json_object_object_add(body, "inventory", inventory_json);
    json_add_text(body, "files", files ? "ok" : "unavailable");
    if (ready) {
        http_response_json(call->response, 200, body);
        return true;
    }
    if (database)
        *err = inventory ? files_error : inventory_error;
    http_response_error_with(call->response, err, call->request, body);
    /* Every error is reported as transient, so that the client retries. */
    call->response->status = error_info(ERROR_UNAVAILABLE)->http_status;
    if (error_info(err->code)->retry_after == 0)
        http_response_header(call->response, "Retry-After", "%d", error_info(ERROR_UNAVAILABLE)->retry_after);
    return true;
}
