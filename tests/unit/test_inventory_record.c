/* The rules of the columns of a container that is to be loaded. */
#include "inventory/record.h"

#include <string.h>

#include "check.h"

static const struct exported_case {
    const char *label;
    enum record_field field;
    const char *text;
    const char *value;  /* NULL: refused */
    const char *reason; /* of the refusal */
} exported_cases[] = {
    {"a boolean", RECORD_RISKY, "true", "true", NULL},
    {"another boolean", RECORD_RISKY, "yes", NULL, "risky must be true or false, got \"yes\""},
    {"an empty boolean", RECORD_RISKY, "", NULL, "risky must be true or false, got \"\""},
    {"no count", RECORD_LOW_RISK, "0", "0", NULL},
    {"the largest count", RECORD_LOW_RISK, "2147483647", "2147483647", NULL},
    {"a larger count", RECORD_LOW_RISK, "2147483648", NULL, "low_risk must be an integer from 0 to 2147483647"},
    {"a huge count", RECORD_LOW_RISK, "99999999999999999999", NULL, "low_risk must be an integer from 0"},
    {"a negative count", RECORD_LOW_RISK, "-1", NULL, "low_risk must be an integer from 0"},
    {"an empty count", RECORD_RESTART_COUNT, "", NULL, "restart_count must be an integer from 0"},
    {"a status", RECORD_STATUS, "Paused", "Paused", NULL},
    {"another status", RECORD_STATUS, "paused", NULL, "status must be one of Running, Waiting, Terminated, Isolated"},
    {"a cluster type", RECORD_CLUSTER_TYPE, "k8s", "k8s", NULL},
    {"another cluster type", RECORD_CLUSTER_TYPE, "eks", NULL, "self_built_idc, k8s, got \"eks\""},
    {"empty text", RECORD_CONTAINER_NAME, "", "", NULL},
    {"invalid UTF-8", RECORD_CONTAINER_NAME, "\xff", NULL, "container_name must be valid UTF-8"},
    {"an empty enterprise project", RECORD_ENTERPRISE_PROJECT_ID, "", NULL, "must be 1 to 256 characters long"},
    {"a time", RECORD_CREATE_TIME, "2026-04-03T08:15:00.120Z", "2026-04-03 08:15:00.120Z", NULL},
    {"a fraction that is cut", RECORD_CREATE_TIME, "2026-04-03T08:15:00.123999999Z", "2026-04-03 08:15:00.123Z", NULL},
    {"an offset", RECORD_CREATE_TIME, "2026-04-03T08:15:00+05:30", "2026-04-03 08:15:00+05:30", NULL},
    {"an offset with seconds", RECORD_CREATE_TIME, "1900-01-01T00:00:00.000+00:53:28",
     "1900-01-01 00:00:00.000+00:53:28", NULL},
    {"a year of five digits", RECORD_CREATE_TIME, "10000-01-01T00:00:00.000Z", "10000-01-01 00:00:00.000Z", NULL},
    {"the last year", RECORD_CREATE_TIME, "294275-12-31T23:59:59.999Z", "294275-12-31 23:59:59.999Z", NULL},
    {"a later year", RECORD_CREATE_TIME, "294276-01-01T00:00:00Z", NULL, "create_time must be a time with an offset"},
    {"before Christ", RECORD_CREATE_TIME, "0044-03-15 12:00:00+00 BC", "0044-03-15 12:00:00+00 BC", NULL},
    {"the first year", RECORD_CREATE_TIME, "4712-01-01 00:00:00+00 BC", "4712-01-01 00:00:00+00 BC", NULL},
    {"an earlier year", RECORD_CREATE_TIME, "4713-12-31 00:00:00+00 BC", NULL, "create_time must be a time"},
    {"a leap year before Christ", RECORD_CREATE_TIME, "0001-02-29 12:00:00+00 BC", "0001-02-29 12:00:00+00 BC", NULL},
    {"another year before Christ", RECORD_CREATE_TIME, "0004-02-29 12:00:00+00 BC", NULL,
     "create_time must be a time with an offset"},
    {"the end of a century before Christ", RECORD_CREATE_TIME, "0101-02-29 12:00:00+00 BC", NULL,
     "create_time must be a time with an offset"},
    {"the end of four centuries before Christ", RECORD_CREATE_TIME, "0401-02-29 12:00:00+00 BC",
     "0401-02-29 12:00:00+00 BC", NULL},
    {"infinity", RECORD_CREATE_TIME, "infinity", "infinity", NULL},
    {"the end of February", RECORD_CREATE_TIME, "2024-02-29T00:00:00Z", "2024-02-29 00:00:00Z", NULL},
    {"after the end of February", RECORD_CREATE_TIME, "2025-02-29T00:00:00Z", NULL, "create_time must be a time"},
    {"no offset", RECORD_CREATE_TIME, "2026-04-03T08:15:00", NULL, "create_time must be a time with an offset"},
    {"no time of day", RECORD_CREATE_TIME, "2026-04-03", NULL, "create_time must be a time with an offset"},
    {"hour 24", RECORD_CREATE_TIME, "2026-04-03T24:00:00Z", NULL, "create_time must be a time with an offset"},
    {"an empty fraction", RECORD_CREATE_TIME, "2026-04-03T08:15:00.Z", NULL, "create_time must be a time"},
    {"text after a time", RECORD_CREATE_TIME, "2026-04-03T08:15:00Z ", NULL, "create_time must be a time"},
    {"month 0", RECORD_CREATE_TIME, "2026-00-03T08:15:00Z", NULL, "create_time must be a time with an offset"},
    {"month 13", RECORD_CREATE_TIME, "2026-13-03T08:15:00Z", NULL, "create_time must be a time with an offset"},
    {"day 0", RECORD_CREATE_TIME, "2026-04-00T08:15:00Z", NULL, "create_time must be a time with an offset"},
    {"minute 60", RECORD_CREATE_TIME, "2026-04-03T08:60:00Z", NULL, "create_time must be a time with an offset"},
    {"second 60", RECORD_CREATE_TIME, "2026-04-03T08:15:60Z", NULL, "create_time must be a time with an offset"},
    {"minute 60 of an offset", RECORD_CREATE_TIME, "2026-04-03T08:15:00+05:60", NULL, "create_time must be a time"},
    {"the first year", RECORD_CREATE_TIME, "0001-01-01T00:00:00Z", "0001-01-01 00:00:00Z", NULL},
    {"year 0", RECORD_CREATE_TIME, "0000-01-01T00:00:00Z", NULL, "create_time must be a time with an offset"},
    {"year 0 before Christ", RECORD_CREATE_TIME, "0000-01-01T00:00:00Z BC", NULL, "create_time must be a time"},
    {"the earliest year", RECORD_CREATE_TIME, "4712-01-01T00:00:00Z BC", "4712-01-01 00:00:00Z BC", NULL},
    {"an earlier year", RECORD_CREATE_TIME, "4713-12-31T00:00:00Z BC", NULL, "create_time must be a time"},
    {"the infinite past", RECORD_CREATE_TIME, "-infinity", "-infinity", NULL},
    {"offset 16", RECORD_CREATE_TIME, "2026-04-03T08:15:00+16:00", NULL, "create_time must be a time"},
};

static void exported_values(const void *row)
{
    const struct exported_case *c = row;
    struct record record;
    struct error err;
    bool is_set;

    record_clear(&record);
    is_set = record_set_exported(&record, c->field, c->text, strlen(c->text), &err);
    if (c->value == NULL) {
        assert_false(is_set);
        check_refusal(&err, ERROR_PARAMETER, c->reason);
        assert_null(record.fields[c->field].data);
        return;
    }
    check_good(is_set, &err);
    assert_int_equal(record.fields[c->field].length, strlen(c->value));
    assert_memory_equal(record.fields[c->field].data, c->value, strlen(c->value));
}

/* Only exports have times before Christ, and infinite ones. */
static void times_of_other_programs(void)
{
    static const char *const refused[] = {"0044-03-15T12:00:00Z BC", "infinity", "-infinity", "", "now"};
    struct record record;
    struct error err;

    record_clear(&record);
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        assert_false(record_set_time(&record, RECORD_CREATE_TIME, refused[i], &err));
        check_refusal(&err, ERROR_PARAMETER, "create_time must be a time with an offset");
        assert_null(record.fields[RECORD_CREATE_TIME].data);
    }
    check_good(record_set_time(&record, RECORD_CREATE_TIME, "2026-04-03T08:15:00Z", &err), &err);
    assert_string_equal(record.fields[RECORD_CREATE_TIME].data, "2026-04-03 08:15:00Z");
    check_good(record_set_time(&record, RECORD_CREATE_TIME, NULL, &err), &err);
    assert_null(record.fields[RECORD_CREATE_TIME].data);
}

static void lengths_in_characters(void)
{
    char text[2 * RECORD_MAX_TEXT + 2];
    struct record record;
    struct error err;

    for (size_t i = 0; i < RECORD_MAX_TEXT + 1; i++)
        memcpy(text + 2 * i, "\xc3\xa9", 2); /* é */
    record_clear(&record);
    check_good(record_set_text(&record, RECORD_POD_NAME, text, 2 * RECORD_MAX_TEXT, &err), &err);
    assert_false(record_set_text(&record, RECORD_POD_NAME, text, 2 * RECORD_MAX_TEXT + 2, &err));
    check_refusal(&err, ERROR_PARAMETER, "pod_name must be at most 4096 characters long");
    assert_false(record_set_text(&record, RECORD_POD_NAME, "a\0b", 3, &err));
    check_refusal(&err, ERROR_PARAMETER, "without a NUL character");
    check_good(record_set_text(&record, RECORD_CONTAINER_ID, text, 2 * RECORD_MAX_CONTAINER_ID, &err), &err);
    assert_false(record_set_text(&record, RECORD_CONTAINER_ID, text, 2 * RECORD_MAX_CONTAINER_ID + 2, &err));
    check_refusal(&err, ERROR_PARAMETER, "container_id must be at most 512 characters long");
    check_good(record_set_text(&record, RECORD_POD_NAME, NULL, 0, &err), &err);
    assert_null(record.fields[RECORD_POD_NAME].data);
}

static void names_and_ids(void)
{
    struct record record;
    struct error err;

    for (int field = 0; field < RECORD_FIELD_COUNT; field++)
        assert_int_equal(record_find(record_columns[field].name, strlen(record_columns[field].name)), field);
    assert_int_equal(record_find("status ", 7), RECORD_FIELD_COUNT);
    assert_int_equal(record_find("statu", 5), RECORD_FIELD_COUNT);
    record_clear(&record);
    assert_false(record_check(&record, &err));
    check_refusal(&err, ERROR_PARAMETER, "container_id is required");
    check_good(record_set_text(&record, RECORD_CONTAINER_ID, "", 0, &err), &err);
    assert_false(record_check(&record, &err));
    check_good(record_set_text(&record, RECORD_CONTAINER_ID, "a", 1, &err), &err);
    assert_true(record_check(&record, &err));
}

int main(void)
{
    CHECK_EACH(exported_values, exported_cases, label);
    CHECK(times_of_other_programs);
    CHECK(lengths_in_characters);
    CHECK(names_and_ids);
    return check_run("inventory/record");
}
