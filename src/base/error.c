#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

static const struct error_info table[] = {
    [ERROR_NONE]        = {"none",        "",           200, 0, 0},
    [ERROR_PARAMETER]   = {"parameter",   "HSS.0001",   400, 0, 1},
    [ERROR_BODY]        = {"body",        "HSS.0002",   400, 0, 1},
    [ERROR_IDENTITY]    = {"identity",    "APIGW.0301", 401, 0, 1},
    [ERROR_PERMISSION]  = {"permission",  "HSS.0013",   403, 0, 1},
    [ERROR_NOT_FOUND]   = {"not_found",   "HSS.0011",   404, 0, 1},
    [ERROR_NO_API]      = {"no_api",      "APIGW.0101", 404, 0, 1},
    [ERROR_METHOD]      = {"method",      "APIGW.0101", 405, 0, 1},
    [ERROR_GONE]        = {"gone",        "HSS.0011",   410, 0, 1},
    [ERROR_TOO_LARGE]   = {"too_large",   "HSS.0002",   413, 0, 1},
    [ERROR_MEDIA_TYPE]  = {"media_type",  "HSS.0002",   415, 0, 1},
    [ERROR_RANGE]       = {"range",       "HSS.0001",   416, 0, 1},
    [ERROR_KEY_REUSED]  = {"key_reused",  "HSS.0001",   422, 0, 1},
    [ERROR_TOO_MANY]    = {"too_many",    "APIGW.0308", 429, 5, 1},
    [ERROR_HEADERS]     = {"headers",     "HSS.0001",   431, 0, 1},
    [ERROR_INTERNAL]    = {"internal",    "HSS.0041",   500, 0, 1},
    [ERROR_TIMEOUT]     = {"timeout",     "HSS.0041",   500, 0, 1},
    [ERROR_STORAGE]     = {"storage",     "HSS.0041",   500, 0, 1},
    [ERROR_CANCELLED]   = {"cancelled",   "HSS.0041",   500, 0, 1},
    [ERROR_LEASE]       = {"lease",       "HSS.0041",   500, 0, 1},
    [ERROR_UNAVAILABLE] = {"unavailable", "APIGW.0201", 503, 5, 1},
    [ERROR_PARTIAL]     = {"partial",     "HSS.0001",   400, 0, 3},
    [ERROR_CONFIG]      = {"config",      "HSS.0041",   500, 0, 1},
    [ERROR_USAGE]       = {"usage",       "HSS.0041",   500, 0, 2},
};

static_assert(ARRAY_SIZE(table) == ERROR_CODE_COUNT, "ERROR_CODE_COUNT counts the codes of enum error_code");

const struct error_info *error_info(enum error_code code)
{
    assert((size_t) code < ARRAY_SIZE(table));
    return &table[code];
}

bool error_set(struct error *err, enum error_code code, const char *format, ...)
{
    va_list arguments;

    err->code = code;
    err->retry_after = 0;
    err->detail[0] = '\0';
    va_start(arguments, format);
    vsnprintf(err->message, sizeof(err->message), format, arguments);
    va_end(arguments);
    text_trim_partial_utf8(err->message);
    return false;
}

bool error_retry_after(struct error *err, int seconds)
{
    err->retry_after = seconds;
    return false;
}

bool error_detail(struct error *err, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(err->detail, sizeof(err->detail), format, arguments);
    va_end(arguments);
    text_trim_partial_utf8(err->detail);
    return false;
}

bool error_is_transient(const struct error *err)
{
    return err->code == ERROR_UNAVAILABLE || err->code == ERROR_TIMEOUT;
}
