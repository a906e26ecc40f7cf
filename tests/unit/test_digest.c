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

/* RFC 4231 sections 4.2 to 4.8, without the truncated one of section 4.6, and the lengths around that of a block. */
static const struct hmac_case {
    const char *label;
    const char *key; /* NULL: `repeated` bytes of `byte` */
    int byte, repeated;
    const char *data; /* NULL: 50 bytes of `data_byte` */
    int data_byte;
    const char *hex;
} hmac_cases[] = {
    {"4.2", NULL, 0x0B, 20, "Hi There", 0, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"4.3", "Jefe", 0, 0, "what do ya want for nothing?", 0,
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"4.4", NULL, 0xAA, 20, NULL, 0xDD, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"4.5",
     "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19", 0, 0, NULL,
     0xCD, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {"4.7", NULL, 0xAA, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 0,
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {"4.8", NULL, 0xAA, 131,
     "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed "
     "before being used by the HMAC algorithm.", 0,
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    {"a key of a whole block", NULL, 0x0B, 64, "Hi There", 0,
     "21cd586aeca0579d99a1c938127c92525a371f807bc5ba6eb78bc825bd4f2be3"},
    {"a longer one", NULL, 0x0B, 65, "Hi There", 0, "727b82fba264393c5d67fd6d6ad783e9019a1fa6a857fccb70f5852f04be5d5d"},
};

static void hmac_sha256(const void *row)
{
    const struct hmac_case *c = row;
    unsigned char sum[SHA256_SIZE];
    char key[131], data[50], hex[2 * SHA256_SIZE + 1];

    memset(key, c->byte, sizeof(key));
    memset(data, c->data_byte, sizeof(data));
    digest_hmac_sha256(c->key == NULL ? key : c->key, c->key == NULL ? (size_t) c->repeated : strlen(c->key),
                       c->data == NULL ? data : c->data, c->data == NULL ? sizeof(data) : strlen(c->data), sum);
    text_hex(hex, sum, sizeof(sum));
    assert_string_equal(hex, c->hex);
}

/* RFC 4648 section 10, and bytes that need the last two characters of the alphabet. */
static const struct base64_case {
    const char *text;
    const char *bytes;
    size_t length;
} base64_cases[] = {
    {"", BYTES("")},
    {"Zg==", BYTES("f")},
    {"Zm8=", BYTES("fo")},
    {"Zm9v", BYTES("foo")},
    {"Zm9vYg==", BYTES("foob")},
    {"Zm9vYmE=", BYTES("fooba")},
    {"Zm9vYmFy", BYTES("foobar")},
    {"+/8A", BYTES("\xFB\xFF\0")},
};

static void base64(const void *row)
{
    const struct base64_case *c = row;
    unsigned char bytes[BASE64_DECODED_SIZE(8) + 1];
    char text[BASE64_SIZE(6)];
    size_t length = 99;

    base64_encode(text, c->bytes, c->length);
    assert_string_equal(text, c->text);
    assert_int_equal(strlen(text) + 1, BASE64_SIZE(c->length));
    assert_true(base64_decode(bytes, c->text, &length));
    assert_int_equal(length, c->length);
    assert_memory_equal(bytes, c->bytes, length);
}

static const struct no_base64_case {
    const char *text;
} no_base64_cases[] = {
    {"Z"}, {"Zg"}, {"Zg="}, {"Zg==="}, {"Zm9vYg"}, {"===="}, {"Z==="}, {"Zh=="}, {"Zm9="}, {"Zg==Zg=="}, {"=Zg="},
    {"Zm 9"}, {" Zm9v"}, {"Zm9v\n"}, {"Zm9v    "}, {"-_8A"}, {"Zm9\xFF"}, {"Zm9v="}, {"Zm=v"},
};

static void no_base64(const void *row)
{
    const struct no_base64_case *c = row;
    unsigned char bytes[16];
    size_t length = 99;

    assert_false(base64_decode(bytes, c->text, &length));
    assert_int_equal(length, 99);
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
    CHECK_EACH(hmac_sha256, hmac_cases, label);
    CHECK_EACH(base64, base64_cases, text);
    CHECK_EACH(no_base64, no_base64_cases, text);
    CHECK(freeing_nothing_is_fine);
    CHECK(random_bytes_differ);
    CHECK(uuids_are_of_version_4);
    return check_run("base/digest");
}
