#include "inventory/combinations.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "db/query.h"
#include "inventory/conditions.h"

/* The planner weighs a list of keys against reading the whole project. A longer list costs too much to plan. */
#define MAX_KEYS 10000

/* The characters that waybill.pod_stem removes from the end of the name of a pod. */
static const char stem_end[] = "bcdfghjklmnpqrstvwxz0123456789";

static const char *const profile_filters[] = {"cluster_container", "cluster_type", "cluster_name", "status", "risky",
                                              "cpu_limit", "memory_limit", NULL};
static const char *const label_filters[] = {"container_name", "image_name", NULL};

/* The expressions of the indexes container_profile and container_label. */
static const char profile_key[] =
    "waybill.profile_key(c.project_id, c.enterprise_project_id, c.cluster_container, c.cluster_type, c.cluster_name,"
    " c.status, c.risky, c.cpu_limit, c.memory_limit, 0)";
static const char label_key[] =
    "waybill.label_key(c.project_id, c.container_name, c.image_name, waybill.pod_stem(c.pod_name), 0)";

bool combinations_exist(const char *relation)
{
    return strcmp(relation, "waybill.container") == 0;
}

static void append_named_filters(struct statement *statement, const struct selection *selection,
                                 const char *const *names)
{
    for (; *names != NULL; names++) {
        const struct filter *filter = filter_find(*names);

        condition_of_filter(statement, filter, &selection->filters[filter - filters]);
    }
}

static void append_stem_pattern(struct statement *statement, const char *text, size_t length, bool is_first)
{
    statement_append(statement, is_first ? " AND (" : " OR ");
    condition_column(statement, "pod_stem");
    statement_append(statement, " LIKE ");
    condition_bind_pattern(statement, text, length);
}

/*
 * Appends a condition that holds for the stem of each name that matches the pattern. The end of the name that is not in
 * the stem consists of the characters of stem_end, and the stem ends with none of them. So the pattern up to its last
 * other character matches the stem. With a `*` at its end, either the whole pattern matches the stem, or the stem ends
 * within the pattern.
 */
static void append_stem_condition(struct statement *statement, const char *pattern)
{
    size_t length = strlen(pattern);
    bool is_first = true;

    for (;;) {
        size_t end = length;

        while (end > 0 && pattern[end - 1] == '*')
            end--;
        if (end < length) {
            append_stem_pattern(statement, pattern, length, is_first);
            is_first = false;
            if (end == 0)
                break; /* any stem */
        }
        length = end;
        while (length > 0 && strchr(stem_end, pattern[length - 1]) != NULL)
            length--;
        if (length > 0 && pattern[length - 1] == '*')
            continue;
        append_stem_pattern(statement, pattern, length, is_first);
        break;
    }
    statement_append(statement, ")");
}

static bool is_any_set(const struct selection *selection, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (selection->filters[filter_find(*names) - filters].is_set)
            return true;
    }
    return false;
}

static void begin_matching(struct statement *statement, const char *relation, const char *project_id,
                           const char *enterprise_projects)
{
    statement_append(statement, "WITH matching AS (SELECT c.key FROM %s AS c WHERE ", relation);
    condition_of_scope(statement, project_id, enterprise_projects);
}

/* Completes the query and runs it. *ret_keys is NULL if more than MAX_KEYS or all combinations match. */
static bool find_matching(struct db *db, struct statement *statement, const char *relation, const char *project_id,
                          char **ret_keys, struct error *err)
{
    struct db_result *row;

    statement_append(statement, " LIMIT %d) SELECT CASE WHEN count(*) <= %d AND count(*) < (SELECT count(*) FROM"
                     " (SELECT FROM %s AS c WHERE ", MAX_KEYS + 1, MAX_KEYS, relation);
    condition_of_scope(statement, project_id, NULL);
    statement_append(statement, " LIMIT %d) AS present) THEN coalesce(array_agg(key), '{}')::text END AS keys"
                     " FROM matching", MAX_KEYS + 1);
    row = db_query(db, DB_ONE_ROW, buffer_text(&statement->sql), statement->count,
                   (const char *const *) statement->values, err);
    if (row == NULL)
        return false;
    *ret_keys = db_is_null(row, 0, "keys") ? NULL : memory_copy_text(db_text(row, 0, "keys"));
    db_result_free(row);
    return true;
}

static bool find_profiles(struct db *db, const char *project_id, const char *enterprise_projects,
                          const struct selection *selection, char **ret_keys, struct error *err)
{
    static const char relation[] = "waybill.inventory_profile";
    struct statement statement = {0};
    bool found;

    if (enterprise_projects == NULL && !is_any_set(selection, profile_filters))
        return true;
    begin_matching(&statement, relation, project_id, enterprise_projects);
    append_named_filters(&statement, selection, profile_filters);
    found = find_matching(db, &statement, relation, project_id, ret_keys, err);
    statement_free(&statement);
    return found;
}

static bool find_labels(struct db *db, const char *project_id, const struct selection *selection, char **ret_keys,
                        struct error *err)
{
    static const char relation[] = "waybill.inventory_label";
    const struct filter_value *pod_name = &selection->filters[filter_find("pod_name") - filters];
    struct statement statement = {0};
    bool found;

    if (!pod_name->is_set && !is_any_set(selection, label_filters))
        return true;
    begin_matching(&statement, relation, project_id, NULL);
    append_named_filters(&statement, selection, label_filters);
    if (pod_name->is_set)
        append_stem_condition(&statement, pod_name->text);
    found = find_matching(db, &statement, relation, project_id, ret_keys, err);
    statement_free(&statement);
    return found;
}

bool combinations_find(struct db *db, const char *relation, const char *project_id, const char *enterprise_projects,
                       const struct selection *selection, struct combinations *ret_combinations, struct error *err)
{
    struct combinations found = {0};

    if (!combinations_exist(relation)
        || (find_profiles(db, project_id, enterprise_projects, selection, &found.profiles, err)
            && find_labels(db, project_id, selection, &found.labels, err))) {
        *ret_combinations = found;
        return true;
    }
    combinations_free(&found);
    return false;
}

void combinations_free(struct combinations *combinations)
{
    free(combinations->profiles);
    free(combinations->labels);
    *combinations = (struct combinations) {0};
}

static void append_keys(struct statement *statement, const char *expression, const char *keys)
{
    if (keys == NULL)
        return;
    statement_append(statement, " AND %s = ANY (", expression);
    statement_bind(statement, keys);
    statement_append(statement, "::bigint[])");
}

void combinations_append(struct statement *statement, const struct combinations *combinations)
{
    if (combinations == NULL)
        return;
    append_keys(statement, profile_key, combinations->profiles);
    append_keys(statement, label_key, combinations->labels);
}
