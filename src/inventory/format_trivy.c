/*
 * Reports on images as `trivy image --format json` prints them: an object whose Results have the vulnerabilities of
 * each target (https://trivy.dev/docs/latest/configuration/reporting/#json). Before version 0.20, the report is the
 * array of these targets alone, or null, and does not name the image.
 */
#include <inttypes.h>
#include <string.h>

#include "base/json_path.h"
#include "base/text.h"
#include "inventory/formats.h"

#define MAX_RISKS INT32_MAX

static bool refuse_report(struct loader *loader, struct error *err)
{
    loader->lacks_elements = true;
    return loader->sink->refuse(loader->sink->context, NULL, false, &loader->position, err);
}

/* Finds the number of risks of a severity. *ret_count is NULL if its vulnerabilities count as no risk. */
static bool count_of_severity(struct image_risks *risks, const char *severity, int64_t **ret_count, struct error *err)
{
    const struct {
        const char *severity;
        int64_t *count;
    } counts[] = {
        {"UNKNOWN", NULL}, {"LOW", &risks->low}, {"MEDIUM", &risks->medium}, {"HIGH", &risks->high},
        {"CRITICAL", &risks->fatal},
    };
    char excerpt[TEXT_EXCERPT_SIZE];

    *ret_count = NULL;
    if (severity == NULL || severity[0] == '\0')
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        if (strcmp(counts[i].severity, severity) == 0) {
            *ret_count = counts[i].count;
            return true;
        }
    }
    return error_set(err, ERROR_PARAMETER, "Severity must be UNKNOWN, LOW, MEDIUM, HIGH or CRITICAL, got %s",
                     text_excerpt(excerpt, severity, strlen(severity)));
}

static bool count_vulnerability(struct image_risks *risks, struct json_object *vulnerability, struct error *err)
{
    const char *severity;
    int64_t *count;

    if (!json_object_is_type(vulnerability, json_type_object))
        return json_path_reject("Vulnerabilities", "an array of objects", vulnerability, err);
    if (!json_path_string(vulnerability, "Severity", &severity, err)
        || !count_of_severity(risks, severity, &count, err))
        return false;
    if (count != NULL && ++*count > MAX_RISKS)
        return error_set(err, ERROR_PARAMETER, "a report must have at most %d vulnerabilities of one severity",
                         MAX_RISKS);
    return true;
}

/* Adds the vulnerabilities of a target to those of the report. */
static bool count_target(struct image_risks *risks, struct json_object *target, struct error *err)
{
    struct json_object *list;

    if (!json_object_is_type(target, json_type_object))
        return json_path_reject("a target", "an object", target, err);
    if (!json_path_array(target, "Vulnerabilities", &list, err))
        return false;
    for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++) {
        if (!count_vulnerability(risks, json_object_array_get_idx(list, i), err))
            return false;
    }
    return true;
}

static bool add_name(struct json_object *names, const char *name, const char *path, struct error *err)
{
    if (name == NULL || name[0] == '\0')
        return true;
    if (strlen(name) > IMAGE_NAME_MAX_BYTES)
        return error_set(err, ERROR_PARAMETER, "%s must be at most %d bytes long, got %zu", path, IMAGE_NAME_MAX_BYTES,
                         strlen(name));
    json_object_array_add(names, json_object_new_string(name));
    return true;
}

/* Adds the names of a list. It can have empty ones: images without a tag have "" in RepoTags. */
static bool add_names(struct json_object *names, struct json_object *report, const char *path, struct error *err)
{
    struct json_object *list;

    if (!json_path_array(report, path, &list, err))
        return false;
    for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++) {
        struct json_object *name = json_object_array_get_idx(list, i);

        if (name != NULL && !json_object_is_type(name, json_type_string))
            return json_path_reject(path, "an array of strings", name, err);
        if (!add_name(names, name == NULL ? NULL : json_object_get_string(name), path, err))
            return false;
    }
    return true;
}

/* Collects the names of the image: of the report, unless an option gives it. */
static bool collect_names(const struct loader_options *options, struct json_object *report, struct json_object *names,
                          struct error *err)
{
    const char *type = NULL, *name;
    char excerpt[TEXT_EXCERPT_SIZE];

    if (options->image != NULL) {
        json_object_array_add(names, json_object_new_string(options->image));
        return true;
    }
    if (json_object_is_type(report, json_type_object)
        && (!json_path_string(report, "ArtifactType", &type, err)
            || !json_path_string(report, "ArtifactName", &name, err)
            || !add_name(names, name, "ArtifactName", err)
            || !add_names(names, report, "Metadata.RepoTags", err)
            || !add_names(names, report, "Metadata.RepoDigests", err)))
        return false;
    if (type != NULL && type[0] != '\0' && strcmp(type, "container_image") != 0)
        return error_set(err, ERROR_PARAMETER, "ArtifactType must be container_image without --image, got %s",
                         text_excerpt(excerpt, type, strlen(type)));
    return json_object_array_length(names) > 0
           || error_set(err, ERROR_PARAMETER, "the report does not name its image: --image is required");
}

static bool check_version(struct json_object *report, struct error *err)
{
    int64_t version = 2;

    if (json_object_is_type(report, json_type_object)
        && !json_path_integer(report, "SchemaVersion", version, &version, err))
        return false;
    return version == 2
           || error_set(err, ERROR_PARAMETER, "SchemaVersion must be 2, got %" PRId64, version);
}

/* Passes the risks of the targets before to the sink, under each name of the image. */
static bool load_report(struct loader *loader, struct json_object *report, struct json_object *names,
                        struct error *err)
{
    const struct loader_sink *sink = loader->sink;

    if (!check_version(report, err) || !collect_names(loader->options, report, names, err))
        return refuse_report(loader, err);
    for (size_t i = 0; i < json_object_array_length(names); i++) {
        if (!sink->report(sink->context, json_object_get_string(json_object_array_get_idx(names, i)), &loader->risks,
                          err))
            return false;
    }
    return true;
}

bool trivy_recognizes(struct json_object *value)
{
    return json_path_peek(value, "ArtifactName") != NULL || json_path_peek(value, "Target") != NULL
           || json_object_is_type(json_object_object_get(value, "Results"), json_type_array);
}

/* The elements of the report, its targets, come before the report itself. */
bool trivy_load_item(struct loader *loader, const struct json_item *item, struct json_object *value,
                     struct error *err)
{
    struct json_object *names;
    bool loaded;

    if (item->is_element) {
        if (json_path_peek(value, "ArtifactName") != NULL) {
            error_set(err, ERROR_PARAMETER, "a report must not be an element of an array");
            return refuse_report(loader, err);
        }
        return count_target(&loader->risks, value, err) || refuse_report(loader, err);
    }
    if (loader->lacks_elements)
        return true;
    if (value != NULL && !json_object_is_type(value, json_type_object) && !item->in_array) {
        json_path_reject("a report", "an object or an array", value, err);
        return refuse_report(loader, err);
    }
    if (json_object_is_type(value, json_type_object) && !loader_check_list(loader, value, "Results", err))
        return false;
    names = json_object_new_array();
    loaded = load_report(loader, value, names, err);
    json_object_put(names);
    return loaded;
}
