#include "inventory/filters.h"

#include <string.h>

static const char *const cluster_types[] = {"cce", "ali", "tencent", "azure", "aws", "self_built_hw", "self_built_idc",
                                            NULL};
static const char *const statuses[] = {"Running", "Waiting", "Terminated", "Isolated", "Paused", NULL};

const struct filter filters[FILTER_COUNT] = {
    {"cluster_container", FILTER_BOOLEAN, 0, NULL},
    {"cluster_type", FILTER_CHOICE, 0, cluster_types},
    {"cluster_name", FILTER_NAME, 255, NULL},
    {"container_name", FILTER_NAME, 255, NULL},
    {"pod_name", FILTER_NAME, 512, NULL},
    {"image_name", FILTER_NAME, 255, NULL},
    {"status", FILTER_CHOICE, 0, statuses},
    {"risky", FILTER_BOOLEAN, 0, NULL},
    {"create_time", FILTER_TIME_RANGE, 0, NULL},
    {"cpu_limit", FILTER_QUANTITY, 64, NULL},
    {"memory_limit", FILTER_QUANTITY, 64, NULL},
};

const struct filter *filter_find(const char *name)
{
    for (size_t i = 0; i < FILTER_COUNT; i++) {
        if (strcmp(filters[i].name, name) == 0)
            return &filters[i];
    }
    return NULL;
}
