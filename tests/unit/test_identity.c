#include "access/identity.h"

#include <stdlib.h>

#include "base/memory.h"
#include "check.h"

/* Makes an identity for project p1. */
static struct identity make(bool all, size_t count, const char *const *enterprise_projects)
{
    struct identity identity = {.project_id = memory_copy_text("p1"), .all = all, .count = count};

    identity.enterprise_projects = memory_zeroed(count + 1, sizeof(char *));
    for (size_t i = 0; i < count; i++)
        identity.enterprise_projects[i] = memory_copy_text(enterprise_projects[i]);
    return identity;
}

static const struct project_case {
    const char *project_id;
    bool good;
} project_cases[] = {
    {"p1", true}, {"P1", false}, {"p", false}, {"p11", false}, {"p1 ", false}, {"", false}, {"*", false}, {"p2", false},
    {"all", false},
};

static void uses_its_own_project(const void *row)
{
    const struct project_case *c = row;
    struct identity identity = make(true, 0, NULL);

    assert_int_equal(identity_may_use_project(&identity, c->project_id), c->good);
    identity_clear(&identity);
}

static const struct grant_case {
    const char *label;
    bool all;
    size_t count;
    const char *granted[3];
    const char *asked; /* NULL: all that are granted */
    bool good;
    const char *scope; /* NULL: all of the project */
} grant_cases[] = {
    {"one that is granted", false, 2, {"0", "e1"}, "e1", true, "{\"e1\"}"},
    {"the default one", false, 2, {"0", "e1"}, "0", true, "{\"0\"}"},
    {"all that are granted", false, 2, {"0", "e1"}, NULL, true, "{\"0\",\"e1\"}"},
    {"all that is granted, which is one", false, 1, {"e1"}, NULL, true, "{\"e1\"}"},
    {"the default one, not granted", false, 1, {"e1"}, "0", false, NULL},
    {"one that is not granted", false, 2, {"0", "e1"}, "e2", false, NULL},
    {"upper case", false, 1, {"e1"}, "E1", false, NULL},
    {"a prefix", false, 1, {"e12"}, "e1", false, NULL},
    {"a longer one", false, 1, {"e1"}, "e12", false, NULL},
    {"nothing is granted", false, 0, {NULL}, "0", false, NULL},
    {"nothing of nothing", false, 0, {NULL}, NULL, true, "{}"},
    {"any of all", true, 0, {NULL}, "e9", true, "{\"e9\"}"},
    {"the default one of all", true, 0, {NULL}, "0", true, "{\"0\"}"},
    {"all of all", true, 0, {NULL}, NULL, true, NULL},
    {"the API's word for all is a name", false, 1, {"e1"}, "all_granted_eps", false, NULL},
    {"the API's word for all, as a name of all", true, 0, {NULL}, "all_granted_eps", true, "{\"all_granted_eps\"}"},
    {"a name that looks like a list", true, 0, {NULL}, "a\",\"b", true, "{\"a\\\",\\\"b\"}"},
    {"names with punctuation", false, 3, {"a,b", "{}", "\\"}, NULL, true, "{\"a,b\",\"{}\",\"\\\\\"}"},
};

static void sees_what_is_granted(const void *row)
{
    const struct grant_case *c = row;
    struct identity identity = make(c->all, c->count, c->granted);
    char *scope;

    assert_int_equal(identity_may_see(&identity, c->asked), c->good);
    if (c->good) {
        scope = identity_scope(&identity, c->asked);
        if (c->scope == NULL)
            assert_null(scope);
        else
            assert_string_equal(scope, c->scope);
        free(scope);
    }
    identity_clear(&identity);
}

static void is_empty_after_clear(void)
{
    struct identity identity = make(false, 2, (const char *const []) {"a", "b"});

    identity_clear(&identity);
    assert_null(identity.project_id);
    assert_null(identity.enterprise_projects);
    assert_int_equal(identity.count, 0);
    assert_false(identity.all);
    identity_clear(&identity);
}

static const struct permission_case {
    const char *names;
    bool good;
    unsigned permissions;
    const char *formatted;
} permission_cases[] = {
    {"create", true, PERMISSION_CREATE, "create"},
    {"read", true, PERMISSION_READ, "read"},
    {"schedule", true, PERMISSION_SCHEDULE, "schedule"},
    {"schedule,create", true, PERMISSION_CREATE | PERMISSION_SCHEDULE, "create,schedule"},
    {"read,schedule,create", true, PERMISSION_ALL, "create,read,schedule"},
    {"", false, 0, ""},
    {"create,", false, 0, ""},
    {",create", false, 0, ""},
    {"create,,read", false, 0, ""},
    {"read,read", false, 0, ""},
    {"Read", false, 0, ""},
    {"read ", false, 0, ""},
    {"rea", false, 0, ""},
    {"reads", false, 0, ""},
    {"all", false, 0, ""},
    {"write", false, 0, ""},
};

static void permission_names(const void *row)
{
    const struct permission_case *c = row;
    char text[PERMISSIONS_SIZE];
    unsigned permissions = 0;

    assert_int_equal(permissions_parse(c->names, &permissions), c->good);
    assert_int_equal(permissions, c->permissions);
    permissions_format(permissions, text);
    assert_string_equal(text, c->formatted);
}

static void all_permissions_are_needed(void)
{
    const struct identity identity = {.permissions = PERMISSION_CREATE | PERMISSION_READ};

    assert_true(identity_has_permissions(&identity, PERMISSION_CREATE));
    assert_true(identity_has_permissions(&identity, PERMISSION_CREATE | PERMISSION_READ));
    assert_false(identity_has_permissions(&identity, PERMISSION_SCHEDULE));
    assert_false(identity_has_permissions(&identity, PERMISSION_CREATE | PERMISSION_SCHEDULE));
    assert_false(identity_has_permissions(&identity, PERMISSION_ALL));
}

static void copies(void)
{
    static const char *const granted[] = {"0", "e1"};
    struct identity identity = make(false, ARRAY_SIZE(granted), granted), copy;

    identity.credential_id = 7;
    identity.permissions = PERMISSION_READ;
    identity.access_key = memory_copy_text("AK");
    copy = identity_copy(&identity);
    identity_clear(&identity);
    assert_int_equal(copy.credential_id, 7);
    assert_int_equal(copy.permissions, PERMISSION_READ);
    assert_string_equal(copy.access_key, "AK");
    assert_string_equal(copy.project_id, "p1");
    assert_false(copy.all);
    assert_int_equal(copy.count, 2);
    assert_string_equal(copy.enterprise_projects[0], "0");
    assert_string_equal(copy.enterprise_projects[1], "e1");
    identity_clear(&copy);

    identity = make(true, 0, NULL);
    copy = identity_copy(&identity);
    identity_clear(&identity);
    assert_true(copy.all);
    assert_null(copy.access_key);
    assert_null(copy.enterprise_projects);
    identity_clear(&copy);
}

int main(void)
{
    CHECK_EACH(permission_names, permission_cases, names);
    CHECK(all_permissions_are_needed);
    CHECK_EACH(uses_its_own_project, project_cases, project_id);
    CHECK_EACH(sees_what_is_granted, grant_cases, label);
    CHECK(is_empty_after_clear);
    CHECK(copies);
    return check_run("access/identity");
}
