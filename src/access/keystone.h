/*
 * Keystone, the identity service of OpenStack: validates the tokens that it has issued (Identity API v3, "Validate and
 * show information for token"). A token validates itself, which Keystone's default policy allows to the user of the
 * token, so that the service needs no account in Keystone.
 */
#ifndef WAYBILL_ACCESS_KEYSTONE_H
#define WAYBILL_ACCESS_KEYSTONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/identity.h"
#include "base/compiler.h"
#include "base/config.h"
#include "base/error.h"

#define KEYSTONE_CONNECT_TIMEOUT_MS 2000
#define KEYSTONE_TIMEOUT_MS 5000        /* of a request, including the connection */
#define KEYSTONE_MAX_ANSWER (1024 * 1024) /* bytes, including the headers */

struct keystone {
    const char *url;         /* without the path of the API version */
    const char *ca_file;     /* NULL: the certificate authorities of the system */
    const char *create_role; /* grants PERMISSION_CREATE and PERMISSION_SCHEDULE */
    const char *read_role;   /* grants PERMISSION_READ */
};

/* Returns the Keystone of the configuration. The texts belong to the configuration. */
struct keystone keystone_configured(const struct config *config);

/*
 * Asks Keystone about a token. *ret_identity is the project of the token with all its enterprise projects, and
 * *ret_expire_time is when the token expires, in milliseconds since 1970. Takes at most KEYSTONE_TIMEOUT_MS, and needs
 * no database. Errors: ERROR_IDENTITY if the token is not valid or not scoped to a project, else ERROR_UNAVAILABLE; its
 * detail is the cause, without the token. Free the identity with identity_clear.
 */
MUST_CHECK bool keystone_validate(const struct keystone *keystone, const char *token, struct identity *ret_identity,
                                  int64_t *ret_expire_time, struct error *err);

/* Reads Keystone's answer to that question. The results and the errors are those of keystone_validate. */
MUST_CHECK bool keystone_read_answer(const struct keystone *keystone, int status, const char *content, size_t length,
                                     struct identity *ret_identity, int64_t *ret_expire_time, struct error *err);

#define KEYSTONE_VERSION_SIZE 32

/* Asks Keystone for the version of its API, such as v3.14. Errors are those of keystone_validate. */
MUST_CHECK bool keystone_find_version(const struct keystone *keystone, char ret_version[KEYSTONE_VERSION_SIZE],
                                      struct error *err);

#endif
