#include "common/plan_unique.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"

static struct plan *plain(void)
{
    static const char text[] = "{\"name\":\"p\",\"rounds\":[{\"name\":\"r\",\"iterations\":[{"
                               "\"name\":\"i\",\"httpRequest\":{\"url\":\"http://a/\","
                               "\"headers\":{\"a\":\"b\"}}}]}]}";
    struct diag d = {0};
    struct plan *plan;

    assert_int_equal(plan_parse(text, strlen(text), &d, &plan), 0);
    return plan;
}

static void replace(char **text, const char *by)
{
    free(*text);
    *text = xstrdup(by);
}

static bool has_unique(const char *payload)
{
    struct plan *plan = plain();

    plan->rounds[0].iterations[0].payload = xstrdup(payload);
    bool has = plan_has_unique(plan);
    plan_free(plan);
    return has;
}

static void only_unique_calls_are_unique(void **state)
{
    static const struct {
        const char *text;
        bool is;
    } rows[] = {
        {"", false},
        {"unique=true", false},
        {"$$counter(unique=true)", false},
        {"$counter(start=1)", false},
        {"$counter(unique=false)", false},
        {"$counter(unique=maybe)", false},
        {"$counter(isGlobal=true)", false},
        {"$broken(", false},
        {"a $counter(unique=true) b", true},
        {"$loopcounter(start=1, unique=TRUE)", true},
        {"$counter(unique=${u})", true}, // may be
        {"$touppercase($counter(unique=true))", true},
        {"${a$counter(unique=true)}", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (has_unique(rows[i].text) != rows[i].is)
            fail_msg("%s: expected %d", rows[i].text, rows[i].is);
}

static char **list_of(const char *text)
{
    char **list = xcalloc(1, sizeof(char *));

    list[0] = xstrdup(text);
    return list;
}

static void every_text_of_a_plan_is_looked_at(void **state)
{
    static const char text[] = "$counter(unique=true)", condition[] = "$counter(unique=true) > 1";

    (void)state;
    for (int i = 0; i < 13; i++) {
        struct plan *plan = plain();
        struct plan_iteration *it = &plan->rounds[0].iterations[0];
        assert_false(plan_has_unique(plan));
        switch (i) {
        case 0:
            plan->variables = xcalloc(1, sizeof *plan->variables);
            plan->variables[0] =
                (struct plan_variable){.name = xstrdup("v"), .value = xstrdup(text)};
            plan->n_variables = 1;
            break;
        case 1:
            replace(&it->url.target, text);
            break;
        case 2:
            replace(&it->method, text);
            break;
        case 3:
            replace(&it->headers[0].value, text);
            break;
        case 4:
            it->skip_if = xstrdup(condition);
            break;
        case 5:
            it->request_skip_if = xstrdup(condition);
            break;
        case 6:
            it->before = list_of(text);
            it->n_before = 1;
            break;
        case 7:
            it->after = list_of(text);
            it->n_after = 1;
            break;
        case 8:
            it->request_before = list_of(text);
            it->n_request_before = 1;
            break;
        case 9:
            it->request_after = list_of(text);
            it->n_request_after = 1;
            break;
        case 10:
            it->retry = xcalloc(1, sizeof *it->retry);
            it->retry->condition = xstrdup(condition);
            break;
        case 11:
            it->retry = xcalloc(1, sizeof *it->retry);
            it->retry->stop = xstrdup(condition);
            break;
        default:
            it->parts = xcalloc(1, sizeof *it->parts);
            it->parts[0] = (struct plan_part){.name = xstrdup("n"), .value = xstrdup(text)};
            it->n_parts = 1;
        }
        if (!plan_has_unique(plan))
            fail_msg("row %d is not looked at", i);
        plan_free(plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_unique_calls_are_unique),
        cmocka_unit_test(every_text_of_a_plan_is_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
