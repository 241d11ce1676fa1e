// The table of settings, its page, and the file that is shipped.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "common/conf_table.h"
#include "tests/unit/conf_test_util.h"

static void each_row_is_whole_and_known_once(void **state)
{
    const struct conf_row *row;
    size_t n = 0;

    (void)state;
    for (size_t i = 0; (row = conf_row_at(i)) != NULL; i++) {
        assert_ptr_equal(conf_row_find(row->section, row->name), row);
        if (row->alias != NULL)
            assert_ptr_equal(conf_row_find(row->section, row->alias), row);
        assert_string_equal(conf_section_find(row->section), row->section);
        assert_true(row->type > CONF_TYPE_UNDEFINED && row->type < CONF_TYPE__COUNT);
        assert_true(row->words != NULL || (row->type != CONF_LEVEL && row->type != CONF_CHOICE));
        if (row->offset == CONF_IGNORED)
            continue;
        n++;
        assert_true(row->offset < sizeof(struct conf));
        assert_non_null(row->range);
        assert_non_null(row->doc);
    }
    assert_int_equal(n, 43);
    assert_null(conf_row_find("Cluster", "Port"));
    assert_null(conf_section_find("cluster"));
}

static void no_two_rows_share_a_field(void **state)
{
    const struct conf_row *a, *b;

    (void)state;
    for (size_t i = 0; (a = conf_row_at(i)) != NULL; i++)
        for (size_t j = 0; j < i && (b = conf_row_at(j)) != NULL; j++)
            assert_true(a->offset == CONF_IGNORED || a->offset != b->offset);
}

static void every_key_is_documented_as_it_is(void **state)
{
    char *text = read_text("docs/settings.md");
    struct conf_key key;
    size_t n = 0;

    (void)state;
    for (; conf_key_at(n, &key); n++) {
        char *line =
            xasprintf("\n| `%s.%s` | %s | %s | `%s` | %s | %s |\n", key.section, key.name, key.type,
                      key.range, key.dflt, key.reloadable ? "reload" : "restart", key.doc);
        if (strstr(text, line) == NULL)
            fail_msg("docs/settings.md lacks: %s", line);
        free(line);
    }
    assert_int_equal(n, 43);
    assert_false(conf_key_at(n, &key));
    free(text);
}

static void the_shipped_file_holds_the_defaults(void **state)
{
    char *text = read_text("config/lpsSettings.json");
    struct conf *shipped = accepts(text), *defaults = conf_new();

    (void)state;
    assert_same_conf(shipped, defaults);
    assert_null(shipped->ignored);
    conf_free(shipped);
    conf_free(defaults);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_whole_and_known_once),
        cmocka_unit_test(no_two_rows_share_a_field),
        cmocka_unit_test(every_key_is_documented_as_it_is),
        cmocka_unit_test(the_shipped_file_holds_the_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
