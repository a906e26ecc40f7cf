#include "access/credential.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/reseal.h"
#include "base/memory.h"
#include "base/text.h"
#include "db/query.h"

void credential_clear(struct credential *credential)
{
    identity_clear(&credential->identity);
    memory_free_secret(credential->sealed_secret);
    *credential = (struct credential) {0};
}

struct credential credential_copy(const struct credential *credential)
{
    struct credential copy = *credential;

    copy.identity = identity_copy(&credential->identity);
    copy.sealed_secret = credential->sealed_secret == NULL ? NULL : memory_copy_text(credential->sealed_secret);
    return copy;
}

/* Reads the rows of a credential: one for each enterprise project, or a single row with NULL for all. */
static void read_identity(const struct db_result *rows, struct identity *identity)
{
    const char *access_key = db_text(rows, 0, "access_key");

    identity->credential_id = db_integer(rows, 0, "credential_id");
    identity->access_key = access_key == NULL ? NULL : memory_copy_text(access_key);
    (void) !permissions_parse(db_text(rows, 0, "permissions"), &identity->permissions); /* the table has no others */
    identity->project_id = memory_copy_text(db_text(rows, 0, "project_id"));
    identity->all = db_is_null(rows, 0, "enterprise_project_id");
    if (identity->all)
        return;
    identity->enterprise_projects = memory_zeroed(db_rows(rows), sizeof(char *));
    for (size_t i = 0; i < db_rows(rows); i++)
        identity->enterprise_projects[identity->count++] = memory_copy_text(db_text(rows, i, "enterprise_project_id"));
}

static void read_credential(const struct db_result *rows, struct credential *credential)
{
    const char *secret = db_text(rows, 0, "sealed_secret");

    *credential = (struct credential) {
        .use_is_recorded = db_boolean(rows, 0, "use_is_recorded"),
        .valid_ms = db_integer(rows, 0, "valid_ms"),
    };
    read_identity(rows, &credential->identity);
    if (secret != NULL)
        credential->sealed_secret = memory_copy_text(secret);
}

#define SELECT_VALID                                                                                                   \
    "SELECT credential_id, access_key, sealed_secret,"                                                                 \
    "       array_to_string(permissions, ',') AS permissions, project_id, enterprise_project_id,"                      \
    "       last_use_time >= date_trunc('hour', now()) AS use_is_recorded,"                                            \
    "       (extract(epoch FROM least(expire_time, date_trunc('hour', now()) + interval '1 hour') - now())"            \
    "        * 1000)::bigint AS valid_ms"                                                                              \
    " FROM waybill.credential LEFT JOIN LATERAL unnest(enterprise_projects) AS enterprise_project_id ON true"          \
    " WHERE revoke_time IS NULL AND (expire_time IS NULL OR expire_time > now()) AND "

static bool find(struct db *db, const char *sql, const char *key, bool *ret_found, struct credential *ret_credential,
                 struct error *err)
{
    struct db_result *rows = db_query_prepared(db, DB_ROWS, sql, 1, &key, err);

    if (rows == NULL)
        return false;
    *ret_found = db_rows(rows) > 0;
    if (*ret_found)
        read_credential(rows, ret_credential);
    db_result_free(rows);
    return true;
}

bool credential_find(struct db *db, enum credential_kind kind, const char *key, bool *ret_found,
                     struct credential *ret_credential, struct error *err)
{
    static const char *const sql[] = {
        [CREDENTIAL_TOKEN] = SELECT_VALID "token_sha256 = decode($1, 'hex')",
        [CREDENTIAL_ACCESS_KEY] = SELECT_VALID "access_key = $1",
    };

    return find(db, sql[kind], key, ret_found, ret_credential, err);
}

bool credential_find_by_id(struct db *db, int64_t credential_id, bool *ret_found, struct credential *ret_credential,
                           struct error *err)
{
    static const char sql[] = SELECT_VALID "credential_id = $1::bigint";
    char id[24];

    snprintf(id, sizeof(id), "%" PRId64, credential_id);
    return find(db, sql, id, ret_found, ret_credential, err);
}

void credential_record_use(struct db *db, const struct credential *credential)
{
    /*
     * Skips a row that another request is updating, so that requests do not wait for each other. The commit does not
     * wait for the disk or a standby: a request that only reads must not depend on them.
     */
    static const char sql[] =
        "UPDATE waybill.credential SET last_use_time = date_trunc('hour', now())"
        " WHERE credential_id = (SELECT credential_id FROM waybill.credential"
        "                        WHERE credential_id = $1::bigint"
        "                        AND set_config('synchronous_commit', 'off', true) = 'off'"
        "                        FOR NO KEY UPDATE SKIP LOCKED)";
    char id[24];
    const char *const values[] = {id};
    struct error ignored;

    if (credential->use_is_recorded)
        return;
    snprintf(id, sizeof(id), "%" PRId64, credential->identity.credential_id);
    (void) !db_execute(db, sql, ARRAY_SIZE(values), values, NULL, &ignored);
}

/* Inserts a credential: $6 is the hash of a token, or NULL; $7 and $8 are an access key and its secret, or NULL. */
static bool add(struct db *db, const struct credential_spec *spec, const char *token_sha256, const char *access_key,
                const char *sealed_secret, struct error *err)
{
    static const char sql[] =
        "INSERT INTO waybill.credential"
        " (name, project_id, enterprise_projects, permissions, expire_time, token_sha256, access_key, sealed_secret)"
        " VALUES ($1, $2, $3::text[], string_to_array($4, ','), now() + $5::bigint * interval '1 millisecond',"
        "         decode($6, 'hex'), $7, $8)";
    char permissions[PERMISSIONS_SIZE];
    char lifetime[24];
    const char *const values[] = {spec->name, spec->project_id, spec->enterprise_projects, permissions,
                                  spec->lifetime == 0 ? NULL : lifetime, token_sha256, access_key, sealed_secret};

    permissions_format(spec->permissions, permissions);
    snprintf(lifetime, sizeof(lifetime), "%" PRId64, spec->lifetime);
    return db_execute(db, sql, ARRAY_SIZE(values), values, NULL, err);
}

bool credential_add_token(struct db *db, const struct credential_spec *spec, const char *token_sha256,
                          struct error *err)
{
    return add(db, spec, token_sha256, NULL, NULL, err);
}

bool credential_add_access_key(struct db *db, const struct credential_spec *spec, const char *access_key,
                               const char *sealed_secret, struct error *err)
{
    return add(db, spec, NULL, access_key, sealed_secret, err);
}

bool credential_reseal(struct db *db, struct key_ring *ring, struct error *err)
{
    const struct reseal reseal = {
        .select = "SELECT access_key AS id, access_key AS context, sealed_secret AS secret FROM waybill.credential"
                  " WHERE access_key IS NOT NULL ORDER BY credential_id FOR NO KEY UPDATE",
        .update = "UPDATE waybill.credential SET sealed_secret = $2 WHERE access_key = $1",
        .unseal = key_ring_unseal,
        .seal = key_ring_seal,
    };

    return reseal_secrets(db, ring, &reseal, err);
}

bool credential_revoke(struct db *db, enum credential_kind kind, const char *key, struct error *err)
{
    static const struct {
        const char *sql;
        const char *name;
    } kinds[] = {
        [CREDENTIAL_TOKEN] = {"UPDATE waybill.credential SET revoke_time = now()"
                              " WHERE credential_id = $1::bigint AND token_sha256 IS NOT NULL AND revoke_time IS NULL",
                              "token"},
        [CREDENTIAL_ACCESS_KEY] = {"UPDATE waybill.credential SET revoke_time = now()"
                                   " WHERE access_key = $1 AND revoke_time IS NULL", "access key"},
    };
    char excerpt[TEXT_EXCERPT_SIZE];
    int64_t changed = 0;

    if (!db_execute(db, kinds[kind].sql, 1, &key, &changed, err))
        return false;
    return changed == 1 ? true : error_set(err, ERROR_NOT_FOUND, "there is no %s %s, or it is already revoked",
                                           kinds[kind].name, text_excerpt(excerpt, key, strlen(key)));
}

bool credential_list(struct db *db, enum credential_kind kind, const char *project_id,
                     void (*each)(const struct credential_entry *entry), struct error *err)
{
    static const char iso[] = "YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"";
    static const char sql[] =
        "SELECT coalesce(access_key, credential_id::text) AS key, name, project_id,"
        "       array_to_string(enterprise_projects, ',') AS enterprise_projects,"
        "       array_to_string(permissions, ',') AS permissions,"
        "       to_char(create_time AT TIME ZONE 'UTC', $2) AS create_time,"
        "       to_char(expire_time AT TIME ZONE 'UTC', $2) AS expire_time,"
        "       to_char(last_use_time AT TIME ZONE 'UTC', $2) AS last_use_time,"
        "       CASE WHEN revoke_time IS NOT NULL THEN 'revoked' WHEN expire_time <= now() THEN 'expired'"
        "            ELSE 'valid' END AS state"
        " FROM waybill.credential"
        " WHERE ($1::text IS NULL OR project_id = $1::text) AND (access_key IS NOT NULL) = $3::boolean"
        " ORDER BY credential_id";
    const char *const values[] = {project_id, iso, kind == CREDENTIAL_ACCESS_KEY ? "true" : "false"};
    struct db_result *rows = db_query(db, DB_ROWS, sql, ARRAY_SIZE(values), values, err);

    if (rows == NULL)
        return false;
    for (size_t i = 0; i < db_rows(rows); i++) {
        const struct credential_entry entry = {
            .key = db_text(rows, i, "key"),
            .name = db_text(rows, i, "name"),
            .project_id = db_text(rows, i, "project_id"),
            .enterprise_projects = db_text(rows, i, "enterprise_projects"),
            .permissions = db_text(rows, i, "permissions"),
            .create_time = db_text(rows, i, "create_time"),
            .expire_time = db_text(rows, i, "expire_time"),
            .last_use_time = db_text(rows, i, "last_use_time"),
            .state = db_text(rows, i, "state"),
        };

        each(&entry);
    }
    db_result_free(rows);
    return true;
}
