/* GET /metrics: the metrics of all processes (metrics/exposition.h). It also works without the database. */
#include "api/api.h"
#include "metrics/exposition.h"

bool api_metrics(struct api_call *call, struct error *err)
{
    struct db *db = api_acquire_db(call, err);
    struct buffer text = {0};

    exposition_write(&text, db);
    if (db != NULL)
        api_release_db(call, db);
    http_response_text(call->response, 200, EXPOSITION_MEDIA_TYPE, &text);
    return true;
}
