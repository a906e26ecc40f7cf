#include "worker.h"

#include <unistd.h>

#include "base/log.h"
#include "base/signals.h"
#include "cli/options.h"
#include "engine.h"

bool worker_run(int argc, char **argv, const struct config *config, struct error *err)
{
    const struct cli_option options[] = {{0}};
    struct engine *engine;

    if (!cli_parse_options("worker", argc, argv, options, err))
        return false;
    if (config->export_threads == 0)
        return error_set(err, ERROR_CONFIG, "[export] threads must be at least 1 for a worker, got 0");
    log_configure(config->log_level, config->log_format);
    signals_block();
    engine = engine_start(config, ENGINE_WITH_THREADS, err);
    if (engine == NULL)
        return false;
    log_event(LOG_INFO, "worker started");
    signals_wait();
    log_event(LOG_INFO, "worker stopping");
    if (!engine_stop(engine, config->grace * 1000)) {
        log_event(LOG_WARNING, "stopped with work in progress");
        _exit(0);
    }
    engine_free(engine);
    log_event(LOG_INFO, "worker stopped");
    return true;
}
