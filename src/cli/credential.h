/* What `waybill token` and `waybill key` share: the options of a new credential, lists of credentials, revocation. */
#ifndef WAYBILL_CLI_CREDENTIAL_H
#define WAYBILL_CLI_CREDENTIAL_H

#include "access/credential.h"
#include "base/compiler.h"
#include "base/config.h"
#include "base/error.h"

/*
 * Parses the options of `command`, such as "token create". *ret_enterprise_projects is spec->enterprise_projects, to be
 * freed even on failure.
 */
MUST_CHECK bool cli_parse_credential(const char *command, int argc, char **argv, struct credential_spec *spec,
                                     char **ret_enterprise_projects, struct error *err);

/*
 * Runs `token list` or `key list`, as `command` says: prints the credentials of a kind. `key_header` is the header of
 * the column of their keys.
 */
MUST_CHECK bool cli_list_credentials(const char *command, int argc, char **argv, const struct config *config,
                                     enum credential_kind kind, const char *key_header, struct error *err);

/*
 * Revokes a credential as credential_revoke does. When it returns, no process accepts the credential any more, even one
 * that has not received the notification (ACCESS_CACHE_MS).
 */
MUST_CHECK bool cli_revoke_credential(const struct config *config, enum credential_kind kind, const char *key,
                                      struct error *err);

#endif
