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

/* More patterns than this lead to all stems, so that the number of values of a statement is bounded. */
#define MAX_STEM_PATTERNS 16

/*
 * Finds patterns, one of which matches the stem of each name that the pattern matches. The end of the name that is not
 * in the stem consists of the characters of stem_end, and the stem ends with none of them. So the pattern up to its
 * last other character matches the stem. With a `*` at its end, either the whole pattern matches the stem, or the stem
 * ends within the pattern. Each result is the beginning of the pattern of this length. Returns their number, or 0 if
 * any stem is possible.
 */
static size_t find_stem_patterns(const char *pattern, size_t lengths[MAX_STEM_PATTERNS])
{
    size_t length = strlen(pattern);
    size_t count = 0;

    while (count < MAX_STEM_PATTERNS) {
        size_t end = length;

        while (end > 0 && pattern[end - 1] == '*')
            end--;
        if (end == 0)
            return end < length ? 0 : count;
        if (end < length)
            lengths[count++] = length;
        length = end;
        while (length > 0 && strchr(stem_end, pattern[length - 1]) != NULL)
            length--;
        if (length > 0 && pattern[length - 1] == '*')
            continue;
        if (count == MAX_STEM_PATTERNS)
            return 0;
        lengths[count++] = length;
        return count;
    }
    return 0;
}

/* Appends a condition that holds for the stem of each name that matches the pattern. */
static void append_stem_condition(struct statement *statement, const char *pattern)
{
    size_t lengths[MAX_STEM_PATTERNS];
    size_t count = find_stem_patterns(pattern, lengths);

    for (size_t i = 0; i < count; i++) {
        statement_append(statement, i == 0 ? " AND (" : " OR ");
        condition_column(statement, "pod_stem");
        statement_append(statement, " LIKE ");
        condition_bind_pattern(statement, pattern, lengths[i]);
    }
    if (count > 0)
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

/* What to look for in one of the tables of combinations. */
struct lookup {
    const char *relation;
    const char *project_id;
    const char *enterprise_projects; /* NULL: any */
    const struct selection *selection;
    const char *const *filters; /* names of those on columns of the relation */
    const char *pod_pattern;    /* NULL: any */
};

static void append_lookup(struct statement *statement, const struct lookup *lookup)
{
    condition_of_enterprise_projects(statement, lookup->enterprise_projects);
    append_named_filters(statement, lookup->selection, lookup->filters);
    if (lookup->pod_pattern != NULL)
        append_stem_condition(statement, lookup->pod_pattern);
}

/* Appends a subquery for the keys of the combinations that match; NULL if more than MAX_KEYS or all of them match. */
static void append_keys_found(struct statement *statement, const struct lookup *lookup)
{
    statement_append(statement, "(WITH matching AS (SELECT c.key FROM %s AS c WHERE ", lookup->relation);
    condition_of_project(statement, lookup->project_id);
    append_lookup(statement, lookup);
    statement_append(statement, " LIMIT %d) SELECT CASE WHEN count(*) <= %d AND count(*) < (SELECT count(*) FROM"
                     " (SELECT FROM %s AS c WHERE ", MAX_KEYS + 1, MAX_KEYS, lookup->relation);
    condition_of_project(statement, lookup->project_id);
    statement_append(statement, " LIMIT %d) AS present) THEN coalesce(array_agg(key), '{}')::text END FROM matching)",
                     MAX_KEYS + 1);
}

static void append_profiles_found(struct statement *statement, const char *project_id, const char *enterprise_projects,
                                  const struct selection *selection)
{
    const struct lookup lookup = {
        .relation = "waybill.inventory_profile",
        .project_id = project_id,
        .enterprise_projects = enterprise_projects,
        .selection = selection,
        .filters = profile_filters,
    };

    append_keys_found(statement, &lookup);
}

static void append_labels_found(struct statement *statement, const char *project_id, const struct selection *selection)
{
    const struct filter_value *pod_name = &selection->filters[filter_find("pod_name") - filters];
    const struct lookup lookup = {
        .relation = "waybill.inventory_label",
        .project_id = project_id,
        .selection = selection,
        .filters = label_filters,
        .pod_pattern = pod_name->is_set ? pod_name->text : NULL,
    };

    append_keys_found(statement, &lookup);
}

bool combinations_append_search(struct statement *statement, const char *relation, const char *project_id,
                                const char *enterprise_projects, const struct selection *selection)
{
    bool of_profiles = enterprise_projects != NULL || is_any_set(selection, profile_filters);
    bool of_labels = selection->filters[filter_find("pod_name") - filters].is_set
                     || is_any_set(selection, label_filters);

    if (!combinations_exist(relation) || !(of_profiles || of_labels))
        return false;
    statement_append(statement, "SELECT ");
    if (of_profiles)
        append_profiles_found(statement, project_id, enterprise_projects, selection);
    else
        statement_append(statement, "NULL::text");
    statement_append(statement, " AS profiles, ");
    if (of_labels)
        append_labels_found(statement, project_id, selection);
    else
        statement_append(statement, "NULL::text");
    statement_append(statement, " AS labels");
    return true;
}

static char *take_keys(const struct db_result *found, const char *column)
{
    return db_is_null(found, 0, column) ? NULL : memory_copy_text(db_text(found, 0, column));
}

void combinations_take(const struct db_result *found, struct combinations *ret_combinations)
{
    *ret_combinations = (struct combinations) {take_keys(found, "profiles"), take_keys(found, "labels")};
}

bool combinations_find(struct db *db, const char *relation, const char *project_id, const char *enterprise_projects,
                       const struct selection *selection, struct combinations *ret_combinations, struct error *err)
{
    struct statement statement = {0};
    struct db_result *found;

    if (!combinations_append_search(&statement, relation, project_id, enterprise_projects, selection)) {
        *ret_combinations = (struct combinations) {0};
        return true;
    }
    found = db_query_built(db, DB_ONE_ROW, &statement, err);
    if (found == NULL)
        return false;
    combinations_take(found, ret_combinations);
    db_result_free(found);
    return true;
}

void combinations_free(struct combinations *combinations)
{
    free(combinations->profiles);
    free(combinations->labels);
    *combinations = (struct combinations) {0};
}

static bool is_named(const struct filter *filter, const char *const *names)
{
    while (*names != NULL && strcmp(*names, filter->name) != 0)
        names++;
    return *names != NULL;
}

/* A pattern of the name of a pod that does not end with `*` also restricts the end that is not in the stem. */
bool combinations_imply(const struct combinations *combinations, const struct filter *filter,
                        const struct filter_value *value)
{
    if (combinations == NULL)
        return false;
    if (filter == NULL || is_named(filter, profile_filters))
        return combinations->profiles != NULL;
    if (combinations->labels == NULL || !value->is_set)
        return false;
    return is_named(filter, label_filters)
           || (strcmp(filter->name, "pod_name") == 0 && value->text[strlen(value->text) - 1] == '*');
}

static void append_keys(struct statement *statement, const char *column, const char *keys)
{
    if (keys == NULL)
        return;
    statement_append(statement, " AND c.%s = ANY (", column);
    statement_bind(statement, keys);
    statement_append(statement, "::bigint[])");
}

void combinations_append(struct statement *statement, const struct combinations *combinations)
{
    if (combinations == NULL)
        return;
    append_keys(statement, "profile_key", combinations->profiles);
    append_keys(statement, "label_key", combinations->labels);
}
