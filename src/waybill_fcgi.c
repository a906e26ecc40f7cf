/* waybill.fcgi: the service. Wiring only: options, configuration, signals, threads. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "db/pool.h"
#include "export/workers.h"
#include "http/fastcgi.h"

static const char usage[] =
    "usage: waybill.fcgi [--config FILE] [--listen PATH|HOST:PORT]\n"
    "       waybill.fcgi --version | --help\n";

struct arguments {
    const char *config_path;
    const char *listen;
};

/* What the process is made of, in the order in which it is started. */
struct service {
    struct config *config;
    struct db_settings tasks;
    struct db_settings inventory;
    struct api api;
    int socket;
    struct fastcgi_server *server;
};

static int fail(const struct error *err)
{
    struct log_line line;

    log_begin(&line, LOG_ERROR, "not started");
    log_error(&line, err);
    log_end(&line);
    return error_info(err->code)->exit_status;
}

/* -1 to go on, else the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *ret)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"listen", required_argument, NULL, 'l'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            ret->config_path = optarg;
            break;
        case 'l':
            ret->listen = optarg;
            break;
        case 'v':
            puts("waybill.fcgi " WAYBILL_VERSION);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        return 2;
    }
    return -1;
}

static bool check_directory(const struct config *config, struct error *err)
{
    if (access(config->directory, R_OK | W_OK | X_OK) == 0)
        return true;
    return error_set(err, ERROR_CONFIG, "[files] directory %s: %s", config->directory, strerror(errno));
}

static bool is_utc(const char *time_zone)
{
    return strcmp(time_zone, "UTC") == 0 || strcmp(time_zone, "Etc/UTC") == 0;
}

/* Connects what all ways of running share; `export_threads` may be 0. */
static bool set_up(struct service *service, int export_threads, struct error *err)
{
    const struct config *config = service->config;
    struct exporter exporter;

    service->tasks = (struct db_settings) {
        .conninfo = config->conninfo,
        .application_name = "waybill",
        .time_zone = "UTC",
        .connect_timeout_ms = config->connect_timeout_ms,
        .query_timeout_ms = config->query_timeout_ms,
    };
    service->inventory = service->tasks;
    service->inventory.application_name = "waybill export";
    service->inventory.time_zone = config->time_zone;
    service->inventory.query_timeout_ms = config->export_timeout * 1000;

    service->api.config = config;
    service->api.pool = db_pool_new(&service->tasks, config->pool_size);
    exporter = (struct exporter) {
        .relation = config->relation,
        .directory = config->directory,
        .csv = {.bom = config->bom, .formula_guard = config->formula_guard, .utc = is_utc(config->time_zone)},
        .timeout = config->export_timeout,
        .lease = config->lease,
        .retention_hours = config->retention_hours,
        .tasks = service->api.pool,
    };
    service->api.workers = workers_start(&exporter, &service->inventory, export_threads);
    if (service->api.workers == NULL)
        return error_set(err, ERROR_INTERNAL, "%d export threads can't be started", export_threads);
    return true;
}

/* Frees what set_up made, once nothing uses it. */
static void tear_down(struct service *service)
{
    workers_free(service->api.workers);
    db_pool_free(service->api.pool);
    config_free(service->config);
}

static int serve_cgi(struct service *service)
{
    struct error err;

    service->api.runs_exports_itself = true;
    if (!set_up(service, 0, &err)) {
        tear_down(service);
        return fail(&err);
    }
    fastcgi_serve_cgi(api_serve, &service->api);
    tear_down(service);
    return 0;
}

/* SIGTERM and SIGINT end the service. They are blocked in all threads, and waited for in this one. */
static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void log_with_address(const char *event, const char *address)
{
    struct log_line line;

    log_begin(&line, LOG_INFO, event);
    log_text(&line, "version", WAYBILL_VERSION);
    log_text(&line, "listen", address == NULL ? "descriptor 0" : address);
    log_end(&line);
}

/* Serves until a signal says stop. `address` is NULL for the socket on descriptor 0. */
static int serve_socket(struct service *service, const char *address)
{
    int grace_ms = service->config->grace * 1000;
    int64_t deadline;
    bool all_answered;
    struct error err;
    sigset_t signals;
    int received;

    block_signals(&signals);
    if (!set_up(service, service->config->export_threads, &err)) {
        tear_down(service);
        return fail(&err);
    }
    service->server = fastcgi_start(service->socket, service->config->request_threads, api_serve, &service->api, &err);
    signal(SIGPIPE, SIG_IGN); /* libfcgi has set handlers of its own */
    if (service->server == NULL) {
        workers_stop(service->api.workers, 0);
        tear_down(service);
        return fail(&err);
    }
    log_with_address("started", address);

    sigwait(&signals, &received);
    log_with_address("stopping", address);
    deadline = clock_monotonic_ms() + grace_ms;
    workers_drain(service->api.workers); /* requests that wait for an export are answered now */
    all_answered = fastcgi_stop(service->server, grace_ms);
    workers_stop(service->api.workers, clock_remaining_ms(deadline));
    if (address != NULL)
        fastcgi_unlisten(service->socket, address);
    if (!all_answered) {
        log_event(LOG_WARNING, "stopped with requests in hand");
        _exit(0); /* their threads still use what would be freed */
    }
    tear_down(service);
    log_event(LOG_INFO, "stopped");
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct service service = {.socket = STDIN_FILENO};
    enum fastcgi_mode mode = FASTCGI_LISTENING;
    const char *address;
    struct error err;
    int status = parse_arguments(argc, argv, &arguments);

    if (status >= 0)
        return status;
    service.config = config_read(arguments.config_path, &err);
    if (service.config == NULL)
        return fail(&err);
    log_set_level((enum log_level) service.config->log_level);
    if (!check_directory(service.config, &err)) {
        config_free(service.config);
        return fail(&err);
    }

    address = arguments.listen != NULL ? arguments.listen : service.config->listen;
    if (*address == '\0') {
        address = NULL;
        mode = fastcgi_mode();
    } else {
        service.socket = fastcgi_listen(address, &err);
        if (service.socket < 0) {
            config_free(service.config);
            return fail(&err);
        }
    }
    switch (mode) {
    case FASTCGI_LISTENING:
        return serve_socket(&service, address);
    case FASTCGI_CGI:
        return serve_cgi(&service);
    case FASTCGI_NEITHER:
        break;
    }
    config_free(service.config);
    fputs("waybill.fcgi: descriptor 0 is no listening socket; start it from a web server or with --listen\n", stderr);
    return 2;
}
