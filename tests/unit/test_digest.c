#include "base/digest.h"

#include <string.h>

#include "check.h"

/* FIPS 180-2, appendix B, and the empty message. */
static const struct sha256_case {
    const char *message;
    const char *hex;
} sha256_cases[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void sha256(const void *row)
{
    const struct sha256_case *c = row;
    unsigned char sum[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];

    digest_sha256(c->message, strlen(c->message), sum);
    text_hex(hex, sum, sizeof(sum));
    assert_string_equal(hex, c->hex);
}

static void sha256_in_pieces(const void *row)
{
    const struct sha256_case *c = row;
    unsigned char sum[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    struct digest *digest = digest_new();

    digest_update(digest, "", 0);
    for (const char *at = c->message; *at != '\0'; at++)
        digest_update(digest, at, 1);
    digest_finish(digest, sum);
    digest_free(digest);
    text_hex(hex, sum, sizeof(sum));
    assert_string_equal(hex, c->hex);
}

static void million_a(void)
{
    struct digest *digest = digest_new();
    unsigned char sum[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    char block[1000];

    memset(block, 'a', sizeof(block));
    for (int i = 0; i < 1000; i++)
        digest_update(digest, block, sizeof(block));
    digest_finish(digest, sum);
    digest_free(digest);
    text_hex(hex, sum, sizeof(sum));
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void freeing_nothing_is_fine(void)
{
    digest_free(NULL);
    digest_free(digest_new());
}

/* Two draws of 32 bytes always differ, and each bit of a byte takes both values. */
static void random_bytes_differ(void)
{
    unsigned char a[32], b[32], set = 0, clear = 0;

    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    for (size_t i = 0; i < sizeof(a); i++) {
        set |= a[i] | b[i];
        clear |= (unsigned char) ~(a[i] & b[i]);
    }
    assert_int_equal(set, 0xFF);
    assert_int_equal(clear, 0xFF);
}

static void uuids_are_of_version_4(void)
{
    char last[TEXT_UUID_LENGTH + 1] = "";

    for (int i = 0; i < 1000; i++) {
        char uuid[TEXT_UUID_LENGTH + 1];

        random_uuid(uuid);
        assert_true(text_is_uuid(uuid));
        assert_int_equal(uuid[14], '4');
        assert_non_null(strchr("89ab", uuid[19]));
        assert_string_not_equal(uuid, last);
        strcpy(last, uuid);
    }
}

int main(void)
{
    CHECK_EACH(sha256, sha256_cases, message);
    CHECK_EACH(sha256_in_pieces, sha256_cases, message);
    CHECK(million_a);
    CHECK(freeing_nothing_is_fine);
    CHECK(random_bytes_differ);
    CHECK(uuids_are_of_version_4);
    return check_run("base/digest");
}
