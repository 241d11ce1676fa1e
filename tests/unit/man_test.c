// The man pages say what the tables say.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/conf.h"
#include "common/str.h"
#include "worker/cli/help.h"

// The file, each newline a blank when flat; the caller frees.
static char *read_page(const char *path, bool flat)
{
    struct buf page = {0};
    FILE *f = fopen(path, "re");
    int c;

    assert_non_null(f);
    while ((c = getc(f)) != EOF)
        buf_append(&page, &(char){flat && c == '\n' ? ' ' : (char)c}, 1);
    fclose(f);
    return buf_take(&page);
}

// The lists in lps.1 are the output of "lps --help-mdoc"; put it there again after a change.
static void the_page_of_lps_has_all_commands_and_options_as_they_are(void **state)
{
    char *page = read_page("docs/lps.1", false);
    struct buf table = {0};

    (void)state;
    help_mdoc(&table);
    assert_non_null(strstr(page, table.data));
    buf_done(&table);
    free(page);
}

static void the_page_of_the_settings_has_all_keys_with_text_and_default(void **state)
{
    char *page = read_page("docs/lpsSettings.json.5", true);
    struct conf_key key;

    (void)state;
    for (size_t i = 0; conf_key_at(i, &key); i++) {
        char *begin = xasprintf(".It %s %s (%s; default: %s%s)", key.name, key.doc, key.range,
                                key.dflt, key.reloadable ? "; taken up by a reload" : "");
        if (strstr(page, begin) == NULL)
            fail_msg("missing: %s", begin);
        free(begin);
    }
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_of_lps_has_all_commands_and_options_as_they_are),
        cmocka_unit_test(the_page_of_the_settings_has_all_keys_with_text_and_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
