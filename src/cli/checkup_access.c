/* Who may call: whether the key file can be used, and whether Keystone, if it is the identity service, can validate. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/key_ring.h"
#include "access/keystone.h"
#include "cli/checkup.h"

static void check_keys(struct checkup *checkup)
{
    const char *path = checkup->config->key_file;
    struct key_ring *ring = key_ring_new(path);
    struct stat status;
    struct error err;

    if (!key_ring_exists(ring))
        checkup_add(checkup, FINDING_OK, "keys", "off: %s does not exist, so there are neither access keys nor links:"
                    " run `waybill key init` if you want them", path);
    else if (!key_ring_check(ring, &err))
        checkup_add_error(checkup, FINDING_FAILED, "keys", &err,
                          "let the user of the service read [access] key_file, or restore it from a backup");
    else if (stat(path, &status) == 0 && (status.st_mode & S_IRWXO) != 0)
        checkup_add(checkup, FINDING_WARNING, "keys", "%s is accessible to all users: run chmod o-rwx", path);
    else
        checkup_add(checkup, FINDING_OK, "keys", "%s", path);
    key_ring_free(ring);
}

static void check_keystone(struct checkup *checkup)
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

void checkup_access(struct checkup *checkup)
{
    check_keys(checkup);
    check_keystone(checkup);
}
