/*
 * Sends notifications without the service, for test_webhook.py and test_notifications.py in tests/integration:
 *
 *     notify send HOSTS ALLOW_HTTP TIMEOUT_MS CA_FILE URL SECRET ID BODY
 *         sends one webhook, and prints "sent" or the name of the error and its message
 *     notify add SCHEDULE_ID URL BODY
 *         adds a notification
 *     notify run HOSTS ALLOW_HTTP TIMEOUT_MS THREADS
 *         runs a notifier until the end of the input, wakes it for each character, and prints the counters at the end
 *
 * ALLOW_HTTP is on or off. An empty CA_FILE means the certificate authorities of the system. WAYBILL_TEST_CONNINFO is
 * the connection string. The pool has one connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/signals.h"
#include "db/pool.h"
#include "metrics/counters.h"
#include "schedule/notification.h"
#include "schedule/notifier.h"
#include "schedule/webhook.h"

#define PATIENT_MS 30000

static int report(const struct error *err)
{
    printf("%s %s (%s)\n", error_info(err->code)->name, err->message, err->detail);
    return EXIT_FAILURE;
}

static struct webhook_terms read_terms(char **arguments)
{
    return (struct webhook_terms) {
        .policy = {.hosts = arguments[0], .allow_http = strcmp(arguments[1], "on") == 0},
        .timeout_ms = atoi(arguments[2]),
    };
}

static int send_one(char **arguments)
{
    struct webhook_terms terms = read_terms(arguments);
    const struct webhook_message message = {
        .url = arguments[4], .secret = arguments[5], .id = arguments[6], .body = arguments[7]};
    struct error err;

    terms.ca_file = arguments[3][0] == '\0' ? NULL : arguments[3];
    if (!webhook_send(&message, &terms, &err))
        return report(&err);
    puts("sent");
    return EXIT_SUCCESS;
}

static struct db_pool *new_pool(void)
{
    static struct db_settings settings = {
        .application_name = "notify", .time_zone = "UTC", .role = "waybill_worker", .connect_timeout_ms = PATIENT_MS,
        .query_timeout_ms = PATIENT_MS,
    };

    settings.conninfo = getenv("WAYBILL_TEST_CONNINFO");
    return db_pool_new(&settings, 1);
}

static int add_one(char **arguments)
{
    struct db_pool *pool = new_pool();
    struct error err;
    struct db *db = db_pool_acquire(pool, &err);
    bool added = db != NULL && notification_add(db, arguments[0], arguments[1], arguments[2], &err);

    if (db != NULL)
        db_pool_release(pool, db);
    db_pool_free(pool);
    return added ? EXIT_SUCCESS : report(&err);
}

static void print_counters(void)
{
    size_t count;
    struct counter *counters = counters_take(&count);

    for (size_t i = 0; i < count; i++)
        printf("%s %g\n", counters[i].name, counters[i].amount);
    free(counters);
}

static int run(char **arguments)
{
    const struct webhook_terms terms = read_terms(arguments);
    struct db_pool *pool = new_pool();
    struct key_ring *ring = key_ring_new("/no/key/file"); /* the secrets of the tests are plain */
    struct notifier *notifier = notifier_start(pool, ring, &terms, atoi(arguments[3]));

    if (notifier == NULL)
        return EXIT_FAILURE;
    while (getchar() != EOF)
        notifier_wake(notifier);
    if (!notifier_stop(notifier, PATIENT_MS))
        return EXIT_FAILURE;
    notifier_wake(notifier);
    notifier_free(notifier);
    key_ring_free(ring);
    db_pool_free(pool);
    print_counters();
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int arguments;
        int (*run)(char **arguments);
    } commands[] = {{"send", 8, send_one}, {"add", 3, add_one}, {"run", 4, run}};

    signals_block();
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (argc == commands[i].arguments + 2 && strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argv + 2);
    }
    fputs("the comment at the top of this program describes its usage\n", stderr);
    return EXIT_FAILURE;
}
