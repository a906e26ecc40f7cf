#include "access/link.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

#define EXPIRES_DIGITS 12 /* of the last instant that is accepted, in the year 33658 */

/* The message is the same for each part, so that it does not help to forge a link. */
static bool refuse_link(struct error *err)
{
    return error_set(err, ERROR_PERMISSION, "the link must be the download_url in the status of a task, unchanged;"
                     " get the status again for a new link");
}

/*
 * Writes what is signed. It is unambiguous: `expires` has only digits, the ID of a file has no line feed, and the
 * project comes last.
 */
static void append_signed_text(struct buffer *out, const char *project_id, const char *file_id, const char *expires)
{
    buffer_printf(out, "1\n%s\n%s\n%s", expires, file_id, project_id);
}

bool link_sign(struct key_ring *ring, const char *project_id, const char *file_id, int64_t expires,
               char ret_signature[KEY_RING_SIGNATURE_SIZE], struct error *err)
{
    struct buffer text = {0};
    char digits[24];
    bool done;

    snprintf(digits, sizeof(digits), "%" PRId64, expires);
    append_signed_text(&text, project_id, file_id, digits);
    done = key_ring_sign(ring, buffer_text(&text), ret_signature, err);
    buffer_free(&text);
    return done;
}

bool link_check(const struct link *link, struct error *err)
{
    int64_t expires;

    if (link->expires == NULL || link->signature == NULL || !text_is_uuid(link->file_id)
        || !text_parse_digits(link->expires, EXPIRES_DIGITS, &expires)
        || strlen(link->signature) != KEY_RING_SIGNATURE_SIZE - 1)
        return refuse_link(err);
    return true;
}

static bool is_authentic(struct key_ring *ring, const struct link *link, int64_t made, bool *ret_authentic,
                         struct error *err)
{
    struct buffer text = {0};
    bool done;

    append_signed_text(&text, link->project_id, link->file_id, link->expires);
    done = key_ring_verify(ring, buffer_text(&text), link->signature, made, ret_authentic, err);
    buffer_free(&text);
    return done;
}

bool link_identify(struct key_ring *ring, const struct link *link, int minutes, struct identity *ret_identity,
                   struct error *err)
{
    int64_t expires = 0;
    bool authentic = false;

    if (minutes == 0 || !key_ring_exists(ring) || !text_parse_digits(link->expires, EXPIRES_DIGITS, &expires))
        return refuse_link(err);
    if (!is_authentic(ring, link, expires - (int64_t) minutes * 60, &authentic, err))
        return false;
    if (!authentic)
        return refuse_link(err);
    if (clock_now_ms() >= expires * 1000)
        return error_set(err, ERROR_PERMISSION, "the link has expired; get the status of the task again for a new one");
    *ret_identity = (struct identity) {
        .permissions = PERMISSION_READ,
        .project_id = memory_copy_text(link->project_id),
        .all = true,
    };
    return true;
}
