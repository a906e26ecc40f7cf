/*
 * The options of a schedule's rule: --rule RRULE, --daily HH:MM, --weekly DAY,...,HH:MM and --monthly DAY,...,HH:MM.
 * The latter three become an RRULE (RFC 5545 section 3.3.10).
 */
#ifndef WAYBILL_CLI_RULE_OPTIONS_H
#define WAYBILL_CLI_RULE_OPTIONS_H

/*
 * Parsers of cli_option for a `char *` that is NULL at first: they set it to the rule, to be freed. Only one of the
 * options may be given, once. rule_options_rule accepts any text.
 */
const char *rule_options_rule(const char *value, void *target);
const char *rule_options_daily(const char *value, void *target);   /* 03:00 */
const char *rule_options_weekly(const char *value, void *target);  /* mon,wed,08:00: mon, tue, ..., sun */
const char *rule_options_monthly(const char *value, void *target); /* 1,15,06:00: 1 to 31, -1 (the last day) to -31 */

#endif
