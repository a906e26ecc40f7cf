#include "cli/checkup.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "cli/cli.h"

void checkup_add(struct checkup *checkup, enum finding finding, const char *subject, const char *format, ...)
{
    static const char *const names[] = {
        [FINDING_OK] = "ok", [FINDING_WARNING] = "warning", [FINDING_FAILED] = "failed", [FINDING_SKIPPED] = "skipped",
    };
    struct buffer text = {0};
    va_list arguments;

    va_start(arguments, format);
    buffer_vprintf(&text, format, arguments);
    va_end(arguments);
    printf("%-7s  %-13s  ", names[finding], subject);
    cli_print_value(buffer_text(&text));
    putchar('\n');
    buffer_free(&text);
    if (finding == FINDING_FAILED)
        checkup->failures++;
}

void checkup_add_error(struct checkup *checkup, enum finding finding, const char *subject, const struct error *err,
                       const char *remedy)
{
    const char *reason = err->detail[0] != '\0' ? err->detail : err->message;

    checkup_add(checkup, finding, subject, "%.*s: %s", (int) strcspn(reason, "\n"), reason, remedy);
}
