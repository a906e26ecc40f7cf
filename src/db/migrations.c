#include "db/migrations.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "db/query.h"

#define MIGRATIONS_LOCK 7305511990 /* one process migrates at a time */

static int is_migration(const struct dirent *entry)
{
    const char *name = entry->d_name;
    size_t length = strlen(name);

    for (size_t i = 0; i < 4; i++) {
        if (!isdigit((unsigned char) name[i]))
            return 0;
    }
    return name[4] == '_' && strcmp(name + length - 4, ".sql") == 0;
}

static bool read_file(const char *directory, const char *name, struct buffer *text, struct error *err)
{
    char path[4096];
    char chunk[8192];
    size_t got;
    FILE *file;
    bool failed;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "re");
    if (file == NULL)
        return error_set(err, ERROR_CONFIG, "%s: %s", path, strerror(errno));
    while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buffer_append(text, chunk, got);
    failed = ferror(file) != 0;
    fclose(file);
    return failed ? error_set(err, ERROR_CONFIG, "cannot read %s", path) : true;
}

/* Runs and records the file in the open transaction, unless it has already been applied. */
static bool apply_one(struct db *db, const char *directory, const char *name, bool *ret_applied, struct error *err)
{
    const char *values[] = {name};
    struct buffer script = {0};
    struct db_result *known;
    bool done;

    known = db_query(db, DB_ROWS, "SELECT FROM waybill.schema_migration WHERE name = $1", 1, values, err);
    if (known == NULL)
        return false;
    *ret_applied = db_rows(known) == 0;
    db_result_free(known);
    if (!*ret_applied)
        return true;

    /* Record it first, so that db_commit reports a file that ends the transaction itself. */
    done = read_file(directory, name, &script, err)
           && db_execute(db, "INSERT INTO waybill.schema_migration (name) VALUES ($1)", 1, values, NULL, err)
           && db_run_script(db, buffer_text(&script), err);
    buffer_free(&script);
    return done;
}

/* Puts the name of the file at the start of the detail. */
static void add_migration_name(struct error *err, const char *name)
{
    struct error cause = *err;

    if (cause.detail[0] != '\0')
        error_detail(err, "%s: %s", name, cause.detail);
}

static const char create_table[] =
    "CREATE TABLE IF NOT EXISTS waybill.schema_migration ("
    "    name text PRIMARY KEY,"
    "    apply_time timestamptz NOT NULL DEFAULT now())";

/* Only a superuser can create the roles and the schema. */
static bool check_schema_exists(struct db *db, struct error *err)
{
    static const char sql[] = "SELECT to_regnamespace('waybill') IS NOT NULL AS exists";
    struct db_result *row = db_query(db, DB_ONE_ROW, sql, 0, NULL, err);
    bool exists;

    if (row == NULL)
        return false;
    exists = db_boolean(row, 0, "exists");
    db_result_free(row);
    if (exists)
        return true;
    return error_set(err, ERROR_CONFIG, "the database has no schema waybill: run setup.sql first");
}

/* The role waybill_loader can be newer than the migration that grants to it. */
static bool grant_to_loader(struct db *db, struct error *err)
{
    static const char script[] =
        "DO $$"
        "BEGIN"
        "    IF to_regprocedure('waybill.grant_to_loader()') IS NOT NULL THEN"
        "        PERFORM waybill.grant_to_loader();"
        "    END IF;"
        "END"
        "$$";

    if (db_begin_locked(db, MIGRATIONS_LOCK, err) && db_run_script(db, script, err) && db_commit(db, err))
        return true;
    db_rollback(db);
    return false;
}

/* Lists the migrations of a directory in order. Returns their number, or -1. Free each, and then the list. */
static int list_files(const char *directory, struct dirent ***ret_entries, struct error *err)
{
    int count = scandir(directory, ret_entries, is_migration, alphasort);

    if (count < 0) {
        error_set(err, ERROR_CONFIG, "%s: %s", directory, strerror(errno));
    } else if (count == 0) {
        error_set(err, ERROR_CONFIG, "%s contains no migration NNNN_name.sql", directory);
        free(*ret_entries);
        count = -1;
    }
    return count;
}

bool migrations_apply(struct db *db, const char *directory, void (*applied)(const char *name), struct error *err)
{
    struct dirent **entries;
    int count = list_files(directory, &entries, err);
    bool good;

    if (count < 0)
        return false;
    good = check_schema_exists(db, err);

    for (int i = 0; i < count; i++) {
        bool is_new = false;

        if (good) {
            good = db_begin_locked(db, MIGRATIONS_LOCK, err)
                   && db_run_script(db, create_table, err)
                   && apply_one(db, directory, entries[i]->d_name, &is_new, err)
                   && db_commit(db, err);
            if (!good) {
                add_migration_name(err, entries[i]->d_name);
                db_rollback(db);
            }
        }
        if (good && is_new)
            applied(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return good && grant_to_loader(db, err);
}

static void copy_name(char out[256], const char *name)
{
    snprintf(out, 256, "%s", name);
}

/* Both lists are sorted by name. */
static void compare(const struct db_result *applied, struct dirent **files, size_t count,
                    struct migrations_difference *difference)
{
    size_t file = 0, row = 0;

    while (file < count || row < db_rows(applied)) {
        int order = file == count            ? 1
                    : row == db_rows(applied) ? -1
                                              : strcmp(files[file]->d_name, db_text(applied, row, "name"));

        if (order < 0 && difference->missing[0] == '\0')
            copy_name(difference->missing, files[file]->d_name);
        if (order > 0)
            copy_name(difference->unknown, db_text(applied, row, "name"));
        if (order <= 0)
            copy_name(difference->newest, files[file++]->d_name);
        if (order >= 0)
            row++;
    }
}

bool migrations_compare(struct db *db, const char *directory, struct migrations_difference *ret_difference,
                        struct error *err)
{
    static const char sql[] = "SELECT name FROM waybill.schema_migration ORDER BY name COLLATE \"C\"";
    struct dirent **files;
    int count = list_files(directory, &files, err);
    struct db_result *applied;
    bool compared;

    if (count < 0)
        return false;
    applied = db_query(db, DB_ROWS, sql, 0, NULL, err);
    compared = applied != NULL;
    if (compared) {
        *ret_difference = (struct migrations_difference) {0};
        compare(applied, files, (size_t) count, ret_difference);
    }
    db_result_free(applied);
    for (int i = 0; i < count; i++)
        free(files[i]);
    free(files);
    return compared;
}
