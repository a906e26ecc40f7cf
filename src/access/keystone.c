#include "access/keystone.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/json_path.h"
#include "base/memory.h"
#include "base/text.h"
#include "http/outgoing.h"
#include "metrics/counters.h"

#define MAX_PROJECT_ID 256 /* characters, as in the API */
#define MAX_TOKEN 8000     /* characters; those of Keystone have at most its max_token_size, by default 255 */
#define SECONDS_LENGTH (sizeof("2026-04-03T08:15:00") - 1)

static const struct json_rules answer_rules = {.subject = "the answer", .max_levels = 32};

struct keystone keystone_configured(const struct config *config)
{
    return (struct keystone) {
        .url = config->keystone_url,
        .ca_file = config->keystone_ca_file[0] == '\0' ? NULL : config->keystone_ca_file,
        .create_role = config->create_role,
        .read_role = config->read_role,
    };
}

/* Sets the error of a Keystone that cannot be used. `cause` must contain nothing of the token. */
static bool fail_unavailable(struct error *err, const char *cause)
{
    error_set(err, ERROR_UNAVAILABLE, "the identity service cannot validate X-Auth-Token now; try again later");
    return error_detail(err, "Keystone: %s", cause);
}

static bool refuse_token(struct error *err)
{
    return error_set(err, ERROR_IDENTITY,
                     "X-Auth-Token must be a valid token, got one that is unknown, expired or revoked");
}

/* Parses the answer, an object in which `name` is an object. Free both with json_object_put of *ret_all. */
static bool parse_answer(const char *content, size_t length, const char *name, struct json_object **ret_all,
                         struct json_object **ret_part, struct error *err)
{
    struct json_object *all = NULL, *part = NULL;

    if (!json_parse(content, length, &answer_rules, &all, err))
        return false;
    if (!json_object_is_type(all, json_type_object))
        error_set(err, ERROR_BODY, "the answer must be an object, got %s", json_type_of(all));
    else if (json_path_object(all, name, &part, err) && part == NULL)
        error_set(err, ERROR_BODY, "%s must be an object, got none", name);
    if (part == NULL) {
        json_object_put(all);
        return false;
    }
    *ret_all = all;
    *ret_part = part;
    return true;
}

/* Whether the content is an error of Keystone with this status: a web server before it may answer with 404 too. */
static bool is_error_of_keystone(int status, const char *content, size_t length)
{
    struct json_object *answer, *part;
    struct error ignored;
    int64_t code = 0;
    bool found;

    if (!parse_answer(content, length, "error", &answer, &part, &ignored))
        return false;
    found = json_path_integer(part, "code", 0, &code, &ignored) && code == status;
    json_object_put(answer);
    return found;
}

/* Reads a time such as 2026-04-03T08:15:00.000000Z, without its fraction. */
static bool read_expire_time(struct json_object *token, int64_t *ret_expire_time, struct error *err)
{
    char seconds[SECONDS_LENGTH + sizeof("+00:00")];
    bool has_offset = false;
    const char *text, *rest;

    if (!json_path_string(token, "expires_at", &text, err))
        return false;
    if (text != NULL && strlen(text) > SECONDS_LENGTH) {
        rest = text + SECONDS_LENGTH;
        if (*rest == '.')
            rest += 1 + strspn(rest + 1, "0123456789");
        if (snprintf(seconds, sizeof(seconds), "%.*s%s", (int) SECONDS_LENGTH, text, rest) < (int) sizeof(seconds)
            && clock_parse_iso8601(seconds, ret_expire_time, &has_offset) && has_offset)
            return true;
    }
    return error_set(err, ERROR_BODY, "token.expires_at must be a time, got something else");
}

static bool read_permissions(const struct keystone *keystone, struct json_object *token, unsigned *ret_permissions,
                             struct error *err)
{
    struct json_object *roles;
    unsigned granted = 0;

    if (!json_path_array(token, "roles", &roles, err))
        return false;
    for (size_t i = 0; roles != NULL && i < json_object_array_length(roles); i++) {
        const char *name = json_path_peek(json_object_array_get_idx(roles, i), "name");

        if (name == NULL)
            return error_set(err, ERROR_BODY, "token.roles must have objects with a name, got something else");
        if (text_equal_ignoring_case(name, keystone->create_role))
            granted |= PERMISSION_CREATE | PERMISSION_SCHEDULE;
        if (text_equal_ignoring_case(name, keystone->read_role))
            granted |= PERMISSION_READ;
    }
    *ret_permissions = granted;
    return true;
}

/* Reads the ID of the project to which the token is scoped. NULL: none. */
static bool read_project(struct json_object *token, const char **ret_project_id, struct error *err)
{
    struct json_object *project;
    const char *id = NULL;
    size_t count;

    if (!json_path_object(token, "project", &project, err) || !json_path_string(project, "id", &id, err))
        return false;
    if (project != NULL
        && (id == NULL || !text_utf8_count(id, strlen(id), &count) || count < 1 || count > MAX_PROJECT_ID))
        return error_set(err, ERROR_BODY, "token.project.id must have 1 to %d characters, got something else",
                         MAX_PROJECT_ID);
    *ret_project_id = id;
    return true;
}

static bool read_token(const struct keystone *keystone, struct json_object *token, struct identity *ret_identity,
                       int64_t *ret_expire_time, struct error *err)
{
    struct error reason;
    const char *project_id = NULL;
    int64_t expire_time;
    unsigned granted = 0;

    if (!read_expire_time(token, &expire_time, &reason) || !read_project(token, &project_id, &reason)
        || !read_permissions(keystone, token, &granted, &reason))
        return fail_unavailable(err, reason.message);
    if (project_id == NULL)
        return error_set(err, ERROR_IDENTITY, "X-Auth-Token must be a token that is scoped to a project, got one that"
                         " is not: request a token with the scope of the project");
    if (expire_time <= clock_now_ms())
        return refuse_token(err);
    *ret_identity = (struct identity) {
        .permissions = granted, .project_id = memory_copy_text(project_id), .all = true};
    *ret_expire_time = expire_time;
    return true;
}

bool keystone_read_answer(const struct keystone *keystone, int status, const char *content, size_t length,
                          struct identity *ret_identity, int64_t *ret_expire_time, struct error *err)
{
    struct json_object *answer, *token;
    struct error reason;
    bool good;

    if ((status == 401 || status == 404) && is_error_of_keystone(status, content, length))
        return refuse_token(err);
    if (status != 200) {
        error_set(&reason, ERROR_UNAVAILABLE, "it answered with status %d%s", status,
                  status >= 300 && status <= 399 ? ": redirects are not followed"
                  : status == 401 || status == 404 ? ", but not with an error of Keystone"
                  : status == 403 ? ": its policy identity:validate_token must allow the user of the token" : "");
        return fail_unavailable(err, reason.message);
    }
    if (!parse_answer(content, length, "token", &answer, &token, &reason))
        return fail_unavailable(err, reason.message);
    good = read_token(keystone, token, ret_identity, ret_expire_time, err);
    json_object_put(answer);
    return good;
}

/* Sends a GET. Free the content with buffer_free. */
static bool get(const struct keystone *keystone, const char *path, const struct outgoing_header *headers,
                int *ret_status, struct buffer *ret_content, struct error *err)
{
    struct outgoing_request request = {
        .headers = headers, .timeout_ms = KEYSTONE_TIMEOUT_MS, .connect_timeout_ms = KEYSTONE_CONNECT_TIMEOUT_MS,
        .max_response = KEYSTONE_MAX_ANSWER, .ca_file = keystone->ca_file};
    struct outgoing_response response = {0};
    struct outgoing_url *parsed;
    struct buffer url = {0};
    struct error reason;
    bool good;

    buffer_append_text(&url, keystone->url);
    while (url.length > 0 && url.data[url.length - 1] == '/')
        url.length--;
    buffer_append_text(&url, path);
    parsed = outgoing_url_parse("keystone_url", url.data, &reason);
    request.url = parsed;
    good = parsed != NULL && outgoing_send(&request, &response, &reason);
    if (good && response.is_cut)
        good = error_set(&reason, ERROR_UNAVAILABLE, "the answer exceeds %d bytes", KEYSTONE_MAX_ANSWER);
    outgoing_url_free(parsed);
    buffer_free(&url);
    if (!good) {
        buffer_free(&response.body);
        return fail_unavailable(err, reason.message);
    }
    *ret_status = response.status;
    *ret_content = response.body;
    return true;
}

/* Whether Keystone may have made the token: its tokens consist of letters, digits and punctuation. */
static bool is_plausible(const char *token)
{
    size_t length = 0;

    while (token[length] > ' ' && token[length] <= '~')
        length++;
    return token[length] == '\0' && length <= MAX_TOKEN;
}

static bool ask_about(const struct keystone *keystone, const char *token, struct identity *ret_identity,
                      int64_t *ret_expire_time, struct error *err)
{
    const struct outgoing_header headers[] = {
        {"Accept", "application/json"}, {"X-Auth-Token", token}, {"X-Subject-Token", token}, {0}};
    struct buffer content = {0};
    int status;
    bool good;

    if (!is_plausible(token))
        return refuse_token(err);
    if (!get(keystone, "/v3/auth/tokens?nocatalog", headers, &status, &content, err))
        return false;
    good = keystone_read_answer(keystone, status, buffer_text(&content), content.length, ret_identity, ret_expire_time,
                                err);
    buffer_free(&content);
    return good;
}

bool keystone_validate(const struct keystone *keystone, const char *token, struct identity *ret_identity,
                       int64_t *ret_expire_time, struct error *err)
{
    bool valid = ask_about(keystone, token, ret_identity, ret_expire_time, err);

    counters_add(1, "waybill_keystone_validations_total{outcome=\"%s\"}",
                 valid ? "valid" : err->code == ERROR_IDENTITY ? "invalid" : "failed");
    return valid;
}

bool keystone_find_version(const struct keystone *keystone, char ret_version[KEYSTONE_VERSION_SIZE],
                           struct error *err)
{
    const struct outgoing_header headers[] = {{"Accept", "application/json"}, {0}};
    struct json_object *answer, *version;
    struct buffer content = {0};
    struct error reason;
    bool found = false;
    const char *id;
    int status;

    if (!get(keystone, "/v3", headers, &status, &content, err))
        return false;
    if (status != 200) {
        error_set(&reason, ERROR_UNAVAILABLE, "it answered with status %d", status);
    } else if (parse_answer(buffer_text(&content), content.length, "version", &answer, &version, &reason)) {
        id = json_path_peek(version, "id");
        found = id != NULL;
        if (found)
            snprintf(ret_version, KEYSTONE_VERSION_SIZE, "%s", id);
        else
            error_set(&reason, ERROR_BODY, "version.id must be a string, got none");
        json_object_put(answer);
    }
    buffer_free(&content);
    return found ? true : fail_unavailable(err, reason.message);
}
