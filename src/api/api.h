/*
 * The operations of the API. Each has a file of its own and a row in routes.c. dispatch.c runs the checks that all
 * operations share, in the order of the contract, and then calls the operation.
 */
#ifndef WAYBILL_API_API_H
#define WAYBILL_API_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/access.h"
#include "base/compiler.h"
#include "base/config.h"
#include "base/error.h"
#include "db/pool.h"
#include "export/housekeeper.h"
#include "export/task.h"
#include "export/watches.h"
#include "export/workers.h"
#include "http/query.h"
#include "http/request.h"
#include "http/response.h"
#include "http/router.h"
#include "inventory/contract_monitor.h"
#include "inventory/selection.h"

#define API_MAX_BODY (1024 * 1024) /* bytes, for every route that reads a body */

/* The parts of the process that operations use. */
struct api {
    const struct config *config;
    struct access *access;
    struct db_pool *pool;            /* the connections for requests */
    struct db_pool *inventory;       /* the connections with which requests read the inventory; may be the same pool */
    struct workers *workers;
    struct watches *watches;
    struct housekeeper *housekeeper; /* NULL in a CGI program */
    struct contract_monitor *contract;
    bool runs_exports_itself;        /* a CGI program has no export threads */
};

/* A request during its operation. After the checks, pointers are not NULL unless their comment says so. */
struct api_call {
    struct api *api;
    struct http_request *request;
    struct http_response *response;
    struct identity identity;          /* empty if the route needs no credentials */
    uint64_t revocations;              /* result of watches_revocations before the identity was checked */
    struct http_query query;
    const char *project_id;            /* likewise NULL */
    const char *id;                    /* of the task, file or schedule in the path or query; NULL if there is none */
    const char *enterprise_project_id; /* from the query, or the default of the route; NULL if neither */
    struct selection *selection;       /* all columns, and the filters of the query; NULL if the route has no filters */
    int export_size;
    int limit;
    int offset;
    char task_id[TEXT_UUID_LENGTH + 1]; /* the task that was created or found, also for the log; "" if none */
};

/* An operation fills the response, or fills err and returns false. */
typedef bool (*api_operation)(struct api_call *call, struct error *err);

bool api_create(struct api_call *call, struct error *err);
bool api_status(struct api_call *call, struct error *err);
bool api_download(struct api_call *call, struct error *err);
bool api_list(struct api_call *call, struct error *err);
bool api_containers(struct api_call *call, struct error *err);
bool api_remove(struct api_call *call, struct error *err);
bool api_schedule_create(struct api_call *call, struct error *err);
bool api_schedule_list(struct api_call *call, struct error *err);
bool api_schedule_show(struct api_call *call, struct error *err);
bool api_schedule_replace(struct api_call *call, struct error *err);
bool api_schedule_remove(struct api_call *call, struct error *err);
bool api_schedule_run(struct api_call *call, struct error *err);
bool api_schedule_runs(struct api_call *call, struct error *err);
bool api_schedule_latest(struct api_call *call, struct error *err);
bool api_live(struct api_call *call, struct error *err);
bool api_ready(struct api_call *call, struct error *err);
bool api_metrics(struct api_call *call, struct error *err);

/* As the default of a parameter: there is none, and the request must have the parameter. */
extern const char api_required[];

/* A query parameter of a route. */
struct api_parameter {
    const char *name;
    const char *default_value; /* NULL: none */
    /* Checks the value of the parameter with this name, and stores it in the call. */
    bool (*parse)(struct api_call *call, const char *name, const char *value, struct error *err);
};

#define API_MAX_PARAMETERS 8

/* A row of the table of routes. */
struct api_route {
    struct http_route http;
    const char *operation; /* its name in the log */
    api_operation run;
    unsigned permissions; /* bits of enum permission, all of which the caller needs; 0: no credentials are needed */
    unsigned alternative; /* these suffice too; 0: none */
    size_t max_body; /* limit of the JSON body, which dispatch.c reads before `run`; 0: the body is ignored */
    const struct api_parameter *parameters[API_MAX_PARAMETERS]; /* terminated by NULL */
};

extern const struct api_route api_routes[];
extern const size_t api_route_count;

/*
 * dispatch.c: the requests that the server receives whole. Those with a signature: their body is read before the caller
 * is known, and a caller without valid credentials must not occupy a thread.
 */
extern const struct fastcgi_whole api_whole;

/* Serves and logs a request. `context` is a struct api. */
void api_serve(void *context, struct fastcgi_exchange *exchange);

/*
 * view.c: returns the enterprise project that the call is limited to, or NULL for all that are granted to the caller.
 * It is NULL if enterprise_project_id is IDENTITY_ALL_GRANTED, or if it is absent and the route has no default for it.
 */
const char *api_enterprise_project(const struct api_call *call);

/* view.c: returns the limit that a value of enterprise_project_id means, as above. NULL is allowed. */
const char *api_limit_of(const char *enterprise_project_id);

/* view.c: fails with ERROR_PERMISSION if a value of enterprise_project_id is not granted to the caller. */
MUST_CHECK bool api_check_enterprise_project(const struct api_call *call, const char *enterprise_project_id,
                                             struct error *err);

/*
 * link.c: a signed link in the query of a request. `link` is NULL if the operation takes no links, or if the query has
 * none.
 */
struct api_link {
    const struct link *link;
    struct link parts; /* those that cannot be read are NULL or "" */
    char *project_id;
    char *file_id;
    struct http_query query;
};

/* link.c: reads the link of a request for the route that has matched. Call api_link_end later. */
void api_link_begin(struct api_link *link, const struct http_request *request, const struct http_match *match);
void api_link_end(struct api_link *link);

/*
 * link.c: returns the status of a task of the call's project as JSON, with a download_url if there are links and the
 * task has a file that has not expired. Then no cache may store the response. Free the status with json_object_put.
 */
struct json_object *api_task_json(struct api_call *call, const struct task *task);

/*
 * view.c: acquires a connection from a pool for the calling thread. Its statements see only what the credentials of the
 * caller grant (db/scope.h); if the route needs no credentials, no task and no container. Release it with
 * db_pool_release.
 */
MUST_CHECK struct db *api_acquire_from(struct api_call *call, struct db_pool *pool, struct error *err);

/* view.c: the same, from the pool of the process, and releases it. */
MUST_CHECK struct db *api_acquire_db(struct api_call *call, struct error *err);
void api_release_db(struct api_call *call, struct db *db);

/* A connection for queries of tasks, and the viewer: the tasks that the caller may see. */
struct api_view {
    struct db *db;
    struct task_viewer viewer;
    char *scope; /* viewer.enterprise_projects, to be freed */
};

/* Acquires the connection and fills in the viewer. If it succeeds, call api_view_end later. */
MUST_CHECK bool api_view_begin(struct api_call *call, struct api_view *view, struct error *err);
void api_view_end(struct api_call *call, struct api_view *view);

/* How long to wait for the end of a task. */
struct api_wait {
    int ms;
    bool until_busy; /* wait only while an export thread of this process is free or runs the task (workers_may_run) */
};

/*
 * Waits until the task has ended, and returns it. Returns the unfinished task, as it was last read, if the wait
 * expires, the client disconnects, the process stops, or too many requests wait already. Fails with ERROR_IDENTITY when
 * the credentials of the caller have expired or were revoked meanwhile. Other requests are served meanwhile. A CGI
 * program runs the task itself, regardless of the wait.
 */
MUST_CHECK bool api_await_task(struct api_call *call, const char *task_id, struct api_wait wait, struct task *ret_task,
                               struct error *err);

/*
 * Waits like api_await_task for a task that this request has created, in a process with export threads. `watch` must
 * have begun before the task was created. What the wait has seen does not matter.
 */
void api_await_new_task(struct api_call *call, struct watch *watch, struct api_wait wait);

/*
 * create.c: runs the new task call->task_id or waits for it, as api_await_task, and responds with its id. Errors do not
 * matter, because the task is committed.
 */
void api_respond_created(struct api_call *call, struct api_wait wait);

/* list.c: responds with a page of a list, which becomes part of the response. */
void api_respond_page(struct api_call *call, int64_t total, struct json_object *list);

/*
 * send_file.c: responds with the file of a successful task: evaluates Range, the conditional headers and
 * Accept-Encoding, and lets the web server send the file if it is configured to. ERROR_GONE if the file has expired,
 * ERROR_STORAGE if it is missing.
 */
MUST_CHECK bool api_send_file(struct api_call *call, const struct task *task, const char *cache_control,
                              struct error *err);

#endif
