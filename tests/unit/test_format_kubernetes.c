/* Which columns the fields of a pod fill, which containers are loaded, and what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/text.h"
#include "check.h"
#include "inventory/formats.h"

/* A sink that writes down what it receives, and the last container. */
struct notes {
    struct buffer text; /* one line for each call */
    struct record last;
    char values[RECORD_FIELD_COUNT][64]; /* of the last container */
    bool stops_at_container, stops_at_refusal;
};

static bool note_container(void *context, const struct record *record, const struct loader_position *position,
                           struct error *err)
{
    struct notes *notes = context;

    assert_int_equal(position->item, 7);
    buffer_printf(&notes->text, "%s\n", record->fields[RECORD_CONTAINER_NAME].data);
    notes->last = *record;
    for (size_t i = 0; i < RECORD_FIELD_COUNT; i++)
        snprintf(notes->values[i], sizeof(notes->values[i]), "%.*s", (int) record->fields[i].length,
                 record->fields[i].data == NULL ? "" : record->fields[i].data);
    return !notes->stops_at_container || error_set(err, ERROR_UNAVAILABLE, "the sink is full");
}

static void note_skipped(void *context)
{
    struct notes *notes = context;

    buffer_append_text(&notes->text, "skipped\n");
}

static bool note_refused(void *context, const char *container_id, bool hides_rows,
                         const struct loader_position *position, struct error *err)
{
    struct notes *notes = context;

    assert_int_equal(position->item, 7);
    assert_int_equal(err->code, ERROR_PARAMETER);
    buffer_printf(&notes->text, "%s (id %s%s)\n", err->message, container_id == NULL ? "unknown" : container_id,
                  hides_rows ? ", hides rows" : "");
    return !notes->stops_at_refusal;
}

static struct json_object *parse(const char *text)
{
    static const struct json_rules rules = {.subject = "the item", .max_levels = 100};
    struct json_object *value = NULL;
    struct error err;

    check_good(json_parse(text, strlen(text), &rules, &value, &err), &err);
    return value;
}

static bool load(const char *text, bool is_element, const struct loader_options *options, struct notes *notes,
                 struct error *err)
{
    static const struct loader_options no_options;
    const struct loader_sink sink = {
        .container = note_container, .skip = note_skipped, .refuse = note_refused, .context = notes,
    };
    struct loader loader = {
        .options = options == NULL ? &no_options : options, .sink = &sink, .position = {.file = "pods.json", .item = 7},
    };
    const struct json_item item = {.is_element = is_element, .number = 1, .line = 1};
    struct json_object *value = parse(text);
    bool loaded = kubernetes_load_item(&loader, &item, value, err);

    json_object_put(value);
    return loaded;
}

/* Loads an element of a list, and compares what the sink receives. */
static void check_notes(const char *text, const struct loader_options *options, const char *expected)
{
    struct notes notes = {0};
    struct error err;

    check_good(load(text, true, options, &notes, &err), &err);
    assert_string_equal(buffer_text(&notes.text), expected);
    buffer_free(&notes.text);
}

#define APP "{\"name\":\"app\",\"image\":\"nginx:1\"}"
#define METADATA "\"name\":\"web-1\",\"uid\":\"u-1\",\"creationTimestamp\":\"2026-01-02T03:04:05Z\""
#define STATUS(members) "\"containerStatuses\":[{\"name\":\"app\"," members "}]"
#define STATE(state) STATUS("\"state\":{" state "}")
#define APP_WITH(members) "{\"name\":\"app\"," members "}"
#define LIMITS(limits) "\"resources\":{\"limits\":{" limits "}}"

static const struct column_case {
    const char *label;
    enum record_field field;
    const char *value;     /* NULL: the column is NULL */
    const char *container; /* NULL: APP */
    const char *status;    /* members of the pod's status */
    const char *metadata;  /* members; NULL: METADATA */
} column_cases[] = {
    {"the ID of the runtime", RECORD_CONTAINER_ID, "a1", NULL, STATUS("\"containerID\":\"containerd://a1\""), NULL},
    {"the ID of Docker", RECORD_CONTAINER_ID, "a1", NULL, STATUS("\"containerID\":\"docker://a1\""), NULL},
    {"an ID of any runtime", RECORD_CONTAINER_ID, "b://1", NULL, STATUS("\"containerID\":\"a+b.c://b://1\""), NULL},
    {"an ID without a runtime", RECORD_CONTAINER_ID, "a1", NULL, STATUS("\"containerID\":\"a1\""), NULL},
    {"no status", RECORD_CONTAINER_ID, "u-1/app", NULL, "", NULL},
    {"no ID", RECORD_CONTAINER_ID, "u-1/app", NULL, STATUS("\"ready\":false"), NULL},
    {"an ID that is null", RECORD_CONTAINER_ID, "u-1/app", NULL, STATUS("\"containerID\":null"), NULL},
    {"an empty ID", RECORD_CONTAINER_ID, "u-1/app", NULL, STATUS("\"containerID\":\"\""), NULL},
    {"only a runtime", RECORD_CONTAINER_ID, "u-1/app", NULL, STATUS("\"containerID\":\"docker://\""), NULL},
    {"the status of another container", RECORD_CONTAINER_ID, "u-1/app", NULL,
     "\"containerStatuses\":[{\"name\":\"ap\",\"containerID\":\"docker://1\"},{\"containerID\":\"docker://2\"}]", NULL},
    {"the status of an init container", RECORD_CONTAINER_ID, "u-1/app", NULL,
     "\"initContainerStatuses\":[{\"name\":\"app\",\"containerID\":\"docker://1\"}]", NULL},
    {"a later status", RECORD_CONTAINER_ID, "2", NULL,
     "\"containerStatuses\":[{\"name\":\"b\",\"containerID\":\"docker://1\"},"
     "{\"name\":\"app\",\"containerID\":\"docker://2\"}]", NULL},

    {"a name", RECORD_CONTAINER_NAME, "app", NULL, "", NULL},
    {"the image of the specification", RECORD_IMAGE_NAME, "nginx:1", NULL, STATUS("\"image\":\"sha256:1\""), NULL},
    {"no image", RECORD_IMAGE_NAME, NULL, "{\"name\":\"app\"}", STATUS("\"image\":\"nginx:2\""), NULL},
    {"the name of the pod", RECORD_POD_NAME, "web-1", NULL, "", NULL},
    {"no cluster", RECORD_CLUSTER_NAME, NULL, NULL, "", NULL},
    {"no type of cluster", RECORD_CLUSTER_TYPE, NULL, NULL, "", NULL},
    {"the enterprise project of the load", RECORD_ENTERPRISE_PROJECT_ID, NULL, NULL, "", NULL},
    {"no report", RECORD_RISKY, NULL, NULL, "", NULL},
    {"no low risk", RECORD_LOW_RISK, NULL, NULL, "", NULL},
    {"no medium risk", RECORD_MEDIUM_RISK, NULL, NULL, "", NULL},
    {"no high risk", RECORD_HIGH_RISK, NULL, NULL, "", NULL},
    {"no fatal risk", RECORD_FATAL_RISK, NULL, NULL, "", NULL},

    {"running", RECORD_STATUS, "Running", NULL, STATE("\"running\":{}") ",\"phase\":\"Failed\"", NULL},
    {"waiting", RECORD_STATUS, "Waiting", NULL, STATE("\"waiting\":{}") ",\"phase\":\"Failed\"", NULL},
    {"terminated", RECORD_STATUS, "Terminated", NULL, STATE("\"terminated\":{}") ",\"phase\":\"Running\"", NULL},
    {"states that are null", RECORD_STATUS, "Waiting", NULL,
     STATE("\"running\":null,\"terminated\":null,\"waiting\":{}") ",\"phase\":\"Failed\"", NULL},
    {"only states that are null", RECORD_STATUS, "Terminated", NULL,
     STATE("\"running\":null") ",\"phase\":\"Failed\"", NULL},
    {"an empty state", RECORD_STATUS, "Waiting", NULL, STATE("") ",\"phase\":\"Running\"", NULL},
    {"another state", RECORD_STATUS, "Waiting", NULL, STATE("\"paused\":{}") ",\"phase\":\"Running\"", NULL},
    {"the last state", RECORD_STATUS, "Waiting", NULL,
     STATUS("\"lastState\":{\"terminated\":{}}") ",\"phase\":\"Running\"", NULL},
    {"phase Pending", RECORD_STATUS, "Waiting", NULL, "\"phase\":\"Pending\"", NULL},
    {"phase Running", RECORD_STATUS, "Waiting", NULL, "\"phase\":\"Running\"", NULL},
    {"phase Succeeded", RECORD_STATUS, "Terminated", NULL, "\"phase\":\"Succeeded\"", NULL},
    {"phase Failed", RECORD_STATUS, "Terminated", NULL, "\"phase\":\"Failed\"", NULL},
    {"phase Unknown", RECORD_STATUS, NULL, NULL, "\"phase\":\"Unknown\"", NULL},
    {"a phase like a state", RECORD_STATUS, NULL, NULL, "\"phase\":\"running\"", NULL},
    {"no phase", RECORD_STATUS, NULL, NULL, "", NULL},

    {"restarts", RECORD_RESTART_COUNT, "12", NULL, STATUS("\"restartCount\":12"), NULL},
    {"the most restarts", RECORD_RESTART_COUNT, "2147483647", NULL, STATUS("\"restartCount\":2147483647"), NULL},
    {"no number of restarts", RECORD_RESTART_COUNT, "0", NULL, STATUS("\"ready\":true"), NULL},
    {"restarts without a status", RECORD_RESTART_COUNT, "0", NULL, "", NULL},

    {"the start of a running one", RECORD_CREATE_TIME, "2026-02-03 04:05:06Z", NULL,
     STATE("\"running\":{\"startedAt\":\"2026-02-03T04:05:06Z\"}"), NULL},
    {"the start of a terminated one", RECORD_CREATE_TIME, "2026-02-03 04:05:06.123+02:00", NULL,
     STATE("\"terminated\":{\"startedAt\":\"2026-02-03T04:05:06.123999+02:00\"}"), NULL},
    {"a waiting one", RECORD_CREATE_TIME, "2026-01-02 03:04:05Z", NULL,
     STATE("\"waiting\":{\"startedAt\":\"2026-02-03T04:05:06Z\"}"), NULL},
    {"a start that is null", RECORD_CREATE_TIME, "2026-01-02 03:04:05Z", NULL,
     STATE("\"terminated\":{\"startedAt\":null}"), NULL},
    {"no state", RECORD_CREATE_TIME, "2026-01-02 03:04:05Z", NULL, "", NULL},
    {"no time", RECORD_CREATE_TIME, NULL, NULL, "", "\"name\":\"web-1\",\"uid\":\"u-1\""},
    {"no time of a static pod", RECORD_CREATE_TIME, NULL, NULL, "",
     "\"name\":\"web-1\",\"uid\":\"u-1\",\"creationTimestamp\":null"},

    {"a limit", RECORD_CPU_LIMIT, "1500m", APP_WITH(LIMITS("\"cpu\":\"1500m\"")), "", NULL},
    {"the limit in force", RECORD_CPU_LIMIT, "1", APP_WITH(LIMITS("\"cpu\":\"2\"")),
     STATUS(LIMITS("\"cpu\":\"1\"")), NULL},
    {"only another limit in force", RECORD_CPU_LIMIT, "2", APP_WITH(LIMITS("\"cpu\":\"2\"")),
     STATUS(LIMITS("\"memory\":\"1Gi\"")), NULL},
    {"no limits in force", RECORD_CPU_LIMIT, "2", APP_WITH(LIMITS("\"cpu\":\"2\"")), STATUS("\"resources\":{}"), NULL},
    {"a limit that is null", RECORD_CPU_LIMIT, "2", APP_WITH(LIMITS("\"cpu\":\"2\"")),
     STATUS(LIMITS("\"cpu\":null")), NULL},
    {"only a request", RECORD_CPU_LIMIT, NULL, APP_WITH("\"resources\":{\"requests\":{\"cpu\":\"1\"}}"), "", NULL},
    {"an integer", RECORD_CPU_LIMIT, "2", APP_WITH(LIMITS("\"cpu\":2")), "", NULL},
    {"a number as it is written", RECORD_CPU_LIMIT, "0.50", APP_WITH(LIMITS("\"cpu\":0.50")), "", NULL},
    {"memory", RECORD_MEMORY_LIMIT, "300 Mi", APP_WITH(LIMITS("\"memory\":\"300 Mi\",\"cpu\":\"1\"")), "", NULL},
    {"memory in force", RECORD_MEMORY_LIMIT, "1Gi", APP_WITH(LIMITS("\"memory\":\"2Gi\"")),
     STATUS(LIMITS("\"memory\":\"1Gi\"")), NULL},
    {"a large number", RECORD_MEMORY_LIMIT, "1e9", APP_WITH(LIMITS("\"memory\":1e9")), "", NULL},
    {"no memory", RECORD_MEMORY_LIMIT, NULL, APP_WITH(LIMITS("\"cpu\":\"1\"")), "", NULL},
    {"resources that are null", RECORD_MEMORY_LIMIT, NULL, APP_WITH("\"resources\":null"), "", NULL},
};

static void columns(const void *row)
{
    const struct column_case *c = row;
    struct buffer text = {0};
    struct notes notes = {0};
    struct error err;

    buffer_printf(&text, "{\"metadata\":{%s},\"spec\":{\"containers\":[%s]},\"status\":{%s}}",
                  c->metadata == NULL ? METADATA : c->metadata, c->container == NULL ? APP : c->container, c->status);
    check_good(load(buffer_text(&text), true, NULL, &notes, &err), &err);
    assert_string_equal(buffer_text(&notes.text), "app\n");
    if (c->value == NULL)
        assert_null(notes.last.fields[c->field].data);
    else
        assert_string_equal(notes.values[c->field], c->value);
    buffer_free(&notes.text);
    buffer_free(&text);
}

#define POD(more) "{\"metadata\":{" METADATA "},\"spec\":{\"containers\":[" APP "]" more "}}"

static void the_cluster(void)
{
    const struct loader_options options = {.cluster_name = "prod", .cluster_type = "k8s"};
    struct notes notes = {0};
    struct error err;

    check_good(load(POD(""), true, &options, &notes, &err), &err);
    assert_string_equal(notes.values[RECORD_CLUSTER_NAME], "prod");
    assert_string_equal(notes.values[RECORD_CLUSTER_TYPE], "k8s");
    buffer_free(&notes.text);
}

#define KINDS ",\"initContainers\":[{\"name\":\"init\"},{\"name\":\"side\",\"restartPolicy\":\"Always\"}," \
    "{\"name\":\"once\",\"restartPolicy\":\"Never\"},{\"name\":\"odd\",\"restartPolicy\":null}]," \
    "\"ephemeralContainers\":[{\"name\":\"debug\",\"restartPolicy\":\"Always\"}]"

static const struct kinds_case {
    const char *label;
    struct loader_options options;
    const char *notes;
} kinds_cases[] = {
    {"no option", {0}, "app\nskipped\nside\nskipped\nskipped\nskipped\n"},
    {"init", {.include_init = true}, "app\ninit\nside\nonce\nodd\nskipped\n"},
    {"ephemeral", {.include_ephemeral = true}, "app\nskipped\nside\nskipped\nskipped\ndebug\n"},
    {"both", {.include_init = true, .include_ephemeral = true}, "app\ninit\nside\nonce\nodd\ndebug\n"},
};

static void kinds_of_containers(const void *row)
{
    const struct kinds_case *c = row;

    check_notes(POD(KINDS), &c->options, c->notes);
}

#define HIDES " (id unknown, hides rows)\n"
#define KEEPS " (id u-1/app)\n"
#define POD_OF(metadata, spec, status) \
    "{\"metadata\":{" metadata "},\"spec\":{" spec "},\"status\":{" status "}}"
#define BAD_APP(members) POD_OF(METADATA, "\"containers\":[{\"name\":\"app\"," members "}]", "")
#define BAD_STATUS(status) POD_OF(METADATA, "\"containers\":[" APP "]", status)

static const struct refused_case {
    const char *label;
    const char *item;
    const char *notes;
} refused_cases[] = {
    {"null", "null", "the item must be an object, got null" HIDES},
    {"a text", "\"a\"", "the item must be an object, got a string" HIDES},
    {"a kind that is no text", "{\"kind\":1}", "kind must be a string, got an integer" HIDES},
    {"another kind", "{\"kind\":\"Service\"}", "kind must be Pod, got \"Service\"" HIDES},
    {"a list in a list", "{\"kind\":\"List\",\"items\":[]}", "kind must be Pod, got \"List\"" HIDES},
    {"no name", POD_OF("\"uid\":\"u\"", "\"containers\":[]", ""), "metadata.name is required" HIDES},
    {"nothing", "{}", "metadata.name is required" HIDES},
    {"no containers", POD_OF(METADATA, "", ""), "spec.containers is required" HIDES},
    {"containers that are null", POD_OF(METADATA, "\"containers\":null", ""), "spec.containers is required" HIDES},
    {"containers that are no array", POD_OF(METADATA, "\"containers\":{}", ""),
     "spec.containers must be an array, got an object" HIDES},
    {"metadata that are no object", "{\"metadata\":[]}", "metadata must be an object, got an array" HIDES},
    {"a specification that is no object", "{\"metadata\":{" METADATA "},\"spec\":true}",
     "spec must be an object, got a boolean" HIDES},
    {"a status that is no object", "{\"metadata\":{" METADATA "},\"status\":\"Running\"}",
     "status must be an object, got a string" HIDES},
    {"a name that is no text", POD_OF("\"name\":1", "\"containers\":[]", ""),
     "metadata.name must be a string, got an integer" HIDES},
    {"a uid that is no text", POD_OF("\"name\":\"a\",\"uid\":1", "\"containers\":[]", ""),
     "metadata.uid must be a string, got an integer" HIDES},
    {"a phase that is no text", POD_OF(METADATA, "\"containers\":[]", "\"phase\":1"),
     "status.phase must be a string, got an integer" HIDES},
    {"a creation that is no text", POD_OF("\"name\":\"a\",\"creationTimestamp\":1", "\"containers\":[]", ""),
     "metadata.creationTimestamp must be a string, got an integer" HIDES},
    {"init containers that are no array", POD(",\"initContainers\":{}"),
     "app\ninitContainers must be an array, got an object" HIDES},

    {"a container that is no object", POD_OF(METADATA, "\"containers\":[1," APP "]", ""),
     "containers must be an array of objects, got an integer" HIDES "app\n"},
    {"a container without a name", POD_OF(METADATA, "\"containers\":[{}," APP "]", ""),
     "the name of a container is required" HIDES "app\n"},
    {"an empty name", POD_OF(METADATA, "\"containers\":[{\"name\":\"\"}]", ""),
     "the name of a container is required" HIDES},
    {"a container name that is no text", POD_OF(METADATA, "\"containers\":[{\"name\":1}]", ""),
     "name must be a string, got an integer" HIDES},
    {"statuses that are no array", BAD_STATUS("\"containerStatuses\":{}"),
     "containerStatuses must be an array, got an object" HIDES},
    {"a status of a container that is no object", BAD_STATUS("\"containerStatuses\":[null]"),
     "containerStatuses must be an array of objects, got null" HIDES},
    {"a status whose name is no text", BAD_STATUS("\"containerStatuses\":[{\"name\":1}]"),
     "name must be a string, got an integer" HIDES},
    {"an ID that is no text", BAD_STATUS(STATUS("\"containerID\":1")),
     "containerID must be a string, got an integer" HIDES},
    {"no ID and no uid", POD_OF("\"name\":\"a\"", "\"containers\":[" APP "]", ""),
     "container \"app\" has neither a containerID nor a metadata.uid of its pod" HIDES},

    {"an image that is no text", BAD_APP("\"image\":1"), "image must be a string, got an integer" KEEPS},
    {"a state that is no object", BAD_STATUS(STATUS("\"state\":\"running\"")),
     "state must be an object, got a string" KEEPS},
    {"a state whose value is no object", BAD_STATUS(STATE("\"running\":true")),
     "state.running must be an object, got a boolean" KEEPS},
    {"restarts that are no integer", BAD_STATUS(STATUS("\"restartCount\":\"1\"")),
     "restartCount must be an integer, got a string" KEEPS},
    {"fewer than no restarts", BAD_STATUS(STATUS("\"restartCount\":-1")),
     "restart_count must be an integer from 0 to 2147483647, got \"-1\"" KEEPS},
    {"too many restarts", BAD_STATUS(STATUS("\"restartCount\":2147483648")),
     "restart_count must be an integer from 0 to 2147483647, got \"2147483648\"" KEEPS},
    {"a start that is no text", BAD_STATUS(STATE("\"running\":{\"startedAt\":1}")),
     "startedAt must be a string, got an integer" KEEPS},
    {"a start that is no time", BAD_STATUS(STATE("\"running\":{\"startedAt\":\"yesterday\"}")),
     "create_time must be a time with an offset, such as 2026-04-03T08:15:00.123Z, got \"yesterday\"" KEEPS},
    {"resources that are no object", BAD_APP("\"resources\":[]"), "resources must be an object, got an array" KEEPS},
    {"limits that are no object", BAD_APP("\"resources\":{\"limits\":1}"),
     "resources.limits must be an object, got an integer" KEEPS},
    {"a limit that is no quantity", BAD_APP(LIMITS("\"cpu\":true")),
     "resources.limits.cpu must be a quantity, got a boolean" KEEPS},
    {"memory that is no quantity", BAD_APP(LIMITS("\"memory\":{}")),
     "resources.limits.memory must be a quantity, got an object" KEEPS},
    {"another container goes on", POD_OF(METADATA, "\"containers\":[{\"name\":\"bad\",\"image\":1}," APP "]", ""),
     "image must be a string, got an integer (id u-1/bad)\napp\n"},
};

static void refused_items(const void *row)
{
    const struct refused_case *c = row;

    check_notes(c->item, NULL, c->notes);
}

/* Nothing is cut. If the ID is too long, it is not known which row the container has. */
static void long_texts(void)
{
    struct buffer text = {0}, expected = {0};
    char excerpt[TEXT_EXCERPT_SIZE];
    char name[4098];

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    buffer_printf(&text, BAD_STATUS("\"containerStatuses\":[{\"name\":\"app\",\"containerID\":\"a://%.513s\"}]"), name);
    buffer_printf(&expected, "container_id must be at most 512 characters long, got %s" HIDES,
                  text_excerpt(excerpt, name, 513));
    check_notes(buffer_text(&text), NULL, buffer_text(&expected));
    buffer_clear(&text);
    buffer_clear(&expected);
    buffer_printf(&text, BAD_APP("\"image\":\"%s\""), name);
    buffer_printf(&expected, "image_name must be at most 4096 characters long, got %s" KEEPS,
                  text_excerpt(excerpt, name, strlen(name)));
    check_notes(buffer_text(&text), NULL, buffer_text(&expected));
    buffer_free(&expected);
    buffer_free(&text);
}

static void a_sink_that_stops(void)
{
    static const char pod[] = POD_OF(METADATA, "\"containers\":[" APP ",{\"name\":\"b\",\"image\":1}," APP "]", "");
    struct notes full = {.stops_at_container = true}, strict = {.stops_at_refusal = true};
    struct error err;

    assert_false(load(pod, true, NULL, &full, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "the sink is full");
    assert_string_equal(buffer_text(&full.text), "app\n");
    assert_false(load(pod, true, NULL, &strict, &err));
    check_refusal(&err, ERROR_PARAMETER, "image must be a string");
    assert_string_equal(buffer_text(&strict.text), "app\nimage must be a string, got an integer (id u-1/b)\n");
    buffer_free(&strict.text);
    buffer_free(&full.text);
}

/* The text around items, which were loaded before. */
static const struct text_case {
    const char *text;
    const char *reason; /* of the failure; NULL: the text is a list or a pod */
    const char *notes;
} text_cases[] = {
    {"{\"kind\":\"List\",\"items\":[]}", NULL, ""},
    {"{\"kind\":\"PodList\",\"items\":null,\"metadata\":{}}", NULL, ""},
    {"{\"items\":[],\"metadata\":{\"continue\":\"\",\"resourceVersion\":\"1\"}}", NULL, ""},
    {POD(""), NULL, "app\n"},
    {"{\"kind\":\"Pod\"}", NULL, "metadata.name is required" HIDES},
    {"{\"kind\":\"PodList\",\"items\":[],\"metadata\":{\"continue\":\"abc\"}}",
     "pods.json: the list is one page of a longer list (metadata.continue is set)", ""},
    {"{\"kind\":\"List\"}", "pods.json: the list has no items", ""},
    {"{\"kind\":\"List\",\"items\":{}}", "pods.json: items must be an array under the name \"items\"", ""},
    {"{\"kind\":\"List\",\"items\":[1]}", "pods.json: items must be an array under the name \"items\"", ""},
    {"{\"kind\":\"ServiceList\",\"items\":[]}",
     "pods.json: kind must be List, PodList or Pod, got \"ServiceList\"", ""},
    {"{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":403}",
     "pods.json: kind must be List, PodList or Pod, got \"Status\"", ""},
};

static void texts_around_items(const void *row)
{
    const struct text_case *c = row;
    struct notes notes = {0};
    struct error err;
    bool loaded = load(c->text, false, NULL, &notes, &err);

    if (c->reason == NULL) {
        check_good(loaded, &err);
    } else {
        assert_false(loaded);
        assert_int_equal(err.code, ERROR_PARAMETER);
        assert_string_equal(err.message, c->reason);
    }
    assert_string_equal(buffer_text(&notes.text), c->notes);
    buffer_free(&notes.text);
}

/* The array around items has been loaded with them. */
static void an_array_of_pods(void)
{
    const struct json_item item = {.is_element = false, .in_array = true};
    struct json_object *value = parse("[]");
    struct loader loader = {0};
    struct error err;

    check_good(kubernetes_load_item(&loader, &item, value, &err), &err);
    json_object_put(value);
}

static const struct recognized_case {
    const char *text;
    bool is_recognized;
} recognized_cases[] = {
    {"{\"kind\":\"List\"}", true},
    {"{\"kind\":\"\"}", true},
    {"{\"metadata\":{},\"spec\":{}}", true},
    {"{\"metadata\":null,\"spec\":{}}", true},
    {"{\"kind\":1}", false},
    {"{\"spec\":{}}", false},
    {"{\"metadata\":{}}", false},
    {"{\"metadata\":{},\"spec\":[]}", false},
    {"{\"Id\":\"a\",\"Config\":{}}", false},
    {"[{\"kind\":\"Pod\"}]", false},
    {"null", false},
};

static void recognized_values(const void *row)
{
    const struct recognized_case *c = row;
    struct json_object *value = parse(c->text);

    assert_int_equal(kubernetes_recognizes(value), c->is_recognized);
    json_object_put(value);
}

int main(void)
{
    CHECK_EACH(columns, column_cases, label);
    CHECK(the_cluster);
    CHECK_EACH(kinds_of_containers, kinds_cases, label);
    CHECK_EACH(refused_items, refused_cases, label);
    CHECK(long_texts);
    CHECK(a_sink_that_stops);
    CHECK_EACH(texts_around_items, text_cases, text);
    CHECK(an_array_of_pods);
    CHECK_EACH(recognized_values, recognized_cases, text);
    return check_run("inventory/format_kubernetes");
}
