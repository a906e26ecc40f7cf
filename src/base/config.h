/*
 * The configuration file. Its format is INI. inih parses it, and config.c validates it with a table of options. The
 * main functions read the file once and pass its values on.
 */
#ifndef WAYBILL_BASE_CONFIG_H
#define WAYBILL_BASE_CONFIG_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"

#define CONFIG_DEFAULT_PATH "/etc/waybill/waybill.conf"

enum config_offload {
    CONFIG_OFFLOAD_NONE,
    CONFIG_OFFLOAD_X_SENDFILE,
    CONFIG_OFFLOAD_X_ACCEL_REDIRECT,
};

enum config_provider {
    CONFIG_PROVIDER_NONE,
    CONFIG_PROVIDER_KEYSTONE,
};

/* waybill.conf(5) describes each option. Strings are never NULL. */
struct config {
    char *path; /* of the configuration file */
    /* [server] */
    char *listen;
    int request_threads;
    int waiting_requests;
    int wait_ms;
    int grace; /* seconds */
    char *region;
    /* [database] */
    char *conninfo;
    char *owner_conninfo;
    int pool_size;
    int connect_timeout_ms;
    int query_timeout_ms;
    /* [inventory] */
    char *inventory_conninfo; /* "": conninfo */
    char *relation;
    char *loader_conninfo; /* "": that of the owner */
    /* [export] */
    int export_threads;
    int export_timeout; /* seconds */
    int lease;          /* seconds */
    /* [files] */
    char *directory;
    int retention_hours;
    int history_hours;
    int max_total_mib; /* 0: no limit */
    bool gzip;
    enum config_offload offload;
    char *accel_location;
    /* [csv] */
    char *time_zone;
    bool bom;
    bool formula_guard;
    /* [limits] */
    int unfinished_tasks;
    int running_exports; /* 0: no limit */
    /* [access] */
    char *key_file;
    int link_minutes;   /* 0: no links */
    int failed_signins; /* a minute and address; 0: no limit */
    enum config_provider provider;
    char *keystone_url;
    char *keystone_ca_file; /* "": those of the system */
    char *create_role;
    char *read_role;
    int cache_s;
    /* [notify] */
    char *notify_hosts; /* a list of base/hosts.h */
    bool notify_allow_http;
    /* [log] */
    enum log_level log_level;
    enum log_format log_format;
};

/*
 * Reads the file at `path`. If it is NULL, reads the file that the environment variable WAYBILL_CONFIG names, or
 * CONFIG_DEFAULT_PATH if it is not set or empty. Returns NULL on failure (ERROR_CONFIG); the message names the file,
 * the line and the reason. Free the configuration with config_free.
 */
MUST_CHECK struct config *config_read(const char *path, struct error *err);

/* NULL is allowed. */
void config_free(struct config *config);

#endif
