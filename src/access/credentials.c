#include "access/credentials.h"

#include "access/token.h"

bool credentials_check(const struct credentials *credentials, struct error *err)
{
    return token_check(credentials->token, err);
}

bool credentials_identify(struct db *db, const struct credentials *credentials, struct identity *ret_identity,
                          struct error *err)
{
    return token_identify(db, credentials->token, ret_identity, err);
}
