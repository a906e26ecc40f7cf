#include "http/router.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* Rows as a caller defines them: the route first, then members that the router does not know. */
static const struct row {
    struct http_route route;
    const char *name;
} rows[] = {
    {{HTTP_GET, "/healthz"}, "health"},
    {{HTTP_GET, "/v5/{project}/task/{id}"}, "task"},
    {{HTTP_HEAD, "/v5/{project}/task/{id}"}, "task head"},
    {{HTTP_POST, "/v5/{project}/container/task"}, "create"},
    {{HTTP_GET, "/v5/{project}/tasks"}, "tasks"},
    {{HTTP_GET, "/a/{x}"}, "get a"},
    {{HTTP_HEAD, "/a/{x}"}, "head a"},
    {{HTTP_POST, "/a/{x}"}, "post a"},
    {{HTTP_PUT, "/a/{x}"}, "put a"},
    {{HTTP_DELETE, "/a/{x}"}, "delete a"},
};

static bool match(struct http_match *match, enum http_method method, const char *path, struct error *err)
{
    char copy[256];
    struct http_request request = {.method = method, .method_name = "LIST", .path = copy};

    strcpy(copy, path);
    return http_match(match, rows, ARRAY_SIZE(rows), sizeof(rows[0]), &request, err);
}

static const struct match_case {
    const char *path;
    enum http_method method;
    const char *name; /* of the row */
    const char *captures[HTTP_ROUTE_MAX_CAPTURES];
} match_cases[] = {
    {"/healthz", HTTP_GET, "health", {NULL}},
    {"/v5/p/task/t", HTTP_GET, "task", {"p", "t"}},
    {"/v5/p/task/t", HTTP_HEAD, "task head", {"p", "t"}},
    {"/v5/p/container/task", HTTP_POST, "create", {"p", NULL}},
    {"/v5/p/tasks", HTTP_GET, "tasks", {"p", NULL}},
    {"/a/b", HTTP_POST, "post a", {"b", NULL}},
    {"/a/b", HTTP_PUT, "put a", {"b", NULL}},
    {"/a/b", HTTP_DELETE, "delete a", {"b", NULL}},
    {"/v5/%2F%41/task/%20", HTTP_GET, "task", {"%2F%41", "%20"}},
    {"/v5/../task/..", HTTP_GET, "task", {"..", ".."}},
    {"/v5/{project}/task/{id}", HTTP_GET, "task", {"{project}", "{id}"}},
    {"/v5/\xE5\xAE\xB9/tasks", HTTP_GET, "tasks", {"\xE5\xAE\xB9", NULL}},
    {"/v5/task/task/task", HTTP_GET, "task", {"task", "task"}},
};

static void matches(const void *row)
{
    const struct match_case *c = row;
    struct http_match found;
    struct error err;

    check_good(match(&found, c->method, c->path, &err), &err);
    assert_string_equal(((const struct row *) (const void *) found.route)->name, c->name);
    for (size_t i = 0; i < HTTP_ROUTE_MAX_CAPTURES; i++) {
        if (c->captures[i] == NULL)
            assert_null(found.captures[i]);
        else
            assert_string_equal(found.captures[i], c->captures[i]);
    }
    http_match_end(&found);
}

static const struct {
    const char *path;
} missing_cases[] = {
    {""}, {"/"}, {"*"}, {"healthz"}, {"/Healthz"}, {"/healthz/"}, {"//healthz"}, {"/healthz/x"}, {"/health"},
    {"/healthzz"}, {"/v5"}, {"/v5/"}, {"/v5/p"}, {"/v5/p/"}, {"/v5/p/task"}, {"/v5/p/task/"}, {"/v5//task/t"},
    {"/v5/p/task/t/"}, {"/v5/p/task/t/u"}, {"/v5/p/q/task/t"}, {"/V5/p/task/t"}, {"/v4/p/task/t"}, {"/v5/p//task/t"},
    {"/v5/p/Task/t"}, {"/v5//tasks"}, {"/a/"}, {"/a"}, {"/v5/p/container/tas"}, {"/v5/p/container/task/"},
    {"/x/v5/p/task/t"},
};

static void no_such_path(const void *row)
{
    static const enum http_method methods[] = {HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OTHER};

    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        struct http_match found;
        struct error err;

        assert_false(match(&found, methods[i], *(const char *const *) row, &err));
        check_refusal(&err, ERROR_NO_API, *(const char *const *) row);
        http_match_end(&found);
    }
}

static const struct allow_case {
    const char *path;
    enum http_method method;
    const char *allow;
} allow_cases[] = {
    {"/healthz", HTTP_POST, "GET"},
    {"/healthz", HTTP_HEAD, "GET"},
    {"/healthz", HTTP_OTHER, "GET"},
    {"/v5/p/container/task", HTTP_GET, "POST"},
    {"/v5/p/container/task", HTTP_OTHER, "POST"},
    {"/v5/p/task/t", HTTP_POST, "GET, HEAD"},
    {"/v5/p/task/t", HTTP_PUT, "GET, HEAD"},
    {"/v5/p/task/t", HTTP_DELETE, "GET, HEAD"},
    {"/a/b", HTTP_OTHER, "GET, HEAD, POST, PUT, DELETE"},
};

static void no_such_method(const void *row)
{
    const struct allow_case *c = row;
    struct http_match found;
    struct error err;

    assert_false(match(&found, c->method, c->path, &err));
    check_refusal(&err, ERROR_METHOD, c->allow);
    check_refusal(&err, ERROR_METHOD, "got \"LIST\"");
    assert_string_equal(found.allow, c->allow);
    http_match_end(&found);
}

static void quotes_a_hostile_path(void)
{
    struct http_match found;
    struct error err;

    assert_false(match(&found, HTTP_GET, "/<script>\n\x7F\"", &err));
    check_refusal(&err, ERROR_NO_API, "\"/<script>\\x0a\\x7f\\x22\"");
    http_match_end(&found);
    http_match_end(&found);
}

/* The query of a URL that was encoded as a whole may be a secret. */
static void quotes_no_encoded_query(void)
{
    static const char *const paths[] = {"/a%2F/b", "/a%2F/b%3Fx=SECRET", "/a%2F/b%3fx=SECRET%3F"};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        char excerpt[TEXT_EXCERPT_SIZE];
        struct http_match found;
        struct error err;

        assert_string_equal(http_path_excerpt(excerpt, paths[i]), "\"/a%2F/b\"");
        assert_false(match(&found, HTTP_GET, paths[i], &err));
        check_refusal(&err, ERROR_NO_API, "the path \"/a%2F/b\"");
        http_match_end(&found);
    }
}

/* Such a route is a bug: the process ends before it writes beyond the array. */
static void refuses_a_route_with_too_many_captures(void)
{
    static const struct row bad = {{HTTP_GET, "/{a}/{b}/{c}"}, "bad"};
    char path[] = "/x/y/z";
    struct http_request request = {.method = HTTP_GET, .method_name = "GET", .path = path};
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        struct http_match found;
        struct error err;
        const struct rlimit no_core = {0};
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        setrlimit(RLIMIT_CORE, &no_core);
        dup2(null, STDERR_FILENO); /* it logs the reason */
        signal(SIGABRT, SIG_DFL);
        _exit(http_match(&found, &bad, 1, sizeof(bad), &request, &err));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    CHECK_EACH(matches, match_cases, path);
    CHECK_EACH(no_such_path, missing_cases, path);
    CHECK_EACH(no_such_method, allow_cases, path);
    CHECK(quotes_a_hostile_path);
    CHECK(quotes_no_encoded_query);
    CHECK(refuses_a_route_with_too_many_captures);
    return check_run("http/router");
}
