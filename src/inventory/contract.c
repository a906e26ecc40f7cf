#include "inventory/contract.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "db/query.h"
#include "inventory/filters.h"

/* What a column is for. */
enum purpose {
    PURPOSE_TEXT,
    PURPOSE_BOOLEAN,
    PURPOSE_COUNT,
    PURPOSE_TIME,
    PURPOSE_COUNT_OF,
};

static const struct {
    const char *type; /* of the column in waybill.container */
} purposes[PURPOSE_COUNT_OF] = {
    [PURPOSE_TEXT] = {"text"},
    [PURPOSE_BOOLEAN] = {"boolean"},
    [PURPOSE_COUNT] = {"integer"},
    [PURPOSE_TIME] = {"timestamp with time zone"},
};

/* What types have in common. A domain is in the class of its base type. */
enum type_class {
    CLASS_OTHER,
    CLASS_TEXT,    /* any string type, uuid, any enum */
    CLASS_BOOLEAN,
    CLASS_INTEGER, /* numeric without decimals too */
    CLASS_NUMERIC,
    CLASS_FLOAT,
    CLASS_INSTANT,
    CLASS_LOCAL,   /* a timestamp without time zone */
    CLASS_DATE,
    CLASS_JSON,
    CLASS_BYTES,
    CLASS_ARRAY,
    CLASS_COUNT,
};

/* The types that are in a class by their name; the others are in it by their kind or category. */
static const struct {
    const char *name;
    enum type_class class;
} named_types[] = {
    {"uuid", CLASS_TEXT},
    {"boolean", CLASS_BOOLEAN},
    {"smallint", CLASS_INTEGER},
    {"integer", CLASS_INTEGER},
    {"bigint", CLASS_INTEGER},
    {"numeric", CLASS_NUMERIC},
    {"real", CLASS_FLOAT},
    {"double precision", CLASS_FLOAT},
    {"timestamp with time zone", CLASS_INSTANT},
    {"timestamp without time zone", CLASS_LOCAL},
    {"date", CLASS_DATE},
    {"json", CLASS_JSON},
    {"jsonb", CLASS_JSON},
    {"bytea", CLASS_BYTES},
};

#define USABLE ""

/*
 * The expression of a view that makes a column of a class usable, with $ for the column. An exact number is usable as
 * text. So is character(n), because its cast to text removes the padding.
 */
static const struct {
    const char *expression; /* NULL: that of CLASS_OTHER */
    const char *condition;  /* NULL: none */
} remedies[PURPOSE_COUNT_OF][CLASS_COUNT] = {
    [PURPOSE_TEXT] = {
        [CLASS_OTHER] = {"$::text", NULL},
        [CLASS_TEXT] = {USABLE, NULL},
        [CLASS_INTEGER] = {USABLE, NULL},
        [CLASS_NUMERIC] = {USABLE, NULL},
        [CLASS_FLOAT] = {"$::numeric::text", NULL},
        [CLASS_JSON] = {"($ #>> '{}')", NULL},
        [CLASS_BYTES] = {"convert_from($, 'UTF8')", NULL},
        [CLASS_ARRAY] = {"array_to_string($, ',')", NULL},
    },
    [PURPOSE_BOOLEAN] = {
        [CLASS_OTHER] = {"$::text::boolean", NULL},
        [CLASS_TEXT] = {"($ = 'yes')", "if 'yes' is the text for true"},
        [CLASS_BOOLEAN] = {USABLE, NULL},
        [CLASS_INTEGER] = {"($ <> 0)", NULL},
        [CLASS_NUMERIC] = {"($ <> 0)", NULL},
        [CLASS_FLOAT] = {"($ <> 0)", NULL},
    },
    [PURPOSE_COUNT] = {
        [CLASS_OTHER] = {"$::text::bigint", NULL},
        [CLASS_BOOLEAN] = {"$::integer", NULL},
        [CLASS_INTEGER] = {USABLE, NULL},
        [CLASS_NUMERIC] = {"$::bigint", NULL},
        [CLASS_FLOAT] = {"$::bigint", NULL},
        [CLASS_JSON] = {"($ #>> '{}')::bigint", NULL},
    },
    [PURPOSE_TIME] = {
        [CLASS_OTHER] = {"$::text::timestamptz", "if the values have an offset"},
        [CLASS_INTEGER] = {"to_timestamp($ / 1000.0)", "if the unit is milliseconds"},
        [CLASS_NUMERIC] = {"to_timestamp($)", "if the unit is seconds"},
        [CLASS_FLOAT] = {"to_timestamp($)", "if the unit is seconds"},
        [CLASS_INSTANT] = {USABLE, NULL},
        [CLASS_LOCAL] = {"$ AT TIME ZONE 'UTC'", "if 'UTC' is their time zone"},
        [CLASS_DATE] = {"$::timestamp AT TIME ZONE 'UTC'", "if 'UTC' is their time zone"},
        [CLASS_JSON] = {"($ #>> '{}')::timestamptz", "if the values have an offset"},
    },
};

/* What a view can have for a column that the site does not have. For the others, NULL of their type will do. */
static const struct {
    const char *column;
    const char *expression;
} substitutes[] = {
    {"project_id", "'PROJECT'::text"},
    {"container_id", "ID::text"},
    {"enterprise_project_id", "'0'::text"},
    {"cluster_container", "(pod_name IS NOT NULL)"},
};

static const char *contract_column(size_t number)
{
    return number == 0 ? "project_id" : record_columns[number - 1].name;
}

static enum purpose purpose_of(const char *column)
{
    enum record_field field = record_find(column, strlen(column));

    if (field == RECORD_FIELD_COUNT)
        return PURPOSE_TEXT; /* project_id */
    switch (record_columns[field].kind) {
    case RECORD_BOOLEAN:
        return PURPOSE_BOOLEAN;
    case RECORD_COUNT:
        return PURPOSE_COUNT;
    case RECORD_TIME:
        return PURPOSE_TIME;
    case RECORD_TEXT:
    case RECORD_CHOICE:
        break;
    }
    return PURPOSE_TEXT;
}

/*
 * $1 is the schema, $2 the name of the relation and $3 the columns. Returns a row for each column, in this order. The
 * class of a domain is that of the type below all its domains.
 */
static const char catalog_sql[] =
    "WITH RECURSIVE relation AS ("
    "    SELECT c.oid, c.relkind IN ('r', 'v', 'm', 'f', 'p') AS has_rows, c.relispopulated,"
    "           has_schema_privilege(n.oid, 'USAGE') AS can_use"
    "    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    "    WHERE n.nspname = $1::text::name AND c.relname = $2::text::name),"
    " attribute AS ("
    "    SELECT a.attname::text AS name, a.attnum, a.atttypid, a.atttypmod,"
    "           has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS can_read"
    "    FROM pg_attribute AS a JOIN relation ON relation.oid = a.attrelid"
    "    WHERE a.attnum > 0 AND NOT a.attisdropped),"
    " base (attnum, typid, typmod) AS ("
    "    SELECT attnum, atttypid, atttypmod FROM attribute"
    "    UNION ALL"
    "    SELECT base.attnum, t.typbasetype, t.typtypmod FROM base JOIN pg_type AS t ON t.oid = base.typid"
    "    WHERE t.typtype = 'd')"
    "SELECT needed.name, relation.oid IS NOT NULL AS exists, relation.has_rows, relation.relispopulated,"
    "       relation.can_use, attribute.can_read, format_type(attribute.atttypid, attribute.atttypmod) AS type,"
    "       format_type(t.oid, NULL) AS base, t.typtype = 'e' OR t.typcategory = 'S' AS is_text,"
    "       t.typcategory = 'A' AS is_array, format_type(t.oid, base.typmod) LIKE 'numeric(%,0)' AS is_integer"
    " FROM unnest($3::text[]) WITH ORDINALITY AS needed (name, position)"
    " LEFT JOIN relation ON true"
    " LEFT JOIN attribute ON attribute.name = needed.name"
    " LEFT JOIN (base JOIN pg_type AS t ON t.oid = base.typid AND t.typtype <> 'd') ON base.attnum = attribute.attnum"
    " ORDER BY needed.position";

static struct db_result *read_catalog(struct db *db, const char *relation, const char *const *needed, size_t count,
                                      struct error *err)
{
    struct buffer schema = {0};
    const char *name = inventory_relation_split(relation, &schema);
    char *list = db_array_literal(needed, count);
    const char *values[] = {buffer_text(&schema), name, list};
    struct db_result *result = db_query_prepared(db, DB_ROWS, catalog_sql, ARRAY_SIZE(values), values, err);

    free(list);
    buffer_free(&schema);
    return result;
}

static enum type_class class_of(const struct db_result *catalog, size_t row)
{
    const char *base = db_text(catalog, row, "base");

    if (db_boolean(catalog, row, "is_integer"))
        return CLASS_INTEGER;
    if (db_boolean(catalog, row, "is_text"))
        return CLASS_TEXT;
    if (db_boolean(catalog, row, "is_array"))
        return CLASS_ARRAY;
    for (size_t i = 0; i < ARRAY_SIZE(named_types); i++) {
        if (strcmp(named_types[i].name, base) == 0)
            return named_types[i].class;
    }
    return CLASS_OTHER;
}

/* Appends an expression with the column in place of each $, AS the column. */
static void append_expression(struct buffer *text, const char *expression, const char *column)
{
    for (; *expression != '\0'; expression++) {
        if (*expression == '$')
            buffer_append_text(text, column);
        else
            buffer_append(text, expression, 1);
    }
    buffer_printf(text, " AS %s", column);
}

static void describe_missing(struct buffer *text, const char *column)
{
    buffer_printf(text, "%s is missing: add it to the view, for example as ", column);
    for (size_t i = 0; i < ARRAY_SIZE(substitutes); i++) {
        if (strcmp(substitutes[i].column, column) == 0) {
            append_expression(text, substitutes[i].expression, column);
            return;
        }
    }
    buffer_printf(text, "NULL::%s AS %s", purposes[purpose_of(column)].type, column);
}

/* Appends nothing if the type is usable. */
static void describe_type(struct buffer *text, const char *column, enum type_class class, const char *type)
{
    enum purpose purpose = purpose_of(column);

    if (remedies[purpose][class].expression == NULL)
        class = CLASS_OTHER;
    if (strcmp(remedies[purpose][class].expression, USABLE) == 0)
        return;
    buffer_printf(text, "%s has type %s, but must be %s: use ", column, type, purposes[purpose].type);
    append_expression(text, remedies[purpose][class].expression, column);
    buffer_append_text(text, " in a view");
    if (remedies[purpose][class].condition != NULL)
        buffer_printf(text, ", %s", remedies[purpose][class].condition);
}

/* Appends nothing if the column is there, usable and readable. */
static void describe_column(struct buffer *text, const char *column, const struct db_result *catalog, size_t row)
{
    if (db_is_null(catalog, row, "type")) {
        describe_missing(text, column);
        return;
    }
    describe_type(text, column, class_of(catalog, row), db_text(catalog, row, "type"));
    if (!db_boolean(catalog, row, "can_read"))
        buffer_printf(text, "%s%s cannot be read: grant the privilege SELECT on it to the role of the service",
                      text->length > 0 ? "; " : "", column);
}

/* Whether there are columns, but the role may read none of them. */
static bool cannot_read_any(const struct db_result *catalog)
{
    bool found = false;

    for (size_t i = 0; i < db_rows(catalog); i++) {
        if (db_boolean(catalog, i, "can_read"))
            return false;
        found = found || !db_is_null(catalog, i, "type");
    }
    return found;
}

/* Appends nothing if the columns can be compared. */
static void describe_relation(struct buffer *text, const char *relation, const struct db_result *catalog)
{
    if (!db_boolean(catalog, 0, "exists"))
        buffer_printf(text, "%s does not exist: create it, or correct [inventory] relation", relation);
    else if (!db_boolean(catalog, 0, "has_rows"))
        buffer_printf(text, "%s is neither a table nor a view: correct [inventory] relation", relation);
    else if (!db_boolean(catalog, 0, "can_use"))
        buffer_printf(text, "%s cannot be read: grant the privilege USAGE on its schema to the role of the service",
                      relation);
    else if (cannot_read_any(catalog))
        buffer_printf(text, "%s cannot be read: grant the privilege SELECT on it to the role of the service", relation);
    else if (!db_boolean(catalog, 0, "relispopulated"))
        buffer_printf(text, "%s has not been populated: run REFRESH MATERIALIZED VIEW", relation);
}

/* Moves the text into the result, unless it is empty. */
static void add_problem(struct contract_result *result, const char *column, struct buffer *text)
{
    if (text->length == 0)
        return;
    assert(result->count < ARRAY_SIZE(result->problems));
    result->problems[result->count++] = (struct contract_problem) {column, text->data};
    *text = (struct buffer) {0};
}

static bool compare_columns(struct db *db, const char *relation, const char *const *needed, size_t count,
                            struct contract_result *ret, struct error *err)
{
    struct db_result *catalog = read_catalog(db, relation, needed, count, err);
    struct buffer text = {0};

    if (catalog == NULL)
        return false;
    *ret = (struct contract_result) {0};
    describe_relation(&text, relation, catalog);
    add_problem(ret, NULL, &text);
    if (ret->count == 0) {
        for (size_t i = 0; i < count; i++) {
            describe_column(&text, needed[i], catalog, i);
            add_problem(ret, needed[i], &text);
        }
    }
    db_result_free(catalog);
    return true;
}

bool contract_compare(struct db *db, const char *relation, struct contract_result *ret, struct error *err)
{
    const char *needed[CONTRACT_COLUMN_COUNT];

    for (size_t i = 0; i < CONTRACT_COLUMN_COUNT; i++)
        needed[i] = contract_column(i);
    return compare_columns(db, relation, needed, ARRAY_SIZE(needed), ret, err);
}

void contract_free(struct contract_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        free(result->problems[i].text);
    result->count = 0;
}

static bool query_uses(const struct inventory_query *query, const char *column)
{
    const struct selection *selection = query->selection;
    const struct filter *filter = filter_find(column);

    if (strcmp(column, "project_id") == 0 || strcmp(column, "container_id") == 0)
        return true;
    if (strcmp(column, "enterprise_project_id") == 0)
        return query->enterprise_projects != NULL;
    if (filter != NULL && selection->filters[filter - filters].is_set)
        return true;
    for (size_t i = 0; i < selection->header_count; i++) {
        if (strcmp(selection->headers[i].column->key, column) == 0)
            return true;
    }
    return false;
}

/* Finds the columns that the query uses. Returns their number. */
static size_t find_used(const struct inventory_query *query, const char *used[CONTRACT_COLUMN_COUNT])
{
    size_t count = 0;

    for (size_t i = 0; i < CONTRACT_COLUMN_COUNT; i++) {
        if (query_uses(query, contract_column(i)))
            used[count++] = contract_column(i);
    }
    return count;
}

/* Always returns false. */
static bool refuse_relation(const struct contract_result *result, struct error *err)
{
    struct buffer names = {0}, texts = {0};

    for (size_t i = 0; i < result->count; i++) {
        if (result->problems[i].column != NULL)
            buffer_printf(&names, "%s%s", i == 0 ? "" : ", ", result->problems[i].column);
        buffer_printf(&texts, "%s%s", i == 0 ? "" : "; ", result->problems[i].text);
    }
    error_set(err, ERROR_CONFIG, "the inventory of the service %s%s; its operator can correct this with the advice of"
              " `waybill check`", names.length > 0 ? "has missing or unusable columns: " : "cannot be read",
              buffer_text(&names));
    error_detail(err, "%s", buffer_text(&texts));
    buffer_free(&texts);
    buffer_free(&names);
    return false;
}

bool contract_check_query(struct db *db, const struct inventory_query *query, struct error *err)
{
    const char *used[CONTRACT_COLUMN_COUNT];
    struct contract_result result;
    size_t count = find_used(query, used);
    bool fulfilled;

    if (!compare_columns(db, query->relation, used, count, &result, err))
        return false;
    fulfilled = result.count == 0 || refuse_relation(&result, err);
    contract_free(&result);
    return fulfilled;
}

void contract_append_shape(struct statement *statement, const struct inventory_query *query)
{
    const char *used[CONTRACT_COLUMN_COUNT];
    size_t count = find_used(query, used);

    statement_append(statement, "SELECT ");
    for (size_t i = 0; i < count; i++)
        statement_append(statement, "%sc.%s", i == 0 ? "" : ", ", used[i]);
    statement_append(statement, " FROM ");
    inventory_relation_append(statement, query->relation);
    statement_append(statement, " AS c WHERE false");
}
