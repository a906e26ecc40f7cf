#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MAX_NAME 120

struct check {
    char name[MAX_NAME];
    void (*run)(const void *row);
    void (*run_alone)(void);
    const void *row;
};

static struct check *checks;
static size_t check_count;

static void run_check(void **state)
{
    const struct check *check = *state;

    if (check->run_alone != NULL)
        check->run_alone();
    else
        check->run(check->row);
}

/* Makes a name on one line, without the # that begins a TAP directive. */
static void make_name(char out[MAX_NAME], const char *function, const char *label)
{
    size_t used = (size_t) snprintf(out, MAX_NAME, "%s%s", function, label == NULL ? "" : ": ");

    for (; label != NULL && *label != '\0' && used + sizeof("\\xNN...") < MAX_NAME; label++) {
        unsigned char c = (unsigned char) *label;

        used += (size_t) snprintf(out + used, MAX_NAME - used, c < ' ' || c > '~' || c == '#' ? "\\x%02x" : "%c", c);
    }
    if (label != NULL && *label != '\0')
        strcpy(out + used, "...");
}

static struct check *add(const char *function, const char *label)
{
    struct check *check;

    checks = memory_resize(checks, (check_count + 1) * sizeof(*checks));
    check = &checks[check_count++];
    *check = (struct check) {.row = NULL};
    make_name(check->name, function, label);
    return check;
}

void check_add(const char *function, const char *label, void (*run)(const void *row), const void *row)
{
    struct check *check = add(function, label);

    check->run = run;
    check->row = row;
}

void check_add_alone(const char *function, void (*run)(void))
{
    add(function, NULL)->run_alone = run;
}

int check_run(const char *subject)
{
    struct CMUnitTest *tests = memory_zeroed(check_count, sizeof(*tests));
    int failures;

    for (size_t i = 0; i < check_count; i++)
        tests[i] = (struct CMUnitTest) {.name = checks[i].name, .test_func = run_check, .initial_state = &checks[i]};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    failures = _cmocka_run_group_tests(subject, tests, check_count, NULL, NULL);
    free(tests);
    free(checks);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void check_fail(const char *format, ...)
{
    char reason[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    for (char *line_end = reason; (line_end = strchr(line_end, '\n')) != NULL;)
        *line_end = ' ';
    print_message("# %s\n", reason);
    fail();
    abort(); /* not reached: cmocka has jumped out of the test */
}

void check_good(bool good, const struct error *err)
{
    if (!good)
        check_fail("%s %s (%s)", error_info(err->code)->name, err->message, err->detail);
}

void check_refusal(const struct error *err, enum error_code code, const char *fragment)
{
    if (err->code != code)
        check_fail("error is %s, not %s: %s", error_info(err->code)->name, error_info(code)->name, err->message);
    if (strstr(err->message, fragment) == NULL)
        check_fail("\"%s\" is not in the message: %s", fragment, err->message);
}
