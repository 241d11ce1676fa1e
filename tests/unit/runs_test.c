#include "worker/cli/runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define HEAD                                                                                  \
    "run       plan                      state    verdict    when                   duration" \
    "  workers      requests\n"

static void expect(const char *document, const char *text)
{
    json_t *json = json_loads(document, 0, NULL);
    char *written = runs_format(json);

    assert_string_equal(written, text);
    free(written);
    json_decref(json);
}

static void without_runs_it_says_so(void **state)
{
    (void)state;
    expect("{\"runs\": []}", "no runs yet\n");
    expect("{}", "no runs yet\n");
    expect("[]", "no runs yet\n");
    expect("{\"runs\": 7}", "no runs yet\n");
}

static void each_run_has_its_line(void **state)
{
    (void)state;
    expect("{\"runs\": [{\"id\": \"0123456789ab\", \"plan\": \"Shop\", \"state\": \"Stopped\","
           " \"startedAt\": 86400000, \"endedAt\": 86412345, \"exitCode\": 0, \"workers\": 2,"
           " \"requests\": 1000000000000},"
           " {\"id\": \"fedcba98\", \"plan\": \"Shop\", \"state\": \"Failed\","
           " \"startedAt\": 0, \"endedAt\": null, \"exitCode\": null, \"workers\": null,"
           " \"requests\": null}]}",
           HEAD "01234567  Shop                      Stopped  passed     1970-01-02 00:00:00"
                "      12.3 s        2  1000000000000\n"
                "fedcba98  Shop                      Failed   -          1970-01-01 00:00:00"
                "           -        -             -\n");
}

static void the_code_has_a_word(void **state)
{
    static const struct {
        int code;
        const char *word;
    } words[] = {{0, "passed"},      {1, "failed"}, {4, "degraded"}, {5, "generator-limited"},
                 {130, "cancelled"}, {77, " ?"}};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        json_t *json = json_pack("{s:[{s:i}]}", "runs", "exitCode", words[i].code);
        char *written = runs_format(json);
        assert_non_null(strstr(written, words[i].word));
        free(written);
        json_decref(json);
    }
}

// A name is of people, and may be longer than its column, or not made for a terminal.
static void names_are_cut_to_the_column_in_characters(void **state)
{
    (void)state;
    expect("{\"runs\": [{\"id\": \"a\", \"plan\": \"äääääääääääääääääääääääää\"},"
           " {\"id\": \"b\", \"plan\": \"a\\u001b[31m\"}]}",
           HEAD "a         ääääääääääääääääääääääää  ?        -          -                  "
                "           -        -             -\n"
                "b         a?[31m                    ?        -          -                  "
                "           -        -             -\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_runs_it_says_so),
        cmocka_unit_test(each_run_has_its_line),
        cmocka_unit_test(the_code_has_a_word),
        cmocka_unit_test(names_are_cut_to_the_column_in_characters),
    };
    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
