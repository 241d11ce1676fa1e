#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/runner/multipart.h"

static struct multipart_part field(const char *name, const char *type, const char *value)
{
    return (struct multipart_part){
        .name = name, .content_type = type, .content = value, .len = strlen(value)};
}

static struct multipart_part file(const char *name, const char *type, const char *path,
                                  const char *content)
{
    struct multipart_part part = field(name, type, content);

    part.is_file = true;
    part.path = path;
    return part;
}

static void body_is(const struct multipart_part *parts, size_t n, const char *expected)
{
    struct buf out = {0};

    multipart_append(parts, n, "B", &out);
    assert_string_equal(out.data, expected);
    buf_done(&out);
}

static void fields_go_before_files(void **state)
{
    const struct multipart_part parts[] = {
        file("photo", NULL, "/tmp/a.PNG", "\x89PNG"),
        field("name", NULL, "x\r\n"),
        file("log", "text/x-log", "b", ""),
        field("json", "application/json", "{}"),
    };

    (void)state;
    body_is(parts, 4,
            "--B\r\n"
            "Content-Disposition: form-data; name=\"name\"\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n\r\n"
            "x\r\n\r\n"
            "--B\r\n"
            "Content-Disposition: form-data; name=\"json\"\r\n"
            "Content-Type: application/json\r\n\r\n"
            "{}\r\n"
            "--B\r\n"
            "Content-Disposition: form-data; name=\"photo\"; filename=\"photo\"\r\n"
            "Content-Type: image/png\r\n\r\n"
            "\x89PNG\r\n"
            "--B\r\n"
            "Content-Disposition: form-data; name=\"log\"; filename=\"log\"\r\n"
            "Content-Type: text/x-log\r\n\r\n"
            "\r\n"
            "--B--\r\n");
}

static void no_parts_are_the_end_alone(void **state)
{
    (void)state;
    body_is(NULL, 0, "--B--\r\n");
}

static void names_cannot_leave_their_quotes(void **state)
{
    const struct multipart_part part = file("a\"; b=\"c\r\nX: \\y\xc3\xa4%22", "a/b", NULL, "");

    (void)state;
    body_is(&part, 1,
            "--B\r\n"
            "Content-Disposition: form-data; name=\"a%22; b=%22c%0D%0AX: \\y\xc3\xa4%22\"; "
            "filename=\"a%22; b=%22c%0D%0AX: \\y\xc3\xa4%22\"\r\n"
            "Content-Type: a/b\r\n\r\n"
            "\r\n"
            "--B--\r\n");
}

static void a_type_is_what(const char *type, const char *expected)
{
    const struct multipart_part part = field("a", type, "1");
    char *body = xasprintf("--B\r\nContent-Disposition: form-data; name=\"a\"\r\n"
                           "Content-Type: %s\r\n\r\n1\r\n--B--\r\n",
                           expected);

    body_is(&part, 1, body);
    free(body);
}

static void text_fields_say_their_charset_once(void **state)
{
    (void)state;
    a_type_is_what("text/csv", "text/csv; charset=utf-8");
    a_type_is_what("TEXT/html", "TEXT/html; charset=utf-8");
    a_type_is_what("text/html; Charset=latin1", "text/html; Charset=latin1");
    a_type_is_what("application/xml", "application/xml");
    a_type_is_what("a/b\r\nX: y", "a/b");
}

static void content_is_carried_byte_for_byte(void **state)
{
    const struct multipart_part part = {
        .name = "a", .is_file = true, .path = "a.bin", .content = "\0\r\n\0--", .len = 6};
    struct buf out = {0};

    (void)state;
    multipart_append(&part, 1, "B", &out);
    assert_non_null(memmem(out.data, out.len, "\r\n\r\n\0\r\n\0--\r\n--B--\r\n", 19));
    buf_done(&out);
}

static void a_boundary_is_in_none_of_the_parts(void **state)
{
    struct multipart_part parts[4] = {field("a", NULL, ""), field("b", NULL, ""),
                                      field("c", NULL, ""), field("d", NULL, "x")};
    char boundary[4][MULTIPART_BOUNDARY_SIZE];

    (void)state;
    multipart_boundary(parts, 4, 7, boundary[0]);
    for (int i = 1; i < 4; i++) {
        parts[i - 1].content = boundary[i - 1];
        parts[i - 1].len = strlen(boundary[i - 1]);
        multipart_boundary(parts, 4, 7, boundary[i]);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(boundary[i], boundary[k]);
    }
    // Nor with something around it, nor at the end of all seeds.
    char *around = xasprintf("x--%s--", boundary[0]);
    parts[0] = field("a", NULL, around);
    multipart_boundary(parts, 1, 7, boundary[1]);
    assert_string_not_equal(boundary[0], boundary[1]);
    multipart_boundary(parts, 0, UINT64_MAX, boundary[2]);
    parts[0] = field("a", NULL, boundary[2]);
    multipart_boundary(parts, 1, UINT64_MAX, boundary[3]);
    assert_string_not_equal(boundary[2], boundary[3]);
    free(around);
}

static void a_seed_repeats_its_boundary(void **state)
{
    char a[MULTIPART_BOUNDARY_SIZE], b[MULTIPART_BOUNDARY_SIZE];

    (void)state;
    multipart_boundary(NULL, 0, 1, a);
    multipart_boundary(NULL, 0, 1, b);
    assert_string_equal(a, b);
    multipart_boundary(NULL, 0, 2, b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a) + 1, MULTIPART_BOUNDARY_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_go_before_files),
        cmocka_unit_test(no_parts_are_the_end_alone),
        cmocka_unit_test(names_cannot_leave_their_quotes),
        cmocka_unit_test(text_fields_say_their_charset_once),
        cmocka_unit_test(content_is_carried_byte_for_byte),
        cmocka_unit_test(a_boundary_is_in_none_of_the_parts),
        cmocka_unit_test(a_seed_repeats_its_boundary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
