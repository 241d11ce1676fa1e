#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/mime.h"

static void the_extension_decides_the_type(void **state)
{
    static const char *const rows[][2] = {
        {"a.txt", "text/plain"},
        {"/x.y/a.JPG", "image/jpeg"},
        {"a.tar.gz", "application/gzip"},
        {".json", "application/json"},
        {"a.unknown", "application/octet-stream"},
        {"/x.png/a", "application/octet-stream"},
        {"a.", "application/octet-stream"},
        {"a", "application/octet-stream"},
        {"", "application/octet-stream"},
        {"/", "application/octet-stream"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(mime_type(rows[i][0]), rows[i][1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_extension_decides_the_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
