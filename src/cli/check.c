/* waybill check: checks every prerequisite of the service and prints one line for each, with a remedy if it fails. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/checkup.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "export/export_file.h"
#include "http/probe.h"

#define PROBE_TIMEOUT_MS 10000
#define GIB (INT64_C(1024) * 1024 * 1024)
#define LOW_SPACE GIB /* bytes; less free space is a warning */

/* Checks the permissions of the configuration file, which may contain a password. */
static void check_configuration(struct checkup *checkup)
{
    const struct config *config = checkup->config;
    const char *const secrets[] = {config->conninfo, config->owner_conninfo, config->inventory_conninfo,
                                   config->loader_conninfo};
    bool has_secret = false;
    struct stat status;

    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
        has_secret = has_secret || strstr(secrets[i], "password") != NULL;
    if (has_secret && stat(config->path, &status) == 0 && (status.st_mode & S_IROTH) != 0)
        checkup_add(checkup, FINDING_WARNING, "configuration", "%s contains a password, and all users can read it: run"
                    " chmod o-r", config->path);
    else
        checkup_add(checkup, FINDING_OK, "configuration", "%s", config->path);
}

/* Writes the owner, the group and the octal mode, as in "waybill:waybill 750". */
static void describe_owner(char *out, size_t size, const struct stat *status)
{
    const struct passwd *user = getpwuid(status->st_uid);
    const struct group *group = getgrgid(status->st_gid);

    snprintf(out, size, "%s:%s %03o", user == NULL ? "?" : user->pw_name, group == NULL ? "?" : group->gr_name,
             (unsigned) status->st_mode & 0777);
}

static void check_files(struct checkup *checkup)
{
    const char *directory = checkup->config->directory;
    struct statvfs space;
    struct stat status;
    char owner[160];
    struct error err;
    int64_t available;

    if (stat(directory, &status) != 0) {
        checkup_add(checkup, FINDING_FAILED, "files", "%s: %s: create the directory, owned by the user of the service",
                    directory, strerror(errno));
        return;
    }
    describe_owner(owner, sizeof(owner), &status);
    if (access(directory, R_OK | W_OK | X_OK) != 0 || !export_file_probe(directory, &err)) {
        checkup_add(checkup, FINDING_FAILED, "files", "%s (%s) is not writable by user %u: make the user of the"
                    " service its owner, run this command as that user, and check that the disk is not"
                    " full", directory, owner, (unsigned) geteuid());
        return;
    }
    available = statvfs(directory, &space) == 0 ? (int64_t) (space.f_bavail * space.f_frsize) : INT64_MAX;
    if ((status.st_mode & S_IRWXO) != 0)
        checkup_add(checkup, FINDING_WARNING, "files", "%s (%s) is accessible to all users: run chmod o-rwx", directory,
                    owner);
    else if (available < LOW_SPACE)
        checkup_add(checkup, FINDING_WARNING, "files", "%s has %.1f GiB left: free some disk space, or set"
                    " [files] max_total_mib", directory, (double) available / (double) GIB);
    else
        checkup_add(checkup, FINDING_OK, "files", "%s (%s), %.1f GiB left", directory, owner,
                    (double) available / (double) GIB);
}

static void check_socket(struct checkup *checkup)
{
    struct stat status;
    char owner[160] = "";
    struct error err;
    int http_status;

    if (checkup->socket[0] == '\0') {
        checkup_add(checkup, FINDING_SKIPPED, "socket",
                    "no socket is configured: specify it with --socket PATH|HOST:PORT");
        return;
    }
    if (stat(checkup->socket, &status) == 0)
        describe_owner(owner, sizeof(owner), &status);
    if (!http_probe(checkup->socket, "/healthz/ready", PROBE_TIMEOUT_MS, &http_status, &err))
        checkup_add_error(checkup, FINDING_FAILED, "socket", &err,
                          "start waybill.fcgi, and check the permissions of the socket");
    else if (http_status != 200)
        checkup_add(checkup, FINDING_FAILED, "socket", "%s responds, but is not ready (%d): see its log",
                    checkup->socket, http_status);
    else
        checkup_add(checkup, FINDING_OK, "socket", "%s%s%s is ready", checkup->socket, owner[0] == '\0' ? "" : " ",
                    owner);
}

bool cli_check(int argc, char **argv, const struct config *config, struct error *err)
{
    struct checkup checkup = {.config = config, .sql_dir = WAYBILL_SQL_DIR, .socket = config->listen};
    const struct cli_option options[] = {
        {"--no-counts", .flag = &checkup.no_counts},
        {"--socket", .text = &checkup.socket},
        {"--sql-dir", .text = &checkup.sql_dir},
        {0},
    };

    if (!cli_parse_options("check", argc, argv, options, err))
        return false;
    check_configuration(&checkup);
    checkup_database(&checkup);
    checkup_inventory(&checkup);
    checkup_owner(&checkup);
    checkup_schedules(&checkup);
    checkup_access(&checkup);
    check_files(&checkup);
    check_socket(&checkup);
    if (checkup.failures == 0)
        return true;
    return error_set(err, ERROR_CONFIG, "%zu of these checks failed", checkup.failures);
}
