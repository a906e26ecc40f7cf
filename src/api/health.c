/* GET /healthz: whether this process can do its work. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"

bool api_health(struct api_call *call, struct error *err)
{
    const char *directory = call->api->config->directory;
    struct json_object *answer;
    struct db *db = db_pool_take(call->api->pool, err);
    bool alive;

    if (db == NULL)
        return false;
    alive = db_ping(db, err);
    db_pool_give(call->api->pool, db);
    if (!alive)
        return false;
    if (access(directory, R_OK | W_OK | X_OK) != 0) {
        error_set(err, ERROR_STORAGE, "the directory of the files can't be written");
        return error_detail(err, "%s: %s", directory, strerror(errno));
    }
    answer = json_object_new_object();
    json_object_object_add(answer, "status", json_object_new_string("ok"));
    http_response_json(call->response, 200, answer);
    return true;
}
