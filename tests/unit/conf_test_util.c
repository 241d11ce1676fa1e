#include "tests/unit/conf_test_util.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"

struct conf *accepts(const char *text)
{
    struct diag d = {0};
    struct conf *conf = NULL;

    if (conf_parse(text, strlen(text), &d, &conf) < 0)
        fail_msg("%s: %s", text, d.entry[0].text);
    assert_int_equal(d.n, 0);
    return conf;
}

void refuses(const char *text, int line, int column, const char *begin)
{
    struct diag d = {0};
    struct conf *conf = NULL;

    assert_int_equal(conf_parse(text, strlen(text), &d, &conf), -EINVAL);
    assert_null(conf);
    if (d.n != 1 || strncmp(d.entry[0].text, begin, strlen(begin)) != 0 ||
        d.entry[0].line != line || d.entry[0].column != column)
        fail_msg("%zu: %d:%d: %s", d.n, d.entry[0].line, d.entry[0].column, d.entry[0].text);
    diag_done(&d);
}

struct conf *accepts_key(const char *section, const char *key, const char *value)
{
    char *text = xasprintf("{\"%s\": {\"%s\": %s}}", section, key, value);
    struct conf *conf = accepts(text);

    free(text);
    return conf;
}

void refuses_key(const char *section, const char *key, const char *value, const char *begin)
{
    char *text = xasprintf("{\"%s\": {\"%s\": %s}}", section, key, value);
    char *named = xasprintf("%s.%s: %s", section, key, begin);

    refuses(text, 1, (int)(strlen(section) + strlen(key) + 11), named);
    free(named);
    free(text);
}

void assert_same_conf(const struct conf *a, const struct conf *b)
{
    char *x = conf_format(a), *y = conf_format(b);

    assert_string_equal(x, y);
    free(x);
    free(y);
}

char *read_text(const char *path)
{
    char text[65536];
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    return xstrndup(text, n);
}
