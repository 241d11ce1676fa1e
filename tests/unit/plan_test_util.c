#include "tests/unit/plan_test_util.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"

struct plan *accepts(const char *text)
{
    struct diag d = {0};
    struct plan *plan = NULL;

    if (plan_parse(text, strlen(text), &d, &plan) < 0)
        fail_msg("%s: %s", text, d.entry[0].text);
    assert_int_equal(d.n, 0);
    return plan;
}

// The n-th complaint (from 0) of n_all begins so.
void refuses_nth(const char *text, size_t n, size_t n_all, const char *begin)
{
    struct diag d = {0};
    struct plan *plan = NULL;

    assert_int_equal(plan_parse(text, strlen(text), &d, &plan), -EINVAL);
    assert_null(plan);
    if (d.n != n_all || strncmp(d.entry[n].text, begin, strlen(begin)) != 0)
        fail_msg("%zu: %s", d.n, d.entry[n].text);
    diag_done(&d);
}

void refuses(const char *text, const char *begin)
{
    refuses_nth(text, 0, 1, begin);
}

const struct plan_iteration *first(const struct plan *plan)
{
    return &plan->rounds[0].iterations[0];
}

// A round with n equal elements in a list.
char *with_list(const char *before, const char *element, size_t n, const char *after)
{
    struct buf b = {0};

    buf_puts(&b, before);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s%s", i > 0 ? "," : "", element);
    buf_puts(&b, after);
    return buf_take(&b);
}
