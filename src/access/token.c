#include "access/token.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/memory.h"
#include "base/text.h"
#include "db/query.h"

#define RANDOM_SIZE 32
#define PREFIX "wbt_" /* scanners for leaked secrets can recognize it */

static void hash_token(const char *token, char out[2 * SHA256_SIZE + 1])
{
    unsigned char sha256[SHA256_SIZE];

    digest_sha256(token, strlen(token), sha256);
    text_hex(out, sha256, sizeof(sha256));
}

/* Reads the rows of a token: one for each enterprise project, or a single row with NULL for all. */
static void read_identity(const struct db_result *rows, struct identity *identity)
{
    identity->token_id = db_integer(rows, 0, "token_id");
    identity->project_id = memory_copy_text(db_text(rows, 0, "project_id"));
    identity->all = db_is_null(rows, 0, "enterprise_project_id");
    if (identity->all)
        return;
    identity->enterprise_projects = memory_zeroed(db_rows(rows), sizeof(char *));
    for (size_t i = 0; i < db_rows(rows); i++)
        identity->enterprise_projects[identity->count++] = memory_copy_text(db_text(rows, i, "enterprise_project_id"));
}

bool token_check(const char *token, struct error *err)
{
    if (token == NULL || *token == '\0')
        return error_set(err, ERROR_IDENTITY, "X-Auth-Token is required: 1 to %d characters, got none",
                         TOKEN_MAX_LENGTH);
    if (strlen(token) > TOKEN_MAX_LENGTH)
        return error_set(err, ERROR_IDENTITY, "X-Auth-Token must be 1 to %d characters long, got %zu", TOKEN_MAX_LENGTH,
                         strlen(token));
    return true;
}

#define SELECT_VALID_TOKEN                                                                                         \
    "SELECT token_id, project_id, enterprise_project_id"                                                           \
    " FROM waybill.access_token LEFT JOIN LATERAL unnest(enterprise_projects) AS enterprise_project_id ON true"    \
    " WHERE revoke_time IS NULL AND (expire_time IS NULL OR expire_time > now()) AND "

/* Runs SELECT_VALID_TOKEN. *ret_known is false if there is no valid token. */
static bool find_identity(struct db *db, const char *sql, const char *key, bool *ret_known,
                          struct identity *ret_identity, struct error *err)
{
    struct db_result *rows = db_query(db, DB_ROWS, sql, 1, &key, err);

    if (rows == NULL)
        return false;
    *ret_known = db_rows(rows) > 0;
    if (*ret_known)
        read_identity(rows, ret_identity);
    db_result_free(rows);
    return true;
}

bool token_identify(struct db *db, const char *token, struct identity *ret_identity, struct error *err)
{
    static const char sql[] = SELECT_VALID_TOKEN "token_sha256 = decode($1, 'hex')";
    char hash[2 * SHA256_SIZE + 1];
    bool known;

    hash_token(token, hash);
    if (!find_identity(db, sql, hash, &known, ret_identity, err))
        return false;
    return known ? true : error_set(err, ERROR_IDENTITY,
                                    "X-Auth-Token must be a valid token, got one that is unknown, expired or revoked");
}

bool token_identify_by_id(struct db *db, int64_t token_id, struct identity *ret_identity, struct error *err)
{
    static const char sql[] = SELECT_VALID_TOKEN "token_id = $1::bigint";
    char id[24];
    bool known;

    snprintf(id, sizeof(id), "%" PRId64, token_id);
    if (!find_identity(db, sql, id, &known, ret_identity, err))
        return false;
    return known ? true : error_set(err, ERROR_PERMISSION, "the token of the schedule must be valid, got one that is"
                                    " expired or revoked");
}

bool token_create(struct db *db, const char *name, const char *project_id, const char *enterprise_projects,
                  int64_t lifetime, char ret_token[TOKEN_SIZE], struct error *err)
{
    static const char sql[] =
        "INSERT INTO waybill.access_token (token_sha256, name, project_id, enterprise_projects, expire_time)"
        " VALUES (decode($1, 'hex'), $2, $3, $4::text[], now() + $5::bigint * interval '1 millisecond')";
    unsigned char secret[RANDOM_SIZE];
    char hash[2 * SHA256_SIZE + 1];
    char lifetime_text[24];
    const char *const values[] = {hash, name, project_id, enterprise_projects, lifetime == 0 ? NULL : lifetime_text};

    random_bytes(secret, sizeof(secret));
    memcpy(ret_token, PREFIX, strlen(PREFIX));
    text_hex(ret_token + strlen(PREFIX), secret, sizeof(secret));
    hash_token(ret_token, hash);
    snprintf(lifetime_text, sizeof(lifetime_text), "%" PRId64, lifetime);
    return db_execute(db, sql, ARRAY_SIZE(values), values, NULL, err);
}

bool token_revoke(struct db *db, int64_t token_id, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.access_token SET revoke_time = now() WHERE token_id = $1::bigint AND revoke_time IS NULL";
    char id[24];
    const char *const values[] = {id};
    int64_t changed = 0;

    snprintf(id, sizeof(id), "%" PRId64, token_id);
    if (!db_execute(db, sql, ARRAY_SIZE(values), values, &changed, err))
        return false;
    return changed == 1 ? true : error_set(err, ERROR_NOT_FOUND, "there is no token %s, or it is already revoked", id);
}

bool token_list(struct db *db, const char *project_id, void (*each)(const struct token_entry *entry), struct error *err)
{
    static const char iso[] = "YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"";
    static const char sql[] =
        "SELECT token_id, name, project_id, array_to_string(enterprise_projects, ',') AS enterprise_projects,"
        "       to_char(create_time AT TIME ZONE 'UTC', $2) AS create_time,"
        "       to_char(expire_time AT TIME ZONE 'UTC', $2) AS expire_time,"
        "       CASE WHEN revoke_time IS NOT NULL THEN 'revoked' WHEN expire_time <= now() THEN 'expired'"
        "            ELSE 'valid' END AS state"
        " FROM waybill.access_token WHERE $1::text IS NULL OR project_id = $1::text ORDER BY token_id";
    const char *const values[] = {project_id, iso};
    struct db_result *rows = db_query(db, DB_ROWS, sql, ARRAY_SIZE(values), values, err);

    if (rows == NULL)
        return false;
    for (size_t i = 0; i < db_rows(rows); i++) {
        const struct token_entry entry = {
            .token_id = db_text(rows, i, "token_id"),
            .name = db_text(rows, i, "name"),
            .project_id = db_text(rows, i, "project_id"),
            .enterprise_projects = db_text(rows, i, "enterprise_projects"),
            .create_time = db_text(rows, i, "create_time"),
            .expire_time = db_text(rows, i, "expire_time"),
            .state = db_text(rows, i, "state"),
        };

        each(&entry);
    }
    db_result_free(rows);
    return true;
}
