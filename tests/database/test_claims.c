/* Claims of tasks, with a real server. */
#include "export/claim.h"

#include "../unit/check.h"
#include "base/compiler.h"
#include "server.h"

#define CLAIMS 8 /* more than PostgreSQL plans for each set of parameters before it considers a generic plan */

static const char add_tasks[] =
    "DELETE FROM waybill.export_task; "
    "INSERT INTO waybill.export_task (project_id, enterprise_project_id, export_size, request, request_id)"
    " SELECT 'p' || i, '0', 100, '{}', 'r' FROM generate_series(1, " TEXT_OF(CLAIMS) ") i";

#define OF_CLAIMS " FROM pg_catalog.pg_prepared_statements WHERE statement LIKE '%waybill.export_task%'"

/* The first claim of a connection is planned, and no other. Other statements of the connection are not concerned. */
static void claims_are_planned_once(void)
{
    const struct claim_terms terms = {.lease = 60, .running_exports = 2 * CLAIMS};
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct claim *claim;
    struct error err;

    server_run(db, add_tasks);
    for (int i = 0; i < CLAIMS; i++) {
        check_good(claim_next(db, NULL, &terms, &claim, &err), &err);
        assert_non_null(claim);
        assert_int_equal(claim->attempt, 1);
        assert_int_equal(claim->more_are_queued, i < CLAIMS - 1);
        claim_free(claim);
    }
    check_good(claim_next(db, NULL, &terms, &claim, &err), &err);
    assert_null(claim);
    assert_int_equal(server_ask(db, "SELECT sum(generic_plans)::bigint AS number" OF_CLAIMS), CLAIMS + 1);
    assert_int_equal(server_ask(db, "SELECT sum(custom_plans)::bigint AS number" OF_CLAIMS), 0);
    assert_int_equal(server_ask(db, "SELECT (current_setting('plan_cache_mode') = 'auto')::integer AS number"), 1);
    db_close(db);
}

/* It is on disk with the commit that has created its task, unless the response to the commit was lost. */
static void a_claim_that_was_created(void)
{
    const struct claim_terms terms = {.lease = 60};
    const struct task_spec spec = {
        .project_id = "p", .task_id = "00000000-0000-4000-8000-000000000001", .request = "{}", .request_id = "r"};
    struct claim *claim = claim_new(&spec, &terms);

    assert_false(claim_is_durable(claim));
    claim_created(claim);
    assert_true(claim_is_durable(claim));
    claim_free(claim);
}

int main(void)
{
    CHECK(a_claim_that_was_created);
    CHECK(claims_are_planned_once);
    return check_run("export/claim");
}
