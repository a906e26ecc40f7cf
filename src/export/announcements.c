#include "export/announcements.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "db/query.h"
#include "export/task.h"

#define MAX_ENDED 10000 /* while the database cannot be reached */

struct announcements {
    int event;
    pthread_mutex_t lock; /* for the rest */
    int64_t queued;       /* number of tasks */
    struct buffer ended;  /* task_id after task_id, each followed by a comma */
};

struct announcements *announcements_new(void)
{
    struct announcements *announcements = memory_zeroed(1, sizeof(*announcements));

    announcements->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (announcements->event < 0) {
        free(announcements);
        return NULL;
    }
    pthread_mutex_init(&announcements->lock, NULL);
    return announcements;
}

void announcements_free(struct announcements *announcements)
{
    if (announcements == NULL)
        return;
    close(announcements->event);
    pthread_mutex_destroy(&announcements->lock);
    buffer_free(&announcements->ended);
    free(announcements);
}

int announcements_event(const struct announcements *announcements)
{
    return announcements->event;
}

void announcements_wake(struct announcements *announcements)
{
    const uint64_t one = 1;

    (void) !write(announcements->event, &one, sizeof(one)); /* fails only if it is readable already */
}

void announcements_add_queued(struct announcements *announcements)
{
    pthread_mutex_lock(&announcements->lock);
    announcements->queued++;
    pthread_mutex_unlock(&announcements->lock);
    announcements_wake(announcements);
}

/* Called with the lock held. */
static void append_ended(struct announcements *announcements, const char *task_ids, size_t length)
{
    if (announcements->ended.length + length <= MAX_ENDED * (size_t) (TEXT_UUID_LENGTH + 1))
        buffer_append(&announcements->ended, task_ids, length);
}

void announcements_add_ended(struct announcements *announcements, const char *task_id)
{
    char entry[TEXT_UUID_LENGTH + 2];
    int length = snprintf(entry, sizeof(entry), "%s,", task_id);

    pthread_mutex_lock(&announcements->lock);
    append_ended(announcements, entry, (size_t) length);
    pthread_mutex_unlock(&announcements->lock);
    announcements_wake(announcements);
}

/* Takes everything, and makes the descriptor unreadable until more is added. */
static void take_all(struct announcements *announcements, struct buffer *ended, int64_t *queued)
{
    uint64_t ignored;

    (void) !read(announcements->event, &ignored, sizeof(ignored));
    pthread_mutex_lock(&announcements->lock);
    *ended = announcements->ended;
    *queued = announcements->queued;
    announcements->ended = (struct buffer) {0};
    announcements->queued = 0;
    pthread_mutex_unlock(&announcements->lock);
}

static void restore(struct announcements *announcements, const struct buffer *ended, int64_t queued)
{
    pthread_mutex_lock(&announcements->lock);
    announcements->queued += queued;
    append_ended(announcements, buffer_text(ended), ended->length);
    pthread_mutex_unlock(&announcements->lock);
}

/* Sends one notification for each task that has ended, and one with the number of queued tasks. */
static bool send_payloads(struct db *db, const struct buffer *ended, int64_t queued, struct error *err)
{
    static const char sql[] =
        "SELECT pg_catalog.set_config('synchronous_commit', 'off', true),"
        "       count(pg_catalog.pg_notify('" TASK_CHANNEL "', payload))"
        " FROM unnest($1::text[]) AS payload";
    struct buffer payloads = {0};
    struct db_result *row;
    const char *value;

    buffer_append_text(&payloads, "{");
    buffer_append(&payloads, buffer_text(ended), ended->length);
    if (queued > 0)
        buffer_printf(&payloads, "%" PRId64 ",", queued);
    payloads.data[payloads.length - 1] = '}'; /* in place of the last comma */
    value = buffer_text(&payloads);
    row = db_query_prepared(db, DB_ONE_ROW, sql, 1, &value, err);
    buffer_free(&payloads);
    db_result_free(row);
    return row != NULL;
}

bool announcements_send(struct announcements *announcements, struct db *db, bool *ret_sent, struct error *err)
{
    struct buffer ended;
    int64_t queued;
    bool any, done;

    take_all(announcements, &ended, &queued);
    any = ended.length > 0 || queued > 0;
    done = !any || send_payloads(db, &ended, queued, err);
    if (!done)
        restore(announcements, &ended, queued);
    buffer_free(&ended);
    if (done)
        *ret_sent = any;
    return done;
}
