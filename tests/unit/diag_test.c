#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/diag.h"

static void formats(const struct diag *d, const char *expected)
{
    char *text = diag_format(d);

    assert_string_equal(text, expected);
    free(text);
}

static void nothing_wrong_is_an_empty_text(void **state)
{
    struct diag d = {.file = "a.json"};

    (void)state;
    formats(&d, "");
    diag_done(&d);
}

static void adding_returns_the_error(void **state)
{
    struct diag d = {0};

    (void)state;
    assert_int_equal(diag_add(&d, 1, 2, "found %d, expected %s", 7, "8"), -EINVAL);
    assert_int_equal(d.n, 1);
    assert_int_equal(d.entry[0].line, 1);
    assert_int_equal(d.entry[0].column, 2);
    assert_string_equal(d.entry[0].text, "found 7, expected 8");
    diag_done(&d);
}

static void each_entry_is_a_line_with_what_is_known_of_its_place(void **state)
{
    struct diag d = {.file = "a.json"};

    (void)state;
    diag_add(&d, 3, 14, "b");
    diag_add(&d, 0, 0, "c");
    formats(&d, "a.json:3:14: b\na.json: c\n");
    d.file = NULL;
    formats(&d, "3:14: b\nc\n");
    diag_done(&d);
}

static void a_text_that_ends_in_a_colon_is_no_place(void **state)
{
    struct diag d = {0};

    (void)state;
    diag_add(&d, 0, 0, "a:");
    diag_add(&d, 0, 0, "b");
    formats(&d, "a:\nb\n");
    diag_done(&d);
}

static void entries_past_the_maximum_are_counted(void **state)
{
    struct diag d = {0};

    (void)state;
    for (int i = 0; i < DIAG_MAX; i++)
        diag_add(&d, 0, 0, "%d", i);
    char *full = diag_format(&d);
    assert_string_equal(full + strlen(full) - strlen("98\n99\n"), "98\n99\n");
    free(full);
    assert_int_equal(diag_add(&d, 0, 0, "one more"), -EINVAL);
    char *more = diag_format(&d);
    assert_string_equal(more + strlen(more) - strlen("99\nand 1 more\n"), "99\nand 1 more\n");
    assert_null(strstr(more, "one more"));
    free(more);
    assert_int_equal(d.n, DIAG_MAX + 1);
    diag_done(&d);
}

static void a_diag_can_be_used_again(void **state)
{
    struct diag d = {0};

    (void)state;
    diag_add(&d, 0, 0, "a");
    diag_done(&d);
    assert_int_equal(d.n, 0);
    diag_add(&d, 0, 0, "b");
    formats(&d, "b\n");
    diag_done(&d);
    diag_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_wrong_is_an_empty_text),
        cmocka_unit_test(adding_returns_the_error),
        cmocka_unit_test(each_entry_is_a_line_with_what_is_known_of_its_place),
        cmocka_unit_test(a_text_that_ends_in_a_colon_is_no_place),
        cmocka_unit_test(entries_past_the_maximum_are_counted),
        cmocka_unit_test(a_diag_can_be_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
