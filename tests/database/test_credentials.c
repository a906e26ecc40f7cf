/* What a lookup of a credential says about its validity, with a real server. */
#include "access/credential.h"

#include <stdio.h>

#include "../unit/check.h"
#include "server.h"

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static int64_t read_ms(struct db *db, const char *expression)
{
    char sql[300];

    snprintf(sql, sizeof(sql), "SELECT " DB_MS("%s") " AS number", expression);
    return server_ask(db, sql);
}

static int64_t find_valid_ms(struct db *db)
{
    struct credential credential;
    struct error err;
    bool found;
    int64_t valid_ms;

    check_good(credential_find(db, CREDENTIAL_TOKEN, HASH, &found, &credential, &err), &err);
    assert_true(found);
    valid_ms = credential.valid_ms;
    credential_clear(&credential);
    return valid_ms;
}

static const struct validity_case {
    const char *label;
    int64_t lifetime; /* 0: it does not expire */
} validity_cases[] = {{"no expiry", 0}, {"an expiry in the next hour", 2 * 3600 * 1000}, {"an expiry soon", 30000}};

/* It ends with the credential, and no later than the hour, in which its use is recorded once. */
static void validity(const void *row)
{
    const struct validity_case *c = row;
    const struct credential_spec spec = {
        .name = "test", .project_id = "demo", .permissions = PERMISSION_READ, .lifetime = c->lifetime};
    struct db *db = server_open(SERVER_PATIENT_MS);
    int64_t began, ended, valid_ms, hour, end;
    struct error err;

    server_run(db, "DELETE FROM waybill.credential");
    check_good(credential_add_token(db, &spec, HASH, &err), &err);
    do {
        began = read_ms(db, "clock_timestamp()");
        hour = read_ms(db, "date_trunc('hour', clock_timestamp()) + interval '1 hour'");
        valid_ms = find_valid_ms(db);
        ended = read_ms(db, "clock_timestamp()");
    } while (ended >= hour);
    end = c->lifetime == 0 ? hour : read_ms(db, "(SELECT expire_time FROM waybill.credential)");
    if (end > hour)
        end = hour;
    assert_true(valid_ms <= end - began + 1 && valid_ms >= end - ended - 1); /* rounded to milliseconds */
    db_close(db);
}

int main(void)
{
    CHECK_EACH(validity, validity_cases, label);
    return check_run("access/credential");
}
