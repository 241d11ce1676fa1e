#include "common/script/regex.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/str.h"

#define HEAP_MAX_KIB (16 * 1024)

struct regex {
    pcre2_code *code;
    pcre2_match_context *limits;
};

static int complain(const char *text, size_t at, int error, char *why, size_t size)
{
    char what[200];
    size_t character = 1;

    pcre2_get_error_message(error, (PCRE2_UCHAR *)what, sizeof what);
    for (size_t i = 0; i < at && text[i] != '\0'; i++)
        character += ((unsigned char)text[i] & 0xc0) != 0x80;
    snprintf(why, size, "%s at character %zu", what, character);
    return -EINVAL;
}

int regex_compile(const char *text, char *why, size_t size, struct regex **ret_regex)
{
    // Of what .NET does: digits, words and blanks are Unicode's, names may come twice, lines end in
    // \n.
    uint32_t options =
        PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_DUPNAMES | PCRE2_NEVER_BACKSLASH_C;
    size_t at, len = strlen(text);
    int error;

    if (len > REGEX_BYTES_MAX) {
        snprintf(why, size, "found %zu bytes, expected at most %d", len, REGEX_BYTES_MAX);
        return -EINVAL;
    }
    pcre2_compile_context *lines = pcre2_compile_context_create(NULL);
    pcre2_set_newline(lines, PCRE2_NEWLINE_LF);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, len, options, &error, &at, lines);
    pcre2_compile_context_free(lines);
    if (code == NULL)
        return complain(text, at, error, why, size);
    // Where memory must not be executable it is interpreted, to the same effect.
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);

    struct regex *r = xcalloc(1, sizeof *r);
    r->code = code;
    r->limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(r->limits, REGEX_STEPS_MAX);
    pcre2_set_depth_limit(r->limits, REGEX_STEPS_MAX);
    pcre2_set_heap_limit(r->limits, HEAP_MAX_KIB);
    *ret_regex = r;
    return 0;
}

void regex_free(struct regex *r)
{
    if (r == NULL)
        return;
    pcre2_match_context_free(r->limits);
    pcre2_code_free(r->code);
    free(r);
}

int regex_find(const struct regex *r, const char *text, size_t len, size_t *ret_at, size_t *ret_len)
{
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);

    int n = pcre2_match(r->code, (PCRE2_SPTR)text, len, 0, 0, match, r->limits);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT) // the interpreter has its stack on the heap
        n = pcre2_match(r->code, (PCRE2_SPTR)text, len, 0, PCRE2_NO_JIT, match, r->limits);
    if (n >= 0) {
        const size_t *at = pcre2_get_ovector_pointer(match);
        *ret_at = at[0];
        *ret_len = at[1] - at[0];
    }
    pcre2_match_data_free(match);
    if (n < 0)
        return n == PCRE2_ERROR_NOMATCH ? -ENOENT : -E2BIG;
    return 0;
}
