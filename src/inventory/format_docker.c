/*
 * Containers as `docker inspect` and `podman inspect` print them: an array, or objects. The fields are those of
 * ContainerInspect in the Docker Engine API (https://docs.docker.com/reference/api/engine/). Podman has the same ones,
 * and ImageName and IsInfra besides.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json_path.h"
#include "inventory/formats.h"

#define QUANTITY_SIZE 32

/* A container of a pod has these labels if Kubernetes started it. */
static const char label_pod_name[] = "io.kubernetes.pod.name";
static const char label_container_type[] = "io.kubernetes.docker.type";

/* Without the slash that Docker writes before it. */
static bool fill_docker_name(struct record *record, struct json_object *container, struct error *err)
{
    const char *name;

    if (!json_path_string(container, "Name", &name, err))
        return false;
    if (name != NULL && name[0] == '/')
        name++;
    return record_set_string(record, RECORD_CONTAINER_NAME, name, err);
}

/* The name with which the container was created. The ID of the image is the last resort. */
static bool fill_image(struct record *record, struct json_object *container, struct error *err)
{
    static const char *const paths[] = {"Config.Image", "ImageName", "Image"};
    const char *image = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(paths) && (image == NULL || image[0] == '\0'); i++) {
        if (!json_path_string(container, paths[i], &image, err))
            return false;
    }
    return record_set_string(record, RECORD_IMAGE_NAME, image != NULL && image[0] != '\0' ? image : NULL, err);
}

/* Returns the status in the words of the inventory, or NULL for a status that is not known. */
static const char *status_of(const char *docker_status)
{
    static const struct {
        const char *docker, *status;
    } statuses[] = {
        {"running", "Running"}, {"paused", "Paused"},
        {"created", "Waiting"}, {"restarting", "Waiting"}, {"initialized", "Waiting"},
        {"exited", "Terminated"}, {"dead", "Terminated"}, {"removing", "Terminated"},
        {"stopped", "Terminated"}, {"stopping", "Terminated"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        if (strcmp(statuses[i].docker, docker_status) == 0)
            return statuses[i].status;
    }
    return NULL;
}

/* Docker before 1.9 has no State.Status. */
static bool fill_docker_status(struct record *record, struct json_object *container, struct error *err)
{
    bool is_paused, is_restarting, is_running;
    const char *status;

    if (!json_path_string(container, "State.Status", &status, err)
        || !json_path_boolean(container, "State.Paused", false, &is_paused, err)
        || !json_path_boolean(container, "State.Restarting", false, &is_restarting, err)
        || !json_path_boolean(container, "State.Running", false, &is_running, err))
        return false;
    if (status != NULL && status[0] != '\0')
        status = status_of(status);
    else
        status = is_paused ? "Paused" : is_restarting ? "Waiting" : is_running ? "Running" : "Terminated";
    return record_set_string(record, RECORD_STATUS, status, err);
}

static bool fill_docker_restarts(struct record *record, struct json_object *container, struct error *err)
{
    struct json_object *value;
    int64_t count;

    return json_path_value(container, "RestartCount", &value, err)
           && json_path_integer(container, "RestartCount", 0, &count, err)
           && (value == NULL || record_set_count(record, RECORD_RESTART_COUNT, count, err));
}

static bool fill_created(struct record *record, struct json_object *container, struct error *err)
{
    const char *created;

    return json_path_string(container, "Created", &created, err)
           && record_set_time(record, RECORD_CREATE_TIME, created, err);
}

/* Writes a number of CPUs as Kubernetes does: 2 or 1500m. */
static void print_cpus(char out[QUANTITY_SIZE], int64_t cpus, int64_t millis)
{
    cpus += millis / 1000;
    millis %= 1000;
    if (millis == 0)
        snprintf(out, QUANTITY_SIZE, "%" PRId64, cpus);
    else if (cpus == 0)
        snprintf(out, QUANTITY_SIZE, "%" PRId64 "m", millis);
    else
        snprintf(out, QUANTITY_SIZE, "%" PRId64 "%03" PRId64 "m", cpus, millis);
}

/* `part` of `whole` CPUs. Less than a thousandth of a CPU is rounded up. */
static void print_cpu_share(char out[QUANTITY_SIZE], int64_t part, int64_t whole)
{
    int64_t rest = part % whole;

    print_cpus(out, part / whole, (rest * 1000 + whole - 1) / whole);
}

/* A limit of 0 or less is none. `docker run --cpus` sets NanoCpus; otherwise, a quota per period is the limit. */
static bool fill_cpu_limit(struct record *record, struct json_object *container, char scratch[QUANTITY_SIZE],
                           struct error *err)
{
    const int64_t max_period = 1000000000; /* microseconds; Linux allows one second */
    int64_t nano_cpus, quota, period;

    if (!json_path_integer(container, "HostConfig.NanoCpus", 0, &nano_cpus, err)
        || !json_path_integer(container, "HostConfig.CpuQuota", 0, &quota, err)
        || !json_path_integer(container, "HostConfig.CpuPeriod", 0, &period, err))
        return false;
    if (nano_cpus <= 0 && quota <= 0)
        return true;
    if (period < 0 || period > max_period)
        return error_set(err, ERROR_PARAMETER, "HostConfig.CpuPeriod must be from 0 to %" PRId64 ", got %" PRId64,
                         max_period, period);
    if (nano_cpus > 0)
        print_cpu_share(scratch, nano_cpus, 1000000000);
    else
        print_cpu_share(scratch, quota, period == 0 ? 100000 : period);
    return record_set_string(record, RECORD_CPU_LIMIT, scratch, err);
}

/* The largest unit that is exact. A limit of 0 or less is none. Docker before 1.6 has the limit in Config. */
static bool fill_memory_limit(struct record *record, struct json_object *container, char scratch[QUANTITY_SIZE],
                              struct error *err)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    int64_t memory;
    size_t unit = 0;

    if (!json_path_integer(container, "Config.Memory", 0, &memory, err)
        || !json_path_integer(container, "HostConfig.Memory", memory, &memory, err))
        return false;
    if (memory <= 0)
        return true;
    for (; memory % 1024 == 0; memory /= 1024)
        unit++;
    snprintf(scratch, QUANTITY_SIZE, "%" PRId64 "%s", memory, units[unit]);
    return record_set_string(record, RECORD_MEMORY_LIMIT, scratch, err);
}

/* Which field fills which column. The ID comes first, so that the row of a refused record is known. */
static bool fill_docker_record(struct record *record, const struct loader_options *options,
                               struct json_object *container, struct json_object *labels,
                               char scratch[2][QUANTITY_SIZE], struct error *err)
{
    const char *id;

    return json_path_string(container, "Id", &id, err)
           && record_set_string(record, RECORD_CONTAINER_ID, id, err)
           && fill_docker_name(record, container, err)
           && fill_image(record, container, err)
           && record_set_string(record, RECORD_POD_NAME, json_path_peek(labels, label_pod_name), err)
           && record_set_string(record, RECORD_CLUSTER_NAME, options->cluster_name, err)
           && record_set_string(record, RECORD_CLUSTER_TYPE, options->cluster_type, err)
           && fill_docker_status(record, container, err)
           && fill_docker_restarts(record, container, err)
           && fill_created(record, container, err)
           && fill_cpu_limit(record, container, scratch[0], err)
           && fill_memory_limit(record, container, scratch[1], err)
           && record_check(record, err);
}

/* The container that holds the namespaces of a pod runs no program of its own. */
static bool read_is_sandbox(struct json_object *container, struct json_object *labels, bool *ret_is_sandbox,
                            struct error *err)
{
    const char *type = json_path_peek(labels, label_container_type);
    bool is_infra;

    if (!json_path_boolean(container, "IsInfra", false, &is_infra, err))
        return false;
    *ret_is_sandbox = is_infra || (type != NULL && strcmp(type, "podsandbox") == 0);
    return true;
}

/* Other objects that are inspected, such as images, have an Id but no State. */
bool docker_recognizes(struct json_object *value)
{
    return json_path_peek(value, "Id") != NULL
           && json_object_is_type(json_object_object_get(value, "State"), json_type_object);
}

bool docker_load_item(struct loader *loader, const struct json_item *item, struct json_object *value,
                      struct error *err)
{
    const struct loader_sink *sink = loader->sink;
    char scratch[2][QUANTITY_SIZE];
    struct json_object *state, *labels;
    struct record record;
    bool is_sandbox;

    if (!item->is_element && item->in_array)
        return true;
    record_clear(&record);
    if (!json_object_is_type(value, json_type_object)) {
        json_path_reject("the item", "an object", value, err);
        return loader_refuse(loader, NULL, err);
    }
    if (!json_path_object(value, "State", &state, err)
        || (state == NULL && !error_set(err, ERROR_PARAMETER, "State is required: the item is not a container"))
        || !json_path_object(value, "Config.Labels", &labels, err)
        || !read_is_sandbox(value, labels, &is_sandbox, err))
        return loader_refuse(loader, NULL, err);
    if (is_sandbox) {
        sink->skip(sink->context);
        return true;
    }
    if (!fill_docker_record(&record, loader->options, value, labels, scratch, err))
        return loader_refuse(loader, &record, err);
    return sink->container(sink->context, &record, &loader->position, err);
}
