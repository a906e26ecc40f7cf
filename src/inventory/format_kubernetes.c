/*
 * Pods as the Kubernetes API returns them: a List or PodList, or Pods. The fields are those of the Pod API
 * (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/).
 */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/text.h"
#include "inventory/formats.h"

/* The lists of containers in the specification of a pod, and of their states in its status. */
enum container_kind {
    CONTAINER_REGULAR,
    CONTAINER_INIT,
    CONTAINER_EPHEMERAL,
};

static const struct {
    const char *containers;
    const char *statuses;
} container_lists[] = {
    [CONTAINER_REGULAR]   = {"containers", "containerStatuses"},
    [CONTAINER_INIT]      = {"initContainers", "initContainerStatuses"},
    [CONTAINER_EPHEMERAL] = {"ephemeralContainers", "ephemeralContainerStatuses"},
};

/* A pod that is being loaded. Objects are NULL if they are missing. */
struct pod {
    struct json_object *metadata, *spec, *status;
    const char *name, *uid, *phase;
    struct json_object *creation;
};

/* A container of a pod. */
struct pod_container {
    enum container_kind kind;
    struct json_object *spec;   /* its element in the list of containers */
    struct json_object *status; /* its element in the list of states, or NULL */
    struct json_object *state;  /* its only state that has a value, or NULL */
    const char *state_name;     /* running, waiting or terminated */
};

/* Sets an error about the type of a field. Returns false. */
static bool reject_type(const char *field, const char *type, struct json_object *got, struct error *err)
{
    return error_set(err, ERROR_PARAMETER, "%s must be %s, got %s", field, type, json_type_of(got));
}

/* Gets a member of the object, which may be NULL. A member that is null or missing is NULL. */
static bool get_member(struct json_object *object, const char *name, enum json_type type, const char *type_name,
                       struct json_object **ret_member, struct error *err)
{
    struct json_object *member = NULL;

    if (object != NULL)
        json_object_object_get_ex(object, name, &member);
    if (member != NULL && !json_object_is_type(member, type))
        return reject_type(name, type_name, member, err);
    *ret_member = member;
    return true;
}

static bool get_object(struct json_object *object, const char *name, struct json_object **ret_member,
                       struct error *err)
{
    return get_member(object, name, json_type_object, "an object", ret_member, err);
}

static bool get_list(struct json_object *object, const char *name, struct json_object **ret_member, struct error *err)
{
    return get_member(object, name, json_type_array, "an array", ret_member, err);
}

static bool get_string(struct json_object *object, const char *name, const char **ret_text, struct error *err)
{
    struct json_object *member = NULL;

    if (!get_member(object, name, json_type_string, "a string", &member, err))
        return false;
    *ret_text = member == NULL ? NULL : json_object_get_string(member);
    return true;
}

/* A text of the JSON value, or NULL, fills a column. */
static bool fill_pod_text(struct record *record, enum record_field field, const char *text, struct error *err)
{
    return record_set_text(record, field, text, text == NULL ? 0 : strlen(text), err);
}

static bool read_pod(struct json_object *value, struct pod *pod, struct error *err)
{
    struct json_object *containers = NULL;

    *pod = (struct pod) {0};
    return get_object(value, "metadata", &pod->metadata, err)
           && get_object(value, "spec", &pod->spec, err)
           && get_object(value, "status", &pod->status, err)
           && get_string(pod->metadata, "name", &pod->name, err)
           && get_string(pod->metadata, "uid", &pod->uid, err)
           && get_string(pod->status, "phase", &pod->phase, err)
           && get_member(pod->metadata, "creationTimestamp", json_type_string, "a string", &pod->creation, err)
           && (pod->name != NULL || error_set(err, ERROR_PARAMETER, "metadata.name is required"))
           && get_list(pod->spec, "containers", &containers, err)
           && (containers != NULL || error_set(err, ERROR_PARAMETER, "spec.containers is required"));
}

/* Finds the state of the container with this name. Kubernetes does not order them as in the specification. */
static bool find_status(const struct pod *pod, enum container_kind kind, const char *name,
                        struct json_object **ret_status, struct error *err)
{
    struct json_object *statuses;

    *ret_status = NULL;
    if (!get_list(pod->status, container_lists[kind].statuses, &statuses, err))
        return false;
    for (size_t i = 0; statuses != NULL && i < json_object_array_length(statuses); i++) {
        struct json_object *status = json_object_array_get_idx(statuses, i);
        const char *status_name;

        if (!json_object_is_type(status, json_type_object))
            return reject_type(container_lists[kind].statuses, "an array of objects", status, err);
        if (!get_string(status, "name", &status_name, err))
            return false;
        if (status_name != NULL && strcmp(status_name, name) == 0) {
            *ret_status = status;
            return true;
        }
    }
    return true;
}

/* Finds which of the states has a value. */
static bool find_state(struct pod_container *container, struct error *err)
{
    static const char *const names[] = {"running", "waiting", "terminated"};
    struct json_object *state;

    if (!get_object(container->status, "state", &state, err))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(names) && container->state == NULL; i++) {
        if (!get_object(state, names[i], &container->state, err))
            return false;
        container->state_name = names[i];
    }
    return true;
}

/* The ID of the container without the scheme of its runtime, such as containerd://. Without an ID: UID/NAME. */
static bool fill_container_id(struct record *record, const struct pod *pod, const struct pod_container *container,
                              const char *name, struct buffer *scratch, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];
    const char *id, *scheme;

    if (!get_string(container->status, "containerID", &id, err))
        return false;
    scheme = id == NULL ? NULL : strstr(id, "://");
    if (scheme != NULL)
        id = scheme + 3;
    if (id != NULL && id[0] != '\0')
        return fill_pod_text(record, RECORD_CONTAINER_ID, id, err);
    if (pod->uid == NULL)
        return error_set(err, ERROR_PARAMETER, "container %s has neither a containerID nor a metadata.uid of its pod",
                         text_excerpt(excerpt, name, strlen(name)));
    buffer_clear(scratch);
    buffer_printf(scratch, "%s/%s", pod->uid, name);
    return record_set_text(record, RECORD_CONTAINER_ID, buffer_text(scratch), scratch->length, err);
}

static bool fill_status(struct record *record, const struct pod *pod, const struct pod_container *container,
                        struct error *err)
{
    static const struct {
        const char *state; /* of the container, or the phase of its pod */
        const char *status;
    } statuses[] = {
        {"running", "Running"}, {"waiting", "Waiting"}, {"terminated", "Terminated"},
        {"Pending", "Waiting"}, {"Running", "Waiting"}, {"Succeeded", "Terminated"}, {"Failed", "Terminated"},
    };
    const char *state = container->state != NULL ? container->state_name : pod->phase;

    for (size_t i = 0; state != NULL && i < ARRAY_SIZE(statuses); i++) {
        if (strcmp(statuses[i].state, state) == 0)
            return fill_pod_text(record, RECORD_STATUS, statuses[i].status, err);
    }
    return true;
}

static bool fill_restart_count(struct record *record, const struct pod_container *container, struct error *err)
{
    struct json_object *count;

    return get_member(container->status, "restartCount", json_type_int, "an integer", &count, err)
           && record_set_count(record, RECORD_RESTART_COUNT, count == NULL ? 0 : json_object_get_int64(count), err);
}

/* The start of the container, or the creation of its pod. */
static bool fill_create_time(struct record *record, const struct pod *pod, const struct pod_container *container,
                             struct error *err)
{
    struct json_object *time = NULL;

    if (container->state != NULL
        && !get_member(container->state, "startedAt", json_type_string, "a string", &time, err))
        return false;
    if (time == NULL)
        time = pod->creation;
    return time == NULL
           || record_set_time(record, RECORD_CREATE_TIME, json_object_get_string(time),
                              (size_t) json_object_get_string_len(time), err);
}

/* A limit of the status or, if it has none, of the specification. A quantity is a string or a number. */
static bool fill_limit(struct record *record, enum record_field field, const struct pod_container *container,
                       const char *resource, struct error *err)
{
    struct json_object *const owners[] = {container->status, container->spec};
    struct json_object *limit = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(owners) && limit == NULL; i++) {
        struct json_object *resources, *limits;

        if (!get_object(owners[i], "resources", &resources, err) || !get_object(resources, "limits", &limits, err))
            return false;
        if (limits != NULL)
            json_object_object_get_ex(limits, resource, &limit);
    }
    if (limit == NULL)
        return true;
    if (!json_object_is_type(limit, json_type_string) && !json_object_is_type(limit, json_type_int)
        && !json_object_is_type(limit, json_type_double))
        return reject_type(resource, "a quantity", limit, err);
    return fill_pod_text(record, field, json_object_get_string(limit), err);
}

/* Which field fills which column. The ID comes first, so that the row of a refused record is known. */
static bool fill_record(struct record *record, const struct loader_options *options, const struct pod *pod,
                        struct pod_container *container, const char *name, struct buffer *scratch, struct error *err)
{
    const char *image;

    record_set_boolean(record, RECORD_CLUSTER_CONTAINER, true);
    return fill_container_id(record, pod, container, name, scratch, err)
           && find_state(container, err)
           && get_string(container->spec, "image", &image, err)
           && fill_pod_text(record, RECORD_CONTAINER_NAME, name, err)
           && fill_pod_text(record, RECORD_IMAGE_NAME, image, err)
           && fill_pod_text(record, RECORD_POD_NAME, pod->name, err)
           && fill_pod_text(record, RECORD_CLUSTER_NAME, options->cluster_name, err)
           && fill_pod_text(record, RECORD_CLUSTER_TYPE, options->cluster_type, err)
           && fill_status(record, pod, container, err)
           && fill_restart_count(record, container, err)
           && fill_create_time(record, pod, container, err)
           && fill_limit(record, RECORD_CPU_LIMIT, container, "cpu", err)
           && fill_limit(record, RECORD_MEMORY_LIMIT, container, "memory", err);
}

/* An init container with restartPolicy Always is a sidecar, which runs as long as its pod. */
static bool is_wanted(const struct loader_options *options, enum container_kind kind, struct json_object *spec)
{
    struct json_object *policy;

    switch (kind) {
    case CONTAINER_REGULAR:
        return true;
    case CONTAINER_INIT:
        return options->include_init
               || (json_object_object_get_ex(spec, "restartPolicy", &policy)
                   && json_object_is_type(policy, json_type_string)
                   && strcmp(json_object_get_string(policy), "Always") == 0);
    case CONTAINER_EPHEMERAL:
        break;
    }
    return options->include_ephemeral;
}

/* Passes a record that cannot be stored to the sink. With its ID, the stored row is known. NULL: there is no record. */
static bool refuse_record(struct loader *loader, const struct record *record, struct error *err)
{
    const char *id = record == NULL ? NULL : record->fields[RECORD_CONTAINER_ID].data;

    return loader->sink->refuse(loader->sink->context, id, id == NULL, &loader->position, err);
}

static bool load_container(struct loader *loader, const struct pod *pod, enum container_kind kind,
                           struct json_object *spec, struct buffer *scratch, struct error *err)
{
    struct pod_container container = {.kind = kind, .spec = spec};
    const struct loader_sink *sink = loader->sink;
    const char *name = NULL;
    struct record record;

    record_clear(&record);
    if (!json_object_is_type(spec, json_type_object)) {
        reject_type(container_lists[kind].containers, "an array of objects", spec, err);
        return refuse_record(loader, NULL, err);
    }
    if (!is_wanted(loader->options, kind, spec)) {
        sink->skip(sink->context);
        return true;
    }
    if (!get_string(spec, "name", &name, err)
        || ((name == NULL || name[0] == '\0')
            && !error_set(err, ERROR_PARAMETER, "the name of a container is required"))
        || !find_status(pod, kind, name, &container.status, err)
        || !fill_record(&record, loader->options, pod, &container, name, scratch, err)
        || !record_check(&record, err))
        return refuse_record(loader, &record, err);
    return sink->container(sink->context, &record, &loader->position, err);
}

static bool load_pod(struct loader *loader, const struct pod *pod, struct error *err)
{
    struct buffer scratch = {0};
    bool loaded = true;

    for (size_t kind = 0; loaded && kind < ARRAY_SIZE(container_lists); kind++) {
        struct json_object *list;

        if (!get_list(pod->spec, container_lists[kind].containers, &list, err)) {
            loaded = refuse_record(loader, NULL, err);
            continue;
        }
        for (size_t i = 0; loaded && list != NULL && i < json_object_array_length(list); i++)
            loaded = load_container(loader, pod, (enum container_kind) kind, json_object_array_get_idx(list, i),
                                    &scratch, err);
    }
    buffer_free(&scratch);
    return loaded;
}

/* Returns the text of a member, or NULL. */
static const char *member_text(struct json_object *object, const char *name)
{
    struct json_object *member;

    if (!json_object_object_get_ex(object, name, &member) || !json_object_is_type(member, json_type_string))
        return NULL;
    return json_object_get_string(member);
}

/* The items of a PodList have no kind. */
bool kubernetes_recognizes(struct json_object *value)
{
    struct json_object *member;

    if (!json_object_is_type(value, json_type_object))
        return false;
    return member_text(value, "kind") != NULL
           || (json_object_object_get_ex(value, "spec", &member) && json_object_is_type(member, json_type_object)
               && json_object_object_get_ex(value, "metadata", &member));
}

/*
 * Checks the text around items, which were loaded before: it is a list of pods, its items were found, and it is the
 * whole list. Otherwise, a load that replaces a source would remove what the list does not show.
 */
static bool check_pod_list(const struct loader *loader, struct json_object *value, struct error *err)
{
    const char *kind = member_text(value, "kind");
    const char *file = loader->position.file;
    struct json_object *list = NULL, *metadata = NULL;
    char excerpt[TEXT_EXCERPT_SIZE];
    const char *rest = NULL;

    if (kind != NULL && strcmp(kind, "List") != 0 && strcmp(kind, "PodList") != 0)
        return error_set(err, ERROR_PARAMETER, "%s: kind must be List, PodList or Pod, got %s", file,
                         text_excerpt(excerpt, kind, strlen(kind)));
    if (!json_object_object_get_ex(value, "items", &list))
        return error_set(err, ERROR_PARAMETER, "%s: the list has no items", file);
    if (list != NULL && (!json_object_is_type(list, json_type_array) || json_object_array_length(list) > 0))
        return error_set(err, ERROR_PARAMETER, "%s: items must be an array under the name \"items\"", file);
    if (json_object_object_get_ex(value, "metadata", &metadata) && json_object_is_type(metadata, json_type_object))
        rest = member_text(metadata, "continue");
    if (rest != NULL && rest[0] != '\0')
        return error_set(err, ERROR_PARAMETER, "%s: the list is one page of a longer list (metadata.continue is set)",
                         file);
    return true;
}

bool kubernetes_load_item(struct loader *loader, const struct json_item *item, struct json_object *value,
                          struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];
    struct json_object *list;
    const char *kind;
    struct pod pod;

    if (!item->is_element && item->in_array)
        return true;
    if (!json_object_is_type(value, json_type_object)) {
        reject_type("the item", "an object", value, err);
        return refuse_record(loader, NULL, err);
    }
    if (!get_string(value, "kind", &kind, err))
        return refuse_record(loader, NULL, err);
    if (!item->is_element
        && ((kind != NULL && strcmp(kind, "Pod") != 0) || json_object_object_get_ex(value, "items", &list)))
        return check_pod_list(loader, value, err);
    if (kind != NULL && strcmp(kind, "Pod") != 0) {
        error_set(err, ERROR_PARAMETER, "kind must be Pod, got %s", text_excerpt(excerpt, kind, strlen(kind)));
        return refuse_record(loader, NULL, err);
    }
    if (!read_pod(value, &pod, err))
        return refuse_record(loader, NULL, err);
    return load_pod(loader, &pod, err);
}
