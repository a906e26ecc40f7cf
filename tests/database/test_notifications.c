/* The table of notifications: who sends which one when. Leases and pauses pass by moving the times in the table. */
#include "schedule/notification.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/check.h"
#include "base/buffer.h"
#include "server.h"

#define SCHEDULE "00000000-0000-0000-0000-00000000000"
#define URL_A "https://a.example/hook"
#define URL_B "https://b.example:8443/"
#define MAX_MS 100000

static struct db *db;

static void run(const char *format, ...) PRINTF_LIKE(1, 2);

static void run(const char *format, ...)
{
    struct buffer script = {0};
    va_list arguments;

    va_start(arguments, format);
    buffer_vprintf(&script, format, arguments);
    va_end(arguments);
    server_run(db, script.data);
    buffer_free(&script);
}

/* Returns a number that a query computes as `n`. */
static int64_t ask(const char *sql)
{
    struct error err;
    struct db_result *row = db_query(db, DB_ONE_ROW, sql, 0, NULL, &err);
    int64_t number;

    check_good(row != NULL, &err);
    number = db_integer(row, 0, "n");
    db_result_free(row);
    return number;
}

static bool holds(const char *condition)
{
    struct buffer sql = {0};
    bool result;

    buffer_printf(&sql, "SELECT count(*) AS n FROM waybill.notification WHERE %s", condition);
    result = ask(sql.data) > 0;
    buffer_free(&sql);
    return result;
}

/* Begins with schedules 1 and 2, without notifications. */
static void begin(void)
{
    db = server_open(SERVER_PATIENT_MS);
    run("DELETE FROM waybill.export_schedule");
    for (int i = 1; i <= 2; i++)
        run("INSERT INTO waybill.export_schedule (schedule_id, project_id, name, rule, time_zone, start_time, enabled,"
            " keep, enterprise_project_id, export_size, request, notify_url, notify_secret, create_time, pending_from)"
            " VALUES ('" SCHEDULE "%d', 'p', 's%d', 'FREQ=DAILY', 'UTC', now(), true, 1, '0', 1, '{}', '%s',"
            " 'whsec_%d', now(), now())", i, i, i == 1 ? URL_A : URL_B, i);
}

static void end(void)
{
    db_close(db);
}

static void add(int schedule, const char *body)
{
    char id[TEXT_UUID_LENGTH + 1];
    struct error err;

    snprintf(id, sizeof(id), SCHEDULE "%d", schedule);
    check_good(notification_add(db, id, schedule == 1 ? URL_A : URL_B, body, &err), &err);
}

/* Claims a notification, which must have this body; NULL: there must be none. */
static struct notification *claim(const char *body)
{
    struct notification *notification = NULL;
    struct error err;

    check_good(notification_claim(db, &notification, &err), &err);
    if ((notification == NULL) != (body == NULL))
        check_fail("claimed %s, not %s", notification == NULL ? "nothing" : notification->body,
                   body == NULL ? "nothing" : body);
    if (body != NULL)
        assert_string_equal(notification->body, body);
    return notification;
}

static void deliver(struct notification *notification)
{
    struct error err;

    check_good(notification_deliver(db, notification, &err), &err);
    notification_free(notification);
}

/* Returns whether the notification was given up. */
static bool fail_attempt(struct notification *notification)
{
    bool given_up = false;
    struct error err;

    check_good(notification_fail(db, notification, "the reason", &given_up, &err), &err);
    notification_free(notification);
    return given_up;
}

static void release(struct notification *notification)
{
    struct error err;

    check_good(notification_release(db, notification, &err), &err);
    notification_free(notification);
}

static void pass_seconds(int seconds)
{
    run("UPDATE waybill.notification SET next_attempt_time = next_attempt_time - %d * interval '1 second'", seconds);
}

static void check_next_due(int min_ms, int max_ms)
{
    struct error err;
    int ms = -1;

    check_good(notification_next_due(db, MAX_MS, &ms, &err), &err);
    assert_in_range(ms, min_ms, max_ms);
}

static void nothing_to_send(void)
{
    begin();
    assert_null(claim(NULL));
    check_next_due(MAX_MS, MAX_MS);
    end();
}

static void claims_a_notification(void)
{
    struct notification *n;

    begin();
    add(1, "{\"state\":\"b\xC3\xBC\"}");
    check_next_due(0, 0);
    n = claim("{\"state\":\"b\xC3\xBC\"}");
    assert_true(text_is_uuid(n->notification_id));
    assert_string_equal(n->schedule_id, SCHEDULE "1");
    assert_string_equal(n->receiver, "a.example:443");
    assert_string_equal(n->url, URL_A);
    assert_string_equal(n->stored_secret, "whsec_1");
    assert_int_equal(n->attempt, 1);
    assert_true(holds("is_sending AND attempts = 1 AND last_error IS NULL"
                      " AND next_attempt_time BETWEEN now() + interval '10 s' AND now() + interval '30.001 s'"));
    deliver(n);
    assert_false(holds("true"));
    end();
}

static void refuses_to_add(void)
{
    struct error err;

    begin();
    assert_false(notification_add(db, SCHEDULE "1", "nowhere", "{}", &err));
    check_refusal(&err, ERROR_PARAMETER, "notify_url");
    assert_false(notification_add(db, SCHEDULE "3", URL_A, "{}", &err));
    check_refusal(&err, ERROR_INTERNAL, "");
    assert_false(holds("true"));
    end();
}

/* Both processes may still be alive. */
static void a_lease_expires(void)
{
    struct notification *first, *second;

    begin();
    add(1, "x");
    first = claim("x");
    assert_null(claim(NULL));
    pass_seconds(5);
    assert_null(claim(NULL));
    check_next_due(1, 25000);
    pass_seconds(25);
    check_next_due(0, 0);
    second = claim("x");
    assert_int_equal(second->attempt, 2);
    assert_string_equal(second->notification_id, first->notification_id);
    assert_false(fail_attempt(first));
    assert_true(holds("is_sending AND attempts = 2 AND last_error IS NULL"));
    pass_seconds(30);
    first = claim("x");
    release(second);
    assert_true(holds("is_sending AND attempts = 3 AND next_attempt_time > now()"));
    release(first);
    deliver(claim("x"));
    end();
}

static void a_late_delivery_counts(void)
{
    struct notification *first, *second;

    begin();
    add(1, "x");
    first = claim("x");
    pass_seconds(30);
    second = claim("x");
    deliver(first);
    assert_false(holds("true"));
    assert_false(fail_attempt(second));
    assert_false(holds("true"));
    end();
}

/* The number of attempts is the same again, but nobody is sending. */
static void a_failure_after_a_release(void)
{
    struct notification *first;

    begin();
    add(1, "x");
    first = claim("x");
    pass_seconds(30);
    release(claim("x"));
    assert_false(fail_attempt(first));
    assert_true(holds("attempts = 1 AND last_error IS NULL"));
    deliver(claim("x"));
    end();
}

static void a_failure_is_retried(void)
{
    struct notification *n;

    begin();
    add(1, "x");
    n = claim("x");
    assert_false(fail_attempt(n));
    assert_true(holds("NOT is_sending AND attempts = 1 AND last_error = 'the reason'"
                      " AND next_attempt_time BETWEEN now() AND now() + interval '10.001 s'"));
    assert_null(claim(NULL));
    check_next_due(1, 10000);
    pass_seconds(10);
    n = claim("x");
    assert_int_equal(n->attempt, 2);
    assert_false(fail_attempt(n));
    assert_true(holds("next_attempt_time BETWEEN now() + interval '20 s' AND now() + interval '60.001 s'"));
    end();
}

static void pauses_grow_over_a_day(void)
{
    int sum = 0, attempt = 1;

    assert_in_range(notification_pause(1), 5, 30);
    for (; notification_pause(attempt) > 0; attempt++) {
        sum += notification_pause(attempt);
        assert_true(attempt == 1 || notification_pause(attempt) > notification_pause(attempt - 1));
    }
    assert_int_equal(sum, 24 * 60 * 60);
    assert_int_equal(attempt, 10);
    assert_int_equal(notification_pause(attempt + 1), 0);
}

static void the_last_attempt(void)
{
    struct notification *n;

    begin();
    add(1, "x");
    run("UPDATE waybill.notification SET attempts = 8");
    n = claim("x");
    assert_int_equal(n->attempt, 9);
    assert_false(fail_attempt(n));
    pass_seconds(36000);
    n = claim("x");
    assert_int_equal(n->attempt, 10);
    assert_true(fail_attempt(n));
    assert_false(holds("true"));
    end();
}

/* A process that no longer holds the claim does not give up the notification. */
static void only_the_holder_gives_up(void)
{
    struct notification *late, *n;

    begin();
    add(1, "x");
    run("UPDATE waybill.notification SET attempts = 9");
    late = claim("x");
    pass_seconds(30);
    n = claim("x");
    assert_int_equal(n->attempt, 11);
    assert_false(fail_attempt(late));
    assert_true(holds("is_sending"));
    assert_true(fail_attempt(n));
    end();
}

static void an_interrupted_attempt_does_not_count(void)
{
    struct notification *n;

    begin();
    add(1, "x");
    release(claim("x"));
    assert_true(holds("NOT is_sending AND attempts = 0 AND last_error IS NULL AND next_attempt_time <= now()"));
    n = claim("x");
    assert_int_equal(n->attempt, 1);
    deliver(n);
    end();
}

/* 1 has five notifications, which are older, 2 has two. */
static void a_receiver_gets_two_at_once(void)
{
    struct notification *a[3], *b[2];

    begin();
    for (int i = 1; i <= 5; i++) {
        char body[] = {'a', (char) ('0' + i), '\0'};

        add(1, body);
    }
    add(2, "b1");
    add(2, "b2");
    run("UPDATE waybill.notification SET next_attempt_time = now() - interval '1 minute'"
        " - (100 - ascii(body) - substr(body, 2)::integer) * interval '1 s'");
    a[0] = claim("a1");
    b[0] = claim("b1");
    a[1] = claim("a2");
    b[1] = claim("b2");
    assert_null(claim(NULL));
    check_next_due(1, 30000);
    deliver(b[0]);
    assert_null(claim(NULL));
    assert_false(fail_attempt(a[1]));
    check_next_due(0, 0);
    a[1] = claim("a3");
    assert_null(claim(NULL));
    release(a[0]);
    a[0] = claim("a4");
    assert_null(claim(NULL));
    pass_seconds(30);
    a[2] = claim("a5");
    deliver(a[2]);
    deliver(a[1]);
    deliver(a[0]);
    deliver(b[1]);
    end();
}

/* Each of the others has one that is being sent, and several older ones. */
static void an_idle_receiver_comes_first(void)
{
    begin();
    run("INSERT INTO waybill.notification (schedule_id, receiver, body, is_sending, next_attempt_time)"
        " SELECT '" SCHEDULE "1', 'r' || r, 'old', i = 0, now() + CASE i WHEN 0 THEN interval '1 hour'"
        "                                                           ELSE interval '-1 hour' END"
        " FROM generate_series(1, 20) AS r, generate_series(0, 10) AS i");
    add(2, "new");
    notification_free(claim("new"));
    notification_free(claim("old"));
    end();
}

/* They have a lease that has expired, as after the end of a process. */
static void abandoned_notifications_do_not_block(void)
{
    begin();
    for (int i = 0; i < 4; i++)
        add(1, "x");
    notification_free(claim("x"));
    notification_free(claim("x"));
    assert_null(claim(NULL));
    pass_seconds(30);
    notification_free(claim("x"));
    notification_free(claim("x"));
    assert_null(claim(NULL));
    end();
}

static void the_schedule_changes(void)
{
    struct notification *n;

    begin();
    add(1, "x");
    run("UPDATE waybill.export_schedule SET notify_url = 'https://c.example/', notify_secret = 'whsec_3'"
        " WHERE schedule_id = '" SCHEDULE "1'");
    n = claim("x");
    assert_string_equal(n->url, "https://c.example/");
    assert_string_equal(n->stored_secret, "whsec_3");
    deliver(n);
    end();
}

static void nobody_wants_it_any_more(void)
{
    begin();
    add(1, "x");
    add(1, "y");
    add(2, "z");
    run("UPDATE waybill.export_schedule SET notify_url = NULL, notify_secret = NULL"
        " WHERE schedule_id = '" SCHEDULE "1'");
    deliver(claim("z"));
    assert_null(claim(NULL));
    assert_false(holds("true"));
    add(1, "x");
    add(2, "z");
    run("DELETE FROM waybill.export_schedule WHERE schedule_id = '" SCHEDULE "1'");
    deliver(claim("z"));
    assert_false(holds("true"));
    end();
}

static void a_locked_row_is_skipped(void)
{
    struct db *other = server_open(SERVER_PATIENT_MS);

    begin();
    add(1, "x");
    add(1, "y");
    run("UPDATE waybill.notification SET next_attempt_time = now() - interval '1 hour' WHERE body = 'x'");
    server_run(other, "BEGIN; SELECT FROM waybill.notification WHERE body = 'x' FOR UPDATE");
    deliver(claim("y"));
    assert_null(claim(NULL));
    server_run(other, "COMMIT");
    deliver(claim("x"));
    db_close(other);
    end();
}

#define ROWS_READ "SELECT sum(idx_tup_read) + (SELECT seq_tup_read FROM pg_stat_user_tables" \
    " WHERE relname = 'notification') AS n FROM pg_stat_user_indexes WHERE relname = 'notification'"

static void a_backlog_costs_nothing(void)
{
    struct notification *n[3];
    int64_t before;

    begin();
    add(2, "z");
    run("INSERT INTO waybill.notification (schedule_id, receiver, body, next_attempt_time)"
        " SELECT '" SCHEDULE "1', 'a.example:443', 'x', now() - i * interval '1 s'"
        " FROM generate_series(1, 20000) AS i");
    run("ANALYZE waybill.notification");
    n[0] = claim("x");
    n[1] = claim("z");
    n[2] = claim("x");
    run("SELECT pg_stat_force_next_flush()");
    before = ask(ROWS_READ);
    assert_null(claim(NULL));
    check_next_due(1, 30000);
    run("SELECT pg_stat_force_next_flush()");
    assert_in_range(ask(ROWS_READ) - before, 1, 100);
    for (int i = 0; i < 3; i++)
        notification_free(n[i]);
    end();
}

#define THREADS 4
#define EACH 60

static atomic_int claimed, too_many, failures;

static void *claim_all(void *argument)
{
    struct db *own = server_open(SERVER_PATIENT_MS);
    struct error err;

    (void) argument;
    while (atomic_load(&claimed) < EACH && atomic_load(&failures) == 0) {
        struct notification *notification = NULL;

        if (!notification_claim(own, &notification, &err)) {
            atomic_fetch_add(&failures, 1);
        } else if (notification != NULL) {
            struct db_result *row = db_query(own, DB_ONE_ROW, "SELECT count(*) AS n FROM waybill.notification"
                                             " WHERE is_sending", 0, NULL, &err);

            atomic_fetch_add(&claimed, 1);
            if (row == NULL || db_integer(row, 0, "n") > 2 || notification->attempt != 1)
                atomic_fetch_add(&too_many, 1);
            db_result_free(row);
            if (!notification_deliver(own, notification, &err))
                atomic_fetch_add(&failures, 1);
            notification_free(notification);
        }
    }
    db_close(own);
    return NULL;
}

static void threads_compete(void)
{
    pthread_t threads[THREADS];

    begin();
    for (int i = 0; i < EACH; i++)
        add(1, "x");
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, claim_all, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&failures), 0);
    assert_int_equal(atomic_load(&too_many), 0);
    assert_int_equal(atomic_load(&claimed), EACH);
    assert_false(holds("true"));
    end();
}

static void freeing_nothing_is_fine(void)
{
    notification_free(NULL);
}

int main(void)
{
    CHECK(nothing_to_send);
    CHECK(claims_a_notification);
    CHECK(refuses_to_add);
    CHECK(a_lease_expires);
    CHECK(a_late_delivery_counts);
    CHECK(a_failure_after_a_release);
    CHECK(a_failure_is_retried);
    CHECK(pauses_grow_over_a_day);
    CHECK(the_last_attempt);
    CHECK(only_the_holder_gives_up);
    CHECK(an_interrupted_attempt_does_not_count);
    CHECK(a_receiver_gets_two_at_once);
    CHECK(an_idle_receiver_comes_first);
    CHECK(abandoned_notifications_do_not_block);
    CHECK(the_schedule_changes);
    CHECK(nobody_wants_it_any_more);
    CHECK(a_locked_row_is_skipped);
    CHECK(a_backlog_costs_nothing);
    CHECK(threads_compete);
    CHECK(freeing_nothing_is_fine);
    return check_run("schedule/notification");
}
