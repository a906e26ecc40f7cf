/* Signed links: what is signed, and which links are refused. */
#include "access/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "check.h"
#include "scratch.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* the bytes 0 to 31 */
#define OTHER_KEY "//////////////////////////////////////////8="
#define NOW 1764470700 /* seconds since 1970 */
#define MINUTES 15
#define EXPIRES 1764471600
#define EXPIRES_TEXT "1764471600"
#define PROJECT "d\xC3\xA9mo/1"
#define FILE_ID "01234567-89ab-4cde-8f01-23456789abcd"
#define OTHER_FILE_ID "11234567-89ab-4cde-8f01-23456789abcd"
/* HMAC-SHA-256(HMAC-SHA-256(KEY, "waybill 1 links"), "1\nEXPIRES\nFILE_ID\nPROJECT"), from another implementation */
#define SIGNATURE "f4bd96de674c3c5acd676ac6cac342b1456c6b19be4d51d572660f7718308d3a"

int64_t __wrap_clock_now_ms(void);

static int64_t now_ms;

int64_t __wrap_clock_now_ms(void)
{
    return now_ms;
}

/* A key ring, and the file that it reads. */
struct ring {
    char *path;
    struct key_ring *keys;
};

static struct ring begin(const char *content)
{
    struct ring ring = {.path = scratch_write("link.key", content, strlen(content))};

    ring.keys = key_ring_new(ring.path);
    now_ms = NOW * INT64_C(1000);
    return ring;
}

static void end(struct ring *ring)
{
    key_ring_free(ring->keys);
    free(ring->path);
}

static const char one_key[] = "0123456789abcdef 1 " KEY "\n";
static const struct link good = {PROJECT, FILE_ID, EXPIRES_TEXT, SIGNATURE};

/* Returns whether the link is accepted. If it is not, fills err. */
static bool accepts(struct key_ring *keys, const struct link *link, int minutes, struct error *err)
{
    struct identity identity;

    if (!link_check(link, err) || !link_identify(keys, link, minutes, &identity, err))
        return false;
    identity_clear(&identity);
    return true;
}

static void expect_forged(struct key_ring *keys, const struct link *link)
{
    struct error err;

    assert_false(accepts(keys, link, MINUTES, &err));
    check_refusal(&err, ERROR_PERMISSION, "the link must be the download_url in the status of a task, unchanged");
    assert_non_null(strstr(err.message, "get the status again"));
    assert_string_equal(err.detail, "");
}

static void signs_each_part(void)
{
    struct ring ring = begin(one_key);
    char signature[KEY_RING_SIGNATURE_SIZE];
    struct error err;

    check_good(link_sign(ring.keys, PROJECT, FILE_ID, EXPIRES, signature, &err), &err);
    assert_string_equal(signature, SIGNATURE);
    check_good(link_sign(ring.keys, PROJECT, FILE_ID, EXPIRES + 1, signature, &err), &err);
    assert_string_not_equal(signature, SIGNATURE);
    check_good(link_sign(ring.keys, PROJECT "1", FILE_ID, EXPIRES, signature, &err), &err);
    assert_string_not_equal(signature, SIGNATURE);
    check_good(link_sign(ring.keys, PROJECT, OTHER_FILE_ID, EXPIRES, signature, &err), &err);
    assert_string_not_equal(signature, SIGNATURE);
    end(&ring);
}

/* Whoever has a link may read, and is nobody in particular. */
static void identifies(void)
{
    struct ring ring = begin(one_key);
    struct identity identity = {.credential_id = 7};
    struct error err;

    check_good(link_check(&good, &err), &err);
    check_good(link_identify(ring.keys, &good, MINUTES, &identity, &err), &err);
    assert_string_equal(identity.project_id, PROJECT);
    assert_int_equal(identity.permissions, PERMISSION_READ);
    assert_true(identity.all && identity.count == 0);
    assert_int_equal(identity.credential_id, 0);
    assert_null(identity.access_key);
    identity_clear(&identity);
    end(&ring);
}

/* Changes, removes and adds each byte of a part. */
static void expect_each_change_forged(struct key_ring *keys, const char *text, const char **part,
                                      const struct link *link)
{
    size_t length = strlen(text);
    char changed[128];

    for (size_t at = 0; at < length; at++) {
        for (int bit = 0; bit < 8; bit++) {
            strcpy(changed, text);
            changed[at] = (char) (changed[at] ^ 1 << bit);
            *part = changed;
            expect_forged(keys, link);
        }
        memmove(changed, text, at);
        strcpy(changed + at, text + at + 1);
        *part = changed;
        expect_forged(keys, link);
    }
    for (size_t at = 0; at <= length; at++) {
        for (const char *more = "0a- \n"; *more != '\0'; more++) {
            snprintf(changed, sizeof(changed), "%.*s%c%s", (int) at, text, *more, text + at);
            *part = changed;
            expect_forged(keys, link);
        }
    }
    *part = text;
}

static void every_byte_counts(void)
{
    struct ring ring = begin(one_key);
    struct link link = good;
    struct error err;

    expect_each_change_forged(ring.keys, PROJECT, &link.project_id, &link);
    expect_each_change_forged(ring.keys, FILE_ID, &link.file_id, &link);
    expect_each_change_forged(ring.keys, EXPIRES_TEXT, &link.expires, &link);
    expect_each_change_forged(ring.keys, SIGNATURE, &link.signature, &link);
    assert_true(accepts(ring.keys, &link, MINUTES, &err));
    end(&ring);
}

static const struct form_case {
    const char *label;
    struct link link;
} form_cases[] = {
    {"no expires", {PROJECT, FILE_ID, NULL, SIGNATURE}},
    {"no signature", {PROJECT, FILE_ID, EXPIRES_TEXT, NULL}},
    {"neither", {PROJECT, FILE_ID, NULL, NULL}},
    {"an empty expires", {PROJECT, FILE_ID, "", SIGNATURE}},
    {"an empty signature", {PROJECT, FILE_ID, EXPIRES_TEXT, ""}},
    {"an empty project", {"", FILE_ID, EXPIRES_TEXT, SIGNATURE}},
    {"an empty file", {PROJECT, "", EXPIRES_TEXT, SIGNATURE}},
    {"another file", {PROJECT, OTHER_FILE_ID, EXPIRES_TEXT, SIGNATURE}},
    {"a file that is no UUID", {PROJECT, "latest", EXPIRES_TEXT, SIGNATURE}},
    {"a file in upper case", {PROJECT, "01234567-89AB-4CDE-8F01-23456789ABCD", EXPIRES_TEXT, SIGNATURE}},
    {"a sign", {PROJECT, FILE_ID, "+1764471600", SIGNATURE}},
    {"a negative number", {PROJECT, FILE_ID, "-1764471600", SIGNATURE}},
    {"a fraction", {PROJECT, FILE_ID, "1764471600.0", SIGNATURE}},
    {"hexadecimal digits", {PROJECT, FILE_ID, "0x692c0c70", SIGNATURE}},
    {"13 digits", {PROJECT, FILE_ID, "1764471600000", SIGNATURE}},
    {"a number beyond 64 bits", {PROJECT, FILE_ID, "99999999999999999999", SIGNATURE}},
    {"zeros before the number", {PROJECT, FILE_ID, "01764471600", SIGNATURE}},
    {"a signature in upper case", {PROJECT, FILE_ID, EXPIRES_TEXT,
                                   "F4BD96DE674C3C5ACD676AC6CAC342B1456C6B19BE4D51D572660F7718308D3A"}},
    {"a signature of zeros", {PROJECT, FILE_ID, EXPIRES_TEXT,
                              "0000000000000000000000000000000000000000000000000000000000000000"}},
};

static void forms(const void *row)
{
    const struct form_case *c = row;
    struct ring ring = begin(one_key);

    expect_forged(ring.keys, &c->link);
    end(&ring);
}

/* Two links must not have the same signed text: no project can contain parts of another link. */
static void parts_do_not_run_together(void)
{
    struct ring ring = begin(one_key);
    char signature[KEY_RING_SIGNATURE_SIZE];
    struct link link = {"p", OTHER_FILE_ID, EXPIRES_TEXT, signature};
    struct error err;

    check_good(link_sign(ring.keys, OTHER_FILE_ID "\np", FILE_ID, EXPIRES, signature, &err), &err);
    expect_forged(ring.keys, &link);
    link.file_id = FILE_ID;
    expect_forged(ring.keys, &link);
    link.project_id = OTHER_FILE_ID "\np";
    assert_true(accepts(ring.keys, &link, MINUTES, &err));
    link.project_id = "p";
    link.file_id = FILE_ID "\n" OTHER_FILE_ID;
    expect_forged(ring.keys, &link);
    end(&ring);
}

/* A link that was authentic says that it is late; a forged one does not. */
static void expires(void)
{
    struct ring ring = begin(one_key);
    struct link link = good;
    struct error err;

    now_ms = EXPIRES * INT64_C(1000) - 1;
    assert_true(accepts(ring.keys, &link, MINUTES, &err));
    now_ms++;
    assert_false(accepts(ring.keys, &link, MINUTES, &err));
    check_refusal(&err, ERROR_PERMISSION, "the link has expired; get the status of the task again");
    link.project_id = "other";
    expect_forged(ring.keys, &link);
    end(&ring);
}

/* A shorter lifetime of new links does not end those that exist. Without links, none is accepted. */
static void lifetimes(void)
{
    struct ring ring = begin(one_key);
    struct error err;

    assert_true(accepts(ring.keys, &good, 1, &err));
    assert_true(accepts(ring.keys, &good, 10080, &err));
    assert_false(accepts(ring.keys, &good, 0, &err));
    check_refusal(&err, ERROR_PERMISSION, "the link must be the download_url");
    end(&ring);
}

static void write_keys(const char *content)
{
    free(scratch_write("link.key", content, strlen(content)));
}

/* The previous key verifies the links that were made before the rotation, and shortly after it by another host. */
static void survives_one_rotation(void)
{
    struct ring ring = begin(one_key);
    struct error err;

    write_keys("fedcba9876543210 1764470700 " OTHER_KEY "\n0123456789abcdef 1 " KEY "\n");
    assert_true(accepts(ring.keys, &good, MINUTES, &err));
    write_keys("fedcba9876543210 1764470400 " OTHER_KEY "\n0123456789abcdef 1 " KEY "\n");
    assert_true(accepts(ring.keys, &good, MINUTES, &err));
    write_keys("fedcba9876543210 1764470399 " OTHER_KEY "\n0123456789abcdef 1 " KEY "\n");
    expect_forged(ring.keys, &good); /* made with a key that was no longer current */
    assert_true(accepts(ring.keys, &good, MINUTES + 1, &err));
    write_keys("fedcba9876543210 1764470700 " OTHER_KEY "\n1123456789abcdef 1764470700 " OTHER_KEY "\n");
    expect_forged(ring.keys, &good);
    end(&ring);
}

/* Without the file, the installation has no links. A file that cannot be used is an error of the service. */
static void needs_the_keys(void)
{
    struct ring ring = begin("no keys\n");
    char signature[KEY_RING_SIGNATURE_SIZE] = "untouched";
    struct error err;

    assert_false(accepts(ring.keys, &good, MINUTES, &err));
    check_refusal(&err, ERROR_CONFIG, "key_file");
    assert_null(strstr(err.message, ring.path));
    assert_false(link_sign(ring.keys, PROJECT, FILE_ID, EXPIRES, signature, &err));
    check_refusal(&err, ERROR_CONFIG, "key_file");
    assert_string_equal(signature, "untouched");
    assert_true(key_ring_exists(ring.keys));
    assert_int_equal(remove(ring.path), 0);
    assert_false(key_ring_exists(ring.keys));
    expect_forged(ring.keys, &good);
    end(&ring);
}

int main(void)
{
    CHECK(signs_each_part);
    CHECK(identifies);
    CHECK(every_byte_counts);
    CHECK_EACH(forms, form_cases, label);
    CHECK(parts_do_not_run_together);
    CHECK(expires);
    CHECK(lifetimes);
    CHECK(survives_one_rotation);
    CHECK(needs_the_keys);
    return check_run("access/link");
}
