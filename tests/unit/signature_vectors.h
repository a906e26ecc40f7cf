/*
 * Requests that the signer of the official Python SDK (3.1.211) has signed with a made-up key, as X-Sdk-Date
 * 20260403T081500Z.
 */
#ifndef WAYBILL_TESTS_UNIT_SIGNATURE_VECTORS_H
#define WAYBILL_TESTS_UNIT_SIGNATURE_VECTORS_H

#define VECTOR_ACCESS_KEY "WAYBILLEXAMPLEAK0001"
#define VECTOR_SECRET "wbExampleSecretKey0123456789abcdefABCDEF"
#define VECTOR_DATE "20260403T081500Z"
#define VECTOR_NOW INT64_C(1775204100000)
#define VECTOR_HEADERS 8

struct vector {
    const char *name;
    const char *method;
    const char *path;
    const char *query;
    struct {
        const char *name;
        const char *value;
    } headers[VECTOR_HEADERS]; /* without Authorization; the rest is NULL */
    const char *signed_headers;
    const char *hex;
    const char *body;
    bool is_unsigned; /* the signature does not cover the body */
};

static const struct vector vectors[] = {
    {
        .name = "create, no query",
        .method = "POST",
        .path = "/v5/p1/container/export-task",
        .query = "",
        .headers = {
            {"content-type", "application/json"},
            {"x-project-id", "p1"},
            {"x-sdk-date", VECTOR_DATE},
            {"host", "inventory.example.com"},
        },
        .signed_headers = "content-type;host;x-project-id;x-sdk-date",
        .hex = "704257cc53a59ba18432b39c7ab6266dddac7dfcbdef8d69e96b124f5be7a54e",
        .body = "{\"export_headers\": [[\"container_name\", \"Container Name\"]]}",
    },
    {
        .name = "create, two query parameters",
        .method = "POST",
        .path = "/v5/p1/container/export-task",
        .query = "enterprise_project_id=all_granted_eps&export_size=10",
        .headers = {
            {"content-type", "application/json"},
            {"x-project-id", "p1"},
            {"x-sdk-date", VECTOR_DATE},
            {"host", "inventory.example.com"},
        },
        .signed_headers = "content-type;host;x-project-id;x-sdk-date",
        .hex = "d7d1f15814b074646e3f6a87d2bc3acb737b2579ecdfd08ac560597f318bd5a5",
        .body = "{\"risky\": true, \"export_headers\": [[\"container_name\", \"容器名称\"]]}",
    },
    {
        .name = "status",
        .method = "GET",
        .path = "/v5/p1/export-task/94ad7efb-0000-46ed-99bf-dcd8c1c75dc2",
        .query = "enterprise_project_id=all_granted_eps",
        .headers = {
            {"content-type", "application/json"},
            {"x-project-id", "p1"},
            {"x-sdk-date", VECTOR_DATE},
            {"host", "inventory.example.com"},
        },
        .signed_headers = "content-type;host;x-project-id;x-sdk-date",
        .hex = "ed98986d34fb828d31c11fce451cec140b0a321f0aa5910ad56fc394ec825367",
        .body = "",
    },
    {
        .name = "download",
        .method = "GET",
        .path = "/v5/p1/download/b3e83d25-d92f-4963-a293-e056e81ec44d",
        .query = "",
        .headers = {
            {"x-project-id", "p1"},
            {"x-sdk-date", VECTOR_DATE},
            {"host", "inventory.example.com"},
        },
        .signed_headers = "host;x-project-id;x-sdk-date",
        .hex = "04110b98429b3389ff9c122364bb96489fa4cd735bfe468c1a6ca6e72bbceec2",
        .body = "",
    },
    {
        .name = "query value to be percent-encoded",
        .method = "GET",
        .path = "/v5/p1/container/kubernetes",
        .query = "container_name=a%20b%2Bc%2Fd~e%25%2A&image_name=reg%3A5000%2F%E5%AE%B9%E5%99%A8",
        .headers = {
            {"content-type", "application/json"},
            {"x-project-id", "p1"},
            {"x-sdk-date", VECTOR_DATE},
            {"host", "inventory.example.com"},
        },
        .signed_headers = "content-type;host;x-project-id;x-sdk-date",
        .hex = "69cfc1c63cd475f0a11eb74ab3590516d5f8a49402c76181b1583ede2ae354fb",
        .body = "",
    },
    {
        .name = "path segment with a space and UTF-8",
        .method = "GET",
        .path = "/v5/pro ject-é/export-task/t",
        .query = "",
        .headers = {
            {"content-type", "application/json"},
            {"x-project-id", "p1"},
            {"x-sdk-date", VECTOR_DATE},
            {"host", "inventory.example.com"},
        },
        .signed_headers = "content-type;host;x-project-id;x-sdk-date",
        .hex = "8a2d574441ad9d2e03f725db207364c7bf25c6282bf41404010a38ff3de175c7",
        .body = "",
    },
    {
        .name = "non-JSON content type is signed as UNSIGNED-PAYLOAD",
        .method = "POST",
        .path = "/v5/p1/container/export-task",
        .query = "",
        .headers = {
            {"content-type", "text/plain"},
            {"x-sdk-date", VECTOR_DATE},
            {"x-sdk-content-sha256", "UNSIGNED-PAYLOAD"},
            {"host", "inventory.example.com"},
        },
        .signed_headers = "content-type;host;x-sdk-content-sha256;x-sdk-date",
        .hex = "4bb4799546ec987fbf1efe474948024de7d6cfc8a3a83721cda810db2f534c97",
        .body = "hello",
        .is_unsigned = true,
    },
    {
        .name = "a security token header is signed too",
        .method = "GET",
        .path = "/v5/p1/export-task/t",
        .query = "",
        .headers = {
            {"content-type", "application/json"},
            {"x-project-id", "p1"},
            {"x-security-token", "temporary-token"},
            {"x-sdk-date", VECTOR_DATE},
            {"host", "inventory.example.com"},
        },
        .signed_headers = "content-type;host;x-project-id;x-sdk-date;x-security-token",
        .hex = "da7fb11b553a2392b427c8038d9aa87f52be055e90a03a517d6940b949e8fef2",
        .body = "",
    },
};

#endif
