#ifndef WAYBILL_BASE_COMPILER_H
#define WAYBILL_BASE_COMPILER_H

/* Attributes of prototypes (GCC and Clang). */
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define NORETURN __attribute__((noreturn))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The value of a macro as a string literal. */
#define TEXT_OF(value) TEXT_OF_TOKENS(value)
#define TEXT_OF_TOKENS(tokens) #tokens

#endif
