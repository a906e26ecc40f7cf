/* The tables of columns and filters, compared with the contract. */
#include "inventory/columns.h"

#include "base/buffer.h"
#include "check.h"
#include "inventory/filters.h"

static const struct column_case {
    const char *key;
    enum column_type type;
} column_cases[] = {
    {"container_id", COLUMN_TEXT}, {"container_name", COLUMN_TEXT}, {"image_name", COLUMN_TEXT},
    {"pod_name", COLUMN_TEXT}, {"cluster_name", COLUMN_TEXT}, {"cluster_type", COLUMN_TEXT}, {"status", COLUMN_TEXT},
    {"risky", COLUMN_PLAIN}, {"low_risk", COLUMN_PLAIN}, {"medium_risk", COLUMN_PLAIN}, {"high_risk", COLUMN_PLAIN},
    {"fatal_risk", COLUMN_PLAIN}, {"create_time", COLUMN_TIME}, {"restart_count", COLUMN_PLAIN},
    {"cpu_limit", COLUMN_TEXT}, {"memory_limit", COLUMN_TEXT},
};

static void finds_columns(const void *row)
{
    const struct column_case *c = row;
    const struct column *column = column_find(c->key);

    assert_non_null(column);
    assert_in_range(column - columns, 0, COLUMN_COUNT - 1);
    assert_string_equal(column->key, c->key);
    assert_int_equal(column->type, c->type);
}

static void has_all_columns_once(void)
{
    assert_int_equal(ARRAY_SIZE(column_cases), COLUMN_COUNT);
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        assert_ptr_equal(column_find(columns[i].key), &columns[i]);
}

static const struct {
    const char *key;
} no_columns[] = {
    {""}, {"id"}, {"Container_id"}, {"CONTAINER_ID"}, {"container_id "}, {" container_id"}, {"container_i"},
    {"container_ids"}, {"container-id"}, {"project_id"}, {"enterprise_project_id"}, {"cluster_container"}, {"*"},
    {"container_id,status"},
};

static void finds_no_other_column(const void *row)
{
    assert_null(column_find(*(const char *const *) row));
}

static const struct filter_case {
    const char *name;
    enum filter_kind kind;
    size_t max_length;
    const char *choices; /* separated by spaces */
} filter_cases[] = {
    {"cluster_container", FILTER_BOOLEAN, 0, ""},
    {"cluster_type", FILTER_CHOICE, 0, "cce ali tencent azure aws self_built_hw self_built_idc"},
    {"cluster_name", FILTER_NAME, 255, ""},
    {"container_name", FILTER_NAME, 255, ""},
    {"image_name", FILTER_NAME, 255, ""},
    {"pod_name", FILTER_NAME, 512, ""},
    {"status", FILTER_CHOICE, 0, "Running Waiting Terminated Isolated Paused"},
    {"risky", FILTER_BOOLEAN, 0, ""},
    {"create_time", FILTER_TIME_RANGE, 0, ""},
    {"cpu_limit", FILTER_QUANTITY, 64, ""},
    {"memory_limit", FILTER_QUANTITY, 64, ""},
};

static void finds_filters(const void *row)
{
    const struct filter_case *c = row;
    const struct filter *filter = filter_find(c->name);
    struct buffer choices = {0};

    assert_non_null(filter);
    assert_in_range(filter - filters, 0, FILTER_COUNT - 1);
    assert_string_equal(filter->name, c->name);
    assert_int_equal(filter->kind, c->kind);
    assert_int_equal(filter->max_length, c->max_length);
    for (size_t i = 0; filter->kind == FILTER_CHOICE && filter->choices[i] != NULL; i++)
        buffer_printf(&choices, "%s%s", i == 0 ? "" : " ", filter->choices[i]);
    assert_string_equal(buffer_text(&choices), c->choices);
    buffer_free(&choices);
}

static void has_all_filters_once(void)
{
    assert_int_equal(ARRAY_SIZE(filter_cases), FILTER_COUNT);
    for (size_t i = 0; i < FILTER_COUNT; i++)
        assert_ptr_equal(filter_find(filters[i].name), &filters[i]);
}

static const struct {
    const char *name;
} no_filters[] = {
    {""}, {"export_headers"}, {"Status"}, {"status "}, {"statu"}, {"statuses"}, {"container_id"}, {"low_risk"},
    {"restart_count"}, {"start_time"}, {"project_id"}, {"enterprise_project_id"}, {"export_size"},
};

static void finds_no_other_filter(const void *row)
{
    assert_null(filter_find(*(const char *const *) row));
}

int main(void)
{
    CHECK_EACH(finds_columns, column_cases, key);
    CHECK(has_all_columns_once);
    CHECK_EACH(finds_no_other_column, no_columns, key);
    CHECK_EACH(finds_filters, filter_cases, name);
    CHECK(has_all_filters_once);
    CHECK_EACH(finds_no_other_filter, no_filters, name);
    return check_run("inventory/columns, inventory/filters");
}
