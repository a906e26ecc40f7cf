/* Opens and closes connections. */
#include "db/connection.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "db/internal.h"

struct db *db_open(const struct db_settings *settings, struct error *err)
{
    struct db *db = memory_zeroed(1, sizeof(*db));
    const char *encoding;

    db->query_timeout_ms = settings->query_timeout_ms;
    db->connection = db_connect(db, settings);
    if (db->connection == NULL || PQstatus(db->connection) != CONNECTION_OK) {
        const char *reason = db->connection == NULL                        ? "out of memory"
                             : PQstatus(db->connection) == CONNECTION_BAD ? PQerrorMessage(db->connection)
                                                                          : "no connection within the time limit";

        db_fail_with(err, ERROR_UNAVAILABLE);
        error_detail(err, "%s", reason);
        goto fail;
    }
    if (PQsetnonblocking(db->connection, 1) != 0) {
        db_fail(db, NULL, err);
        goto fail;
    }
    encoding = PQparameterStatus(db->connection, "server_encoding");
    if (encoding == NULL || strcmp(encoding, "UTF8") != 0) {
        error_set(err, ERROR_CONFIG, "the encoding of the database must be UTF8, got %s",
                  encoding == NULL ? "no value" : encoding);
        goto fail;
    }
    if (!db_pin_session(db, settings, err))
        goto fail;
    return db;

fail:
    db_close(db);
    return NULL;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    PQfinish(db->connection);
    for (size_t i = 0; i < DB_MAX_SHAPES; i++)
        free(db->shapes[i]);
    free(db->scope_project);
    free(db->scope_enterprise_projects);
    free(db);
}

bool db_is_usable(struct db *db)
{
    if (db->abandoned || PQstatus(db->connection) != CONNECTION_OK
        || PQtransactionStatus(db->connection) != PQTRANS_IDLE)
        return false;
    if (!db_wait_socket(db->connection, POLLIN, 0))
        return true;
    /*
     * Input on an idle connection is usually the announcement of a shutdown (handle_notice) or the end of the stream.
     */
    if (PQconsumeInput(db->connection) == 0 || PQisBusy(db->connection) != 0)
        return false;
    return !db->abandoned && PQstatus(db->connection) == CONNECTION_OK && !db_wait_socket(db->connection, POLLIN, 0);
}
