#include "inventory/page.h"

#include "db/query.h"
#include "inventory/combinations.h"
#include "inventory/contract.h"
#include "inventory/load_time.h"

/* Sets the time zone until the end of the transaction, and lets the planner read a table without an index. */
static bool set_environment(struct db *db, const char *time_zone, struct error *err)
{
    static const char sql[] = "SELECT set_config('TimeZone', $1, true), set_config('enable_seqscan', 'on', true)";
    struct db_result *row = db_query_prepared(db, DB_ONE_ROW, sql, 1, &time_zone, err);
    bool set = row != NULL;

    db_result_free(row);
    return set;
}

static bool count_rows(struct db *db, const struct inventory_query *query, int64_t *ret_total, struct error *err)
{
    struct statement statement = {0};
    struct db_result *row;

    inventory_query_build_count(&statement, query);
    row = db_query_built(db, DB_ONE_ROW, &statement, err);
    if (row == NULL)
        return false;
    *ret_total = db_integer(row, 0, "total");
    db_result_free(row);
    return true;
}

static bool read_rows(struct db *db, const struct inventory_query *query, int offset, struct inventory_page *page,
                      struct error *err)
{
    struct statement statement = {0};

    if (!count_rows(db, query, &page->total, err))
        return false;
    if (page->total <= offset)
        return true;
    inventory_query_build_page(&statement, query, offset);
    page->rows = db_query_built(db, DB_ROWS, &statement, err);
    return page->rows != NULL;
}

/* Reads the page in the transaction of the connection, with the combinations that the snapshot has. */
static bool read_page(struct db *db, const struct inventory_query *query, int offset, struct inventory_page *page,
                      struct error *err)
{
    struct inventory_query complete = *query;
    struct combinations combinations;
    bool done;

    if (!combinations_find(db, query->relation, query->project_id, query->enterprise_projects, query->selection,
                           &combinations, err))
        return false;
    complete.combinations = &combinations;
    done = read_rows(db, &complete, offset, page, err)
           && load_time_find(db, query->project_id, &page->load_time, err);
    combinations_free(&combinations);
    return done;
}

bool inventory_page_read(struct db *db, const struct inventory_query *query, int offset, const char *time_zone,
                         struct inventory_page *ret_page, struct error *err)
{
    struct inventory_page page = {0};

    if (db_begin_snapshot(db, err)
        && set_environment(db, time_zone, err)
        && contract_check_query(db, query, err)
        && read_page(db, query, offset, &page, err)
        && db_commit(db, err)) {
        *ret_page = page;
        return true;
    }
    db_rollback(db);
    inventory_page_free(&page);
    return false;
}

void inventory_page_free(struct inventory_page *page)
{
    db_result_free(page->rows);
    page->rows = NULL;
}
