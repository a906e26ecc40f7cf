/* GET /v5/{project_id}/container/kubernetes: lists the containers of the inventory, page by page. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/json.h"
#include "inventory/load_time.h"
#include "inventory/page.h"
#include "inventory/record.h"

/* The columns of the inventory, in the order of the original API. */
static const enum record_field fields[] = {
    RECORD_CONTAINER_ID, RECORD_CONTAINER_NAME, RECORD_IMAGE_NAME, RECORD_STATUS, RECORD_CREATE_TIME, RECORD_CPU_LIMIT,
    RECORD_MEMORY_LIMIT, RECORD_RESTART_COUNT, RECORD_POD_NAME, RECORD_CLUSTER_NAME, RECORD_CLUSTER_TYPE, RECORD_RISKY,
    RECORD_LOW_RISK, RECORD_MEDIUM_RISK, RECORD_HIGH_RISK, RECORD_FATAL_RISK,
};

/* Returns null for a text that is not an integer: JSON has no infinity. */
static struct json_object *integer_json(const char *text)
{
    char *end;
    int64_t integer = strtoll(text, &end, 10);

    return end == text || *end != '\0' ? NULL : json_object_new_int64(integer);
}

/* Returns the value of a column, which is text or, for NULL, NULL. */
static struct json_object *value_json(enum record_kind kind, const char *text)
{
    if (text == NULL)
        return NULL;
    switch (kind) {
    case RECORD_TEXT:
    case RECORD_CHOICE:
        return json_object_new_string(text);
    case RECORD_BOOLEAN:
        return json_object_new_boolean(strcmp(text, "true") == 0);
    case RECORD_COUNT:
    case RECORD_TIME:
        return integer_json(text);
    }
    return NULL;
}

/* The inventory does not have the ID of a cluster. */
static struct json_object *container_json(const struct db_result *rows, size_t row, const char *region)
{
    struct json_object *container = json_object_new_object();

    json_add_text(container, "id", db_text(rows, row, record_columns[RECORD_CONTAINER_ID].name));
    json_add_text(container, "region_id", region);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const struct record_column *column = &record_columns[fields[i]];

        json_object_object_add(container, column->name, value_json(column->kind, db_text(rows, row, column->name)));
    }
    json_add_text(container, "cluster_id", "");
    return container;
}

static bool read_containers(struct api_call *call, struct inventory_page *ret_page, struct error *err)
{
    const struct config *config = call->api->config;
    char *scope = identity_scope(&call->identity, api_enterprise_project(call));
    const struct inventory_query query = {
        .relation = config->relation,
        .project_id = call->project_id,
        .enterprise_projects = scope,
        .selection = call->selection,
        .limit = call->limit,
    };
    struct db *db = api_acquire_from(call, call->api->inventory, err);
    bool read = db != NULL && inventory_page_read(db, &query, call->offset, config->time_zone, ret_page, err);

    if (db != NULL)
        db_pool_release(call->api->inventory, db);
    free(scope);
    return read;
}

bool api_containers(struct api_call *call, struct error *err)
{
    struct json_object *result, *list;
    struct inventory_page page;

    if (!read_containers(call, &page, err))
        return false;
    list = json_object_new_array();
    for (size_t i = 0; page.rows != NULL && i < db_rows(page.rows); i++)
        json_object_array_add(list, container_json(page.rows, i, call->api->config->region));
    result = json_object_new_object();
    json_object_object_add(result, "total_num", json_object_new_int64(page.total));
    json_object_object_add(result, "last_update_time",
                           page.load_time == LOAD_TIME_NONE ? NULL : json_object_new_int64(page.load_time));
    json_object_object_add(result, "data_list", list);
    inventory_page_free(&page);
    http_response_json(call->response, 200, result);
    return true;
}
