/* Statements and their results, as a real server gives them. */
#include "../unit/check.h"
#include "server.h"

static void an_open_connection_is_usable(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;

    check_good(db_ping(db, &err), &err);
    assert_true(db_is_usable(db));
    db_close(db);
}

int main(void)
{
    CHECK(an_open_connection_is_usable);
    return check_run("db/query");
}
