/* Who may call: whether Keystone can validate tokens, if it is the identity service. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "access/keystone.h"
#include "cli/checkup.h"

void checkup_access(struct checkup *checkup)
{
    const struct keystone keystone = keystone_configured(checkup->config);
    char version[KEYSTONE_VERSION_SIZE];
    struct error err;

    if (checkup->config->provider != CONFIG_PROVIDER_KEYSTONE)
        checkup_add(checkup, FINDING_OK, "keystone", "off: [access] provider is none");
    else if (keystone.ca_file != NULL && access(keystone.ca_file, R_OK) != 0)
        checkup_add(checkup, FINDING_FAILED, "keystone", "%s: %s: set [access] keystone_ca_file to a file that user %u"
                    " can read", keystone.ca_file, strerror(errno), (unsigned) geteuid());
    else if (!keystone_find_version(&keystone, version, &err))
        checkup_add_error(checkup, FINDING_FAILED, "keystone", &err,
                          "check [access] keystone_url and keystone_ca_file, and that Keystone runs");
    else
        checkup_add(checkup, FINDING_OK, "keystone", "%s answers with version %s", keystone.url, version);
}
