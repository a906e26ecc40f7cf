#include "inventory/loader.h"

bool loader_refuse(struct loader *loader, const struct record *record, struct error *err)
{
    const char *id = record == NULL ? NULL : record->fields[RECORD_CONTAINER_ID].data;

    if (id != NULL && id[0] == '\0')
        id = NULL;
    loader->lacks_elements = true;
    return loader->sink->refuse(loader->sink->context, id, id == NULL, &loader->position, err);
}

bool loader_check_list(const struct loader *loader, struct json_object *text, const char *list, struct error *err)
{
    struct json_object *value = json_object_object_get(text, list);

    if (value == NULL || (json_object_is_type(value, json_type_array) && json_object_array_length(value) == 0))
        return true;
    return error_set(err, ERROR_PARAMETER, "%s: %s must be an array under the name \"%s\"", loader->position.file, list,
                     list);
}
