/* waybill.fcgi, the service: reads the options and the configuration, then serves FastCGI or CGI. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/signals.h"
#include "engine.h"
#include "http/fastcgi.h"
#include "http/listen.h"

#define IDLE_MS 200 /* request threads get at least this long to end, which is enough for idle threads */

static const char usage[] =
    "usage: waybill.fcgi [--config FILE] [--listen PATH|HOST:PORT]\n"
    "       waybill.fcgi --version | --help\n";

struct arguments {
    const char *config_path;
    const char *listen;
};

/* The parts of the process, in the order in which they are started. */
struct service {
    struct config *config;
    int socket;
    struct engine *engine;
    struct api api;
    struct fastcgi_server *server;
};

/* Logs the error and returns the exit status. */
static int report_start_failure(const struct error *err)
{
    struct log_line line;

    log_begin(&line, LOG_ERROR, "not started");
    log_error(&line, err);
    log_end(&line);
    return error_info(err->code)->exit_status;
}

/* Returns the exit status, or -1 to continue. */
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

static bool start_engine(struct service *service, enum engine_kind kind, struct error *err)
{
    service->engine = engine_start(service->config, kind, err);
    if (service->engine == NULL)
        return false;
    service->api = (struct api) {
        .config = service->config,
        .access = engine_access(service->engine),
        .pool = engine_pool(service->engine),
        .inventory = engine_inventory_pool(service->engine),
        .workers = engine_workers(service->engine),
        .watches = engine_watches(service->engine),
        .housekeeper = engine_housekeeper(service->engine),
        .contract = engine_contract(service->engine),
        .runs_exports_itself = kind == ENGINE_WITHOUT_THREADS,
    };
    return true;
}

static int serve_cgi(struct service *service)
{
    struct error err;

    if (!start_engine(service, ENGINE_WITHOUT_THREADS, &err))
        return report_start_failure(&err);
    fastcgi_serve_cgi(api_serve, &service->api);
    if (!engine_stop(service->engine, service->config->grace * 1000))
        _exit(0);
    engine_free(service->engine);
    return 0;
}

static void log_with_address(const char *event, const char *address)
{
    struct log_line line;

    log_begin(&line, LOG_INFO, event);
    log_text(&line, "version", WAYBILL_VERSION);
    log_text(&line, "listen", address == NULL ? "descriptor 0" : address);
    log_end(&line);
}

/* Starts the threads that serve the socket and run exports. */
static bool start(struct service *service, struct error *err)
{
    const struct config *config = service->config;

    signals_block();
    if (!start_engine(service, ENGINE_WITH_THREADS, err))
        return false;
    service->server = fastcgi_start(service->socket, config->request_threads, config->waiting_requests,
                                    &api_whole, api_serve, &service->api, err);
    signal(SIGPIPE, SIG_IGN); /* libfcgi has installed its own handler */
    if (service->server != NULL)
        return true;
    if (engine_stop(service->engine, 0))
        engine_free(service->engine);
    return false;
}

/* Stops the threads within the grace time. Returns true if all have ended. */
static bool stop(struct service *service)
{
    int grace_ms = service->config->grace * 1000;
    int64_t deadline = clock_monotonic_ms() + (grace_ms > IDLE_MS ? grace_ms : IDLE_MS);
    bool requests_ended, exports_ended;

    /* Requests in progress continue. Requests that wait for a task respond immediately. */
    fastcgi_close(service->server);
    exports_ended = engine_stop(service->engine, grace_ms);
    requests_ended = fastcgi_stop(service->server, clock_remaining_ms(deadline));
    if (!requests_ended || !exports_ended)
        return false; /* everything that the threads use must remain valid */
    engine_free(service->engine);
    return true;
}

/* Serves until a signal stops the process. `address` is NULL for the socket on descriptor 0. */
static int serve_socket(struct service *service, const char *address)
{
    struct error err;
    bool all_ended;

    if (!start(service, &err)) {
        if (address != NULL)
            fastcgi_unlisten(service->socket, address);
        return report_start_failure(&err);
    }
    log_with_address("started", address);
    signals_wait();
    log_with_address("stopping", address);
    all_ended = stop(service);
    if (address != NULL)
        fastcgi_unlisten(all_ended ? service->socket : -1, address);
    if (!all_ended) {
        log_event(LOG_WARNING, "stopped with work in progress");
        _exit(0);
    }
    log_event(LOG_INFO, "stopped");
    return 0;
}

/* Serves FastCGI on `address`. If it is empty, descriptor 0 determines whether to serve FastCGI or CGI. */
static int serve(struct service *service, const char *address)
{
    enum fastcgi_mode mode = FASTCGI_LISTENING;
    struct error err;

    if (*address == '\0') {
        address = NULL;
        mode = fastcgi_mode();
    } else {
        service->socket = fastcgi_listen(address, &err);
        if (service->socket < 0)
            return report_start_failure(&err);
    }
    switch (mode) {
    case FASTCGI_LISTENING:
        return serve_socket(service, address);
    case FASTCGI_CGI:
        return serve_cgi(service);
    case FASTCGI_NEITHER:
        break;
    }
    fputs("waybill.fcgi: descriptor 0 is not a listening socket; start it from a web server or with --listen\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct service service = {.socket = STDIN_FILENO};
    struct error err;
    /* A web server may build the arguments of a CGI program from the query of a request (RFC 3875 section 4.4). */
    int status = getenv("GATEWAY_INTERFACE") != NULL ? -1 : parse_arguments(argc, argv, &arguments);

    if (status >= 0)
        return status;
    service.config = config_read(arguments.config_path, &err);
    if (service.config == NULL)
        return report_start_failure(&err);
    log_configure(service.config->log_level, service.config->log_format);
    status = serve(&service, arguments.listen != NULL ? arguments.listen : service.config->listen);
    config_free(service.config);
    return status;
}
