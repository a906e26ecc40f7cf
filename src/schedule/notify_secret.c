#include "schedule/notify_secret.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "schedule/webhook.h"

#define CONTEXT_SIZE (sizeof("notifications of project ") + 4 * 256)

/* The context binds a secret to its project. The ID of the schedule is not known before the row is stored. */
static void write_context(char out[CONTEXT_SIZE], const char *project_id)
{
    snprintf(out, CONTEXT_SIZE, "notifications of project %s", project_id);
}

char *notify_secret_seal(struct key_ring *ring, const char *project_id, const char *secret, struct error *err)
{
    char context[CONTEXT_SIZE];

    if (!key_ring_exists(ring))
        return memory_copy_text(secret);
    write_context(context, project_id);
    return key_ring_seal(ring, context, secret, err);
}

char *notify_secret_unseal(struct key_ring *ring, const char *project_id, const char *stored, struct error *err)
{
    char context[CONTEXT_SIZE];

    if (strncmp(stored, WEBHOOK_SECRET_PREFIX, strlen(WEBHOOK_SECRET_PREFIX)) == 0)
        return memory_copy_text(stored);
    write_context(context, project_id);
    return key_ring_unseal(ring, context, stored, err);
}
