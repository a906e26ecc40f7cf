#include "inventory/loader.h"

#include <stdlib.h>

#include "base/memory.h"

/* The ID may lack a NUL at its end. */
bool loader_refuse(struct loader *loader, const struct record *record, struct error *err)
{
    const struct db_field *id = record == NULL ? NULL : &record->fields[RECORD_CONTAINER_ID];
    char *container_id = id == NULL || id->length == 0 ? NULL : memory_copy_bytes(id->data, id->length);
    bool goes_on;

    loader->lacks_elements = true;
    goes_on = loader->sink->refuse(loader->sink->context, container_id, container_id == NULL, &loader->position, err);
    free(container_id);
    return goes_on;
}

bool loader_check_list(const struct loader *loader, struct json_object *text, const char *list, struct error *err)
{
    struct json_object *value = json_object_object_get(text, list);

    if (value == NULL || (json_object_is_type(value, json_type_array) && json_object_array_length(value) == 0))
        return true;
    return error_set(err, ERROR_PARAMETER, "%s: %s must be an array under the name \"%s\"", loader->position.file, list,
                     list);
}
