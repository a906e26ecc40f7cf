#include "inventory/columns.h"

#include <string.h>

const struct column columns[COLUMN_COUNT] = {
    {"container_id", COLUMN_TEXT},
    {"container_name", COLUMN_TEXT},
    {"image_name", COLUMN_TEXT},
    {"pod_name", COLUMN_TEXT},
    {"cluster_name", COLUMN_TEXT},
    {"cluster_type", COLUMN_TEXT},
    {"status", COLUMN_TEXT},
    {"risky", COLUMN_PLAIN},
    {"low_risk", COLUMN_PLAIN},
    {"medium_risk", COLUMN_PLAIN},
    {"high_risk", COLUMN_PLAIN},
    {"fatal_risk", COLUMN_PLAIN},
    {"create_time", COLUMN_TIME},
    {"restart_count", COLUMN_PLAIN},
    {"cpu_limit", COLUMN_TEXT},
    {"memory_limit", COLUMN_TEXT},
};

const struct column *column_find(const char *key)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (strcmp(columns[i].key, key) == 0)
            return &columns[i];
    }
    return NULL;
}
