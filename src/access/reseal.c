#include "access/reseal.h"

#include <stdlib.h>

#include "base/memory.h"
#include "db/query.h"

static bool reseal_row(struct db *db, struct key_ring *ring, const struct reseal *reseal, const struct db_result *rows,
                       size_t row, struct error *err)
{
    const char *context = db_text(rows, row, "context");
    char *secret = reseal->unseal(ring, context, db_text(rows, row, "secret"), err);
    char *sealed = secret == NULL ? NULL : reseal->seal(ring, context, secret, err);
    const char *const values[] = {db_text(rows, row, "id"), sealed};
    bool done = sealed != NULL && db_execute(db, reseal->update, ARRAY_SIZE(values), values, NULL, err);

    memory_free_secret(secret);
    free(sealed);
    return done;
}

bool reseal_secrets(struct db *db, struct key_ring *ring, const struct reseal *reseal, struct error *err)
{
    struct db_result *rows;
    bool done;

    if (!db_begin(db, err))
        return false;
    rows = db_query(db, DB_ROWS, reseal->select, 0, NULL, err);
    done = rows != NULL;
    for (size_t i = 0; done && i < db_rows(rows); i++)
        done = reseal_row(db, ring, reseal, rows, i, err);
    db_result_free(rows);
    if (done)
        return db_commit(db, err);
    db_rollback(db);
    return false;
}
