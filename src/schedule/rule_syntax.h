/* Checks the syntax of recurrence rules (RFC 5545 section 3.3.10). */
#ifndef WAYBILL_SCHEDULE_RULE_SYNTAX_H
#define WAYBILL_SCHEDULE_RULE_SYNTAX_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"

/*
 * Whether recurrence_rule_parse accepts a rule. If it does not, fails with ERROR_PARAMETER and a message that begins
 * with "rule". libical alone would accept unknown values, cut lists and numbers, and take the last of two parts.
 */
MUST_CHECK bool rule_syntax_check(const char *rule, struct error *err);

#endif
