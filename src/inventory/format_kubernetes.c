/*
 * Pods as the Kubernetes API returns them: a List or PodList, or Pods. The fields are those of the Pod API
 * (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/).
 */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/json_path.h"
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

/* The states of a container, of which at most one has a value. */
struct container_state {
    const char *path;
    const char *status; /* in the inventory */
    bool has_start;     /* startedAt is the start of the container */
};

static const struct container_state container_states[] = {
    {"state.running", "Running", true},
    {"state.waiting", "Waiting", false},
    {"state.terminated", "Terminated", true},
};

/* A pod that is being loaded. Objects are NULL if they are missing. */
struct pod {
    struct json_object *spec, *status;
    const char *name, *uid, *phase, *creation;
};

/* A container of a pod. */
struct pod_container {
    struct json_object *spec;            /* its element in the list of containers */
    struct json_object *status;          /* its element in the list of states, or NULL */
    const struct container_state *state; /* the state that has a value, or NULL */
    struct json_object *value;           /* of that state, or NULL */
};

static bool read_pod(struct json_object *value, struct pod *pod, struct error *err)
{
    struct json_object *containers = NULL;

    *pod = (struct pod) {0};
    return json_path_object(value, "spec", &pod->spec, err)
           && json_path_object(value, "status", &pod->status, err)
           && json_path_string(value, "metadata.name", &pod->name, err)
           && json_path_string(value, "metadata.uid", &pod->uid, err)
           && json_path_string(value, "metadata.creationTimestamp", &pod->creation, err)
           && json_path_string(value, "status.phase", &pod->phase, err)
           && (pod->name != NULL || error_set(err, ERROR_PARAMETER, "metadata.name is required"))
           && json_path_array(value, "spec.containers", &containers, err)
           && (containers != NULL || error_set(err, ERROR_PARAMETER, "spec.containers is required"));
}

/* Finds the state of the container with this name. Kubernetes does not order them as in the specification. */
static bool find_status(const struct pod *pod, enum container_kind kind, const char *name,
                        struct json_object **ret_status, struct error *err)
{
    struct json_object *statuses;

    *ret_status = NULL;
    if (!json_path_array(pod->status, container_lists[kind].statuses, &statuses, err))
        return false;
    for (size_t i = 0; statuses != NULL && i < json_object_array_length(statuses); i++) {
        struct json_object *status = json_object_array_get_idx(statuses, i);
        const char *status_name;

        if (!json_object_is_type(status, json_type_object))
            return json_path_reject(container_lists[kind].statuses, "an array of objects", status, err);
        if (!json_path_string(status, "name", &status_name, err))
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
    for (size_t i = 0; i < ARRAY_SIZE(container_states) && container->state == NULL; i++) {
        if (!json_path_object(container->status, container_states[i].path, &container->value, err))
            return false;
        if (container->value != NULL)
            container->state = &container_states[i];
    }
    return true;
}

/* The ID of the container without the scheme of its runtime, such as containerd://. Without an ID: UID/NAME. */
static bool fill_container_id(struct record *record, const struct pod *pod, const struct pod_container *container,
                              const char *name, struct buffer *scratch, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];
    const char *id, *scheme;

    if (!json_path_string(container->status, "containerID", &id, err))
        return false;
    scheme = id == NULL ? NULL : strstr(id, "://");
    if (scheme != NULL)
        id = scheme + 3;
    if (id != NULL && id[0] != '\0')
        return record_set_string(record, RECORD_CONTAINER_ID, id, err);
    if (pod->uid == NULL)
        return error_set(err, ERROR_PARAMETER, "container %s has neither a containerID nor a metadata.uid of its pod",
                         text_excerpt(excerpt, name, strlen(name)));
    buffer_clear(scratch);
    buffer_printf(scratch, "%s/%s", pod->uid, name);
    return record_set_text(record, RECORD_CONTAINER_ID, buffer_text(scratch), scratch->length, err);
}

/* The state of the container or, without one, the phase of its pod. */
static bool fill_status(struct record *record, const struct pod *pod, const struct pod_container *container,
                        struct error *err)
{
    static const struct {
        const char *phase;
        const char *status;
    } phases[] = {
        {"Pending", "Waiting"}, {"Running", "Waiting"}, {"Succeeded", "Terminated"}, {"Failed", "Terminated"},
    };

    if (container->state != NULL)
        return record_set_string(record, RECORD_STATUS, container->state->status, err);
    for (size_t i = 0; pod->phase != NULL && i < ARRAY_SIZE(phases); i++) {
        if (strcmp(phases[i].phase, pod->phase) == 0)
            return record_set_string(record, RECORD_STATUS, phases[i].status, err);
    }
    return true;
}

static bool fill_restart_count(struct record *record, const struct pod_container *container, struct error *err)
{
    int64_t count;

    return json_path_integer(container->status, "restartCount", 0, &count, err)
           && record_set_count(record, RECORD_RESTART_COUNT, count, err);
}

/* The start of the container, or the creation of its pod. */
static bool fill_create_time(struct record *record, const struct pod *pod, const struct pod_container *container,
                             struct error *err)
{
    const char *time = NULL;

    if (container->state != NULL && container->state->has_start
        && !json_path_string(container->value, "startedAt", &time, err))
        return false;
    return record_set_time(record, RECORD_CREATE_TIME, time != NULL ? time : pod->creation, err);
}

/* A limit of the status or, if it has none, of the specification. A quantity is a string or a number. */
static bool fill_limit(struct record *record, enum record_field field, const struct pod_container *container,
                       const char *path, struct error *err)
{
    struct json_object *const owners[] = {container->status, container->spec};
    struct json_object *limit = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(owners) && limit == NULL; i++) {
        if (!json_path_value(owners[i], path, &limit, err))
            return false;
    }
    if (limit == NULL)
        return true;
    if (!json_object_is_type(limit, json_type_string) && !json_object_is_type(limit, json_type_int)
        && !json_object_is_type(limit, json_type_double))
        return json_path_reject(path, "a quantity", limit, err);
    return record_set_string(record, field, json_object_get_string(limit), err);
}

/* Which field fills which column. The ID comes first, so that the row of a refused record is known. */
static bool fill_record(struct record *record, const struct loader_options *options, const struct pod *pod,
                        struct pod_container *container, const char *name, struct buffer *scratch, struct error *err)
{
    const char *image;

    return fill_container_id(record, pod, container, name, scratch, err)
           && find_state(container, err)
           && json_path_string(container->spec, "image", &image, err)
           && record_set_string(record, RECORD_CONTAINER_NAME, name, err)
           && record_set_string(record, RECORD_IMAGE_NAME, image, err)
           && record_set_string(record, RECORD_POD_NAME, pod->name, err)
           && record_set_string(record, RECORD_CLUSTER_NAME, options->cluster_name, err)
           && record_set_string(record, RECORD_CLUSTER_TYPE, options->cluster_type, err)
           && fill_status(record, pod, container, err)
           && fill_restart_count(record, container, err)
           && fill_create_time(record, pod, container, err)
           && fill_limit(record, RECORD_CPU_LIMIT, container, "resources.limits.cpu", err)
           && fill_limit(record, RECORD_MEMORY_LIMIT, container, "resources.limits.memory", err);
}

/* An init container with restartPolicy Always is a sidecar, which runs as long as its pod. */
static bool is_wanted(const struct loader_options *options, enum container_kind kind, struct json_object *spec)
{
    const char *policy = json_path_peek(spec, "restartPolicy");

    switch (kind) {
    case CONTAINER_REGULAR:
        return true;
    case CONTAINER_INIT:
        return options->include_init || (policy != NULL && strcmp(policy, "Always") == 0);
    case CONTAINER_EPHEMERAL:
        break;
    }
    return options->include_ephemeral;
}

static bool load_container(struct loader *loader, const struct pod *pod, enum container_kind kind,
                           struct json_object *spec, struct buffer *scratch, struct error *err)
{
    struct pod_container container = {.spec = spec};
    const struct loader_sink *sink = loader->sink;
    const char *name = NULL;
    struct record record;

    record_clear(&record);
    if (!json_object_is_type(spec, json_type_object)) {
        json_path_reject(container_lists[kind].containers, "an array of objects", spec, err);
        return loader_refuse(loader, NULL, err);
    }
    if (!is_wanted(loader->options, kind, spec)) {
        sink->skip(sink->context);
        return true;
    }
    if (!json_path_string(spec, "name", &name, err)
        || ((name == NULL || name[0] == '\0')
            && !error_set(err, ERROR_PARAMETER, "the name of a container is required"))
        || !find_status(pod, kind, name, &container.status, err)
        || !fill_record(&record, loader->options, pod, &container, name, scratch, err)
        || !record_check(&record, err))
        return loader_refuse(loader, &record, err);
    return sink->container(sink->context, &record, &loader->position, err);
}

static bool load_pod(struct loader *loader, const struct pod *pod, struct error *err)
{
    struct buffer scratch = {0};
    bool loaded = true;

    for (size_t kind = 0; loaded && kind < ARRAY_SIZE(container_lists); kind++) {
        struct json_object *list;

        if (!json_path_array(pod->spec, container_lists[kind].containers, &list, err)) {
            loaded = loader_refuse(loader, NULL, err);
            continue;
        }
        for (size_t i = 0; loaded && list != NULL && i < json_object_array_length(list); i++)
            loaded = load_container(loader, pod, (enum container_kind) kind, json_object_array_get_idx(list, i),
                                    &scratch, err);
    }
    buffer_free(&scratch);
    return loaded;
}

/* The items of a PodList have no kind. */
bool kubernetes_recognizes(struct json_object *value)
{
    struct json_object *member;

    if (!json_object_is_type(value, json_type_object))
        return false;
    return json_path_peek(value, "kind") != NULL
           || (json_object_object_get_ex(value, "spec", &member) && json_object_is_type(member, json_type_object)
               && json_object_object_get_ex(value, "metadata", &member));
}

/*
 * Checks the text around items, which were loaded before: it is a list of pods, its items were found, and it is the
 * whole list. Otherwise, a load that replaces a source would remove what the list does not show.
 */
static bool check_pod_list(const struct loader *loader, struct json_object *value, struct error *err)
{
    const char *kind = json_path_peek(value, "kind");
    const char *file = loader->position.file;
    struct json_object *list = NULL;
    char excerpt[TEXT_EXCERPT_SIZE];
    const char *rest;

    if (kind != NULL && strcmp(kind, "List") != 0 && strcmp(kind, "PodList") != 0)
        return error_set(err, ERROR_PARAMETER, "%s: kind must be List, PodList or Pod, got %s", file,
                         text_excerpt(excerpt, kind, strlen(kind)));
    if (!json_object_object_get_ex(value, "items", &list))
        return error_set(err, ERROR_PARAMETER, "%s: the list has no items", file);
    if (!loader_check_list(loader, value, "items", err))
        return false;
    rest = json_path_peek(json_object_object_get(value, "metadata"), "continue");
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
        json_path_reject("the item", "an object", value, err);
        return loader_refuse(loader, NULL, err);
    }
    if (!json_path_string(value, "kind", &kind, err))
        return loader_refuse(loader, NULL, err);
    if (!item->is_element
        && ((kind != NULL && strcmp(kind, "Pod") != 0) || json_object_object_get_ex(value, "items", &list)))
        return check_pod_list(loader, value, err);
    if (kind != NULL && strcmp(kind, "Pod") != 0) {
        error_set(err, ERROR_PARAMETER, "kind must be Pod, got %s", text_excerpt(excerpt, kind, strlen(kind)));
        return loader_refuse(loader, NULL, err);
    }
    if (!read_pod(value, &pod, err))
        return loader_refuse(loader, NULL, err);
    return load_pod(loader, &pod, err);
}
