// The table of methods and its page.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/script/method.h"
#include "common/script/method_page.h"

// All that plans may call, aliases behind their method.
static const char *const names[] = {"random",
                                    "randomnumber",
                                    "timestamp",
                                    "datetime",
                                    "guid",
                                    "uuid",
                                    "generateemail",
                                    "counter",
                                    "iterate",
                                    "loopcounter",
                                    "randomItem",
                                    "base64encode",
                                    "base64decode",
                                    "urlencode",
                                    "urldecode",
                                    "hash",
                                    "hmac",
                                    "jwtclaim",
                                    "jwtsign",
                                    "format",
                                    "strcat",
                                    "tolowercase",
                                    "touppercase",
                                    "contains",
                                    "startswith",
                                    "endswith",
                                    "stringequals",
                                    "length",
                                    "read",
                                    "readif",
                                    "setvariable",
                                    "set",
                                    "setvariableif",
                                    "setif",
                                    "sum",
                                    "min",
                                    "max",
                                    "multiply",
                                    "average",
                                    "avg",
                                    "divide",
                                    "subtract",
                                    "mod",
                                    "pow",
                                    "abs",
                                    "floor",
                                    "ceil",
                                    "round",
                                    "clamp",
                                    "greater",
                                    "less",
                                    "greaterthan",
                                    "smallerthan",
                                    "greaterthanorequal",
                                    "smallerthanorequal",
                                    "equal",
                                    "find",
                                    "findxml"};
#define N_NAMES (sizeof names / sizeof *names)

static void each_row_is_whole(void **state)
{
    const char *heading = NULL;
    const struct method *m;

    (void)state;
    for (size_t i = 0; (m = method_at(i, &heading)) != NULL; i++) {
        size_t n = 0;
        assert_non_null(m->name);
        assert_true(heading != NULL && *heading != '\0');
        if (m->run == NULL || m->result == NULL || m->doc == NULL)
            fail_msg("%s: has holes", m->name);
        assert_true(*m->doc != '\0' && *m->result != '\0');
        for (; m->params != NULL && m->params[n].name != NULL; n++) {
            const struct method_param *p = &m->params[n];
            if (p->kind == METHOD_UNDEFINED || p->kind > METHOD_ENTRY || p->doc == NULL ||
                *p->doc == '\0' || strchr(p->doc, '|') != NULL ||
                (p->is_required && p->dflt != NULL))
                fail_msg("%s: %s has holes", m->name, p->name);
            for (size_t k = 0; k < n; k++)
                assert_string_not_equal(p->name, m->params[k].name);
        }
        assert_true(n <= METHOD_PARAMS_MAX);
        assert_true(n > 0 || !m->is_positional);
    }
    assert_null(method_at(N_NAMES, NULL));
    assert_null(method_at(SIZE_MAX, NULL));
}

static void each_name_is_there_once(void **state)
{
    const struct method *m;
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < N_NAMES; i++)
        if (method_find(names[i], strlen(names[i])) == NULL)
            fail_msg("%s: is missing", names[i]);
    for (size_t i = 0; (m = method_at(i, NULL)) != NULL; i++, n++) {
        assert_ptr_equal(method_find(m->name, strlen(m->name)), m);
        for (const char *const *alias = m->aliases; alias != NULL && *alias != NULL; alias++, n++)
            assert_ptr_equal(method_find(*alias, strlen(*alias)), m);
    }
    assert_int_equal(n, N_NAMES);
}

static void names_are_found_in_any_letter_case_and_whole(void **state)
{
    (void)state;
    assert_ptr_equal(method_find("FINDXML", 7), method_find("findxml", 7));
    assert_ptr_equal(method_find("findxml", 4), method_find("find", 4));
    assert_ptr_not_equal(method_find("findxml", 7), method_find("find", 4));
    assert_ptr_equal(method_find("IfFind", 0), NULL);
    assert_null(method_find("fin", 3));
    assert_null(method_find("findx", 5));
    assert_string_equal(method_nearest("findxl", 6), "findxml");
    assert_string_equal(method_nearest("loopcountr", 10), "loopcounter");
    assert_null(method_nearest("qqqqqqqqq", 9));
}

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "re");
    struct buf text = {0};
    char chunk[4096];
    size_t n;

    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_append(&text, chunk, n);
    fclose(f);
    return buf_take(&text);
}

static void the_page_says_what_the_table_says(void **state)
{
    char *text = read_file("docs/methods.md"), *is = text, *rest_is, *rest_due;
    struct buf page = {0};
    size_t line = 1;

    (void)state;
    method_page(&page);
    char *due = page.data;
    while (*is != '\0' || *due != '\0') {
        rest_is = is + strcspn(is, "\n");
        rest_due = due + strcspn(due, "\n");
        if (rest_is - is != rest_due - due || memcmp(is, due, (size_t)(rest_due - due)) != 0)
            fail_msg("docs/methods.md:%zu: is not: %.*s", line, (int)(rest_due - due), due);
        is = rest_is + (*rest_is == '\n');
        due = rest_due + (*rest_due == '\n');
        line++;
    }
    buf_done(&page);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_whole),
        cmocka_unit_test(each_name_is_there_once),
        cmocka_unit_test(names_are_found_in_any_letter_case_and_whole),
        cmocka_unit_test(the_page_says_what_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
