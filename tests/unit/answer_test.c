#include "worker/runner/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

static void put_field(struct answer *a, const char *name, const char *value)
{
    answer_field(a, name, strlen(name), value, strlen(value));
}

static void put_body(struct answer *a, const char *text)
{
    answer_body(a, text, strlen(text));
}

// gzip of n bytes; the caller frees.
static char *gzip(const void *bytes, size_t n, size_t *ret_len)
{
    z_stream z = {0};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t most = deflateBound(&z, n);
    char *out = xcalloc(most, 1);
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)most;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *ret_len = z.total_out;
    deflateEnd(&z);
    return out;
}

static void without_an_answer_there_is_nothing(void **unused)
{
    struct answer a = {.wants_body = true};

    (void)unused;
    assert_int_equal(a.status, 0);
    assert_null(answer_find(&a, "X"));
    answer_end(&a);
    assert_null(a.problem);
    assert_int_equal(a.body.len, 0);
    answer_reset(&a);
    answer_done(&a);
    answer_done(&a);
}

static void fields_are_found_in_any_letter_case_and_the_first_counts(void **unused)
{
    struct answer a = {0};

    (void)unused;
    answer_head(&a, 404, "Not Found", 9);
    put_field(&a, "X-Empty", "");
    put_field(&a, "X-One", "1");
    put_field(&a, "x-one", "2");
    assert_int_equal(a.status, 404);
    assert_string_equal(a.reason, "Not Found");
    assert_int_equal(a.n_fields, 3);
    assert_string_equal(answer_find(&a, "x-ONE"), "1");
    assert_string_equal(answer_find(&a, "x-empty"), "");
    assert_null(answer_find(&a, "1")); // a value is no name
    assert_null(answer_find(&a, "X-On"));
    assert_memory_equal(a.fields.data, "X-Empty\0\0X-One\0001\0x-one\0002", 25);
    answer_done(&a);
}

static void a_reason_is_cut_at_its_room(void **unused)
{
    struct answer a = {0};
    char reason[100];

    (void)unused;
    memset(reason, 'r', sizeof reason);
    for (size_t n = sizeof a.reason - 2; n <= sizeof a.reason + 1; n++) {
        answer_head(&a, 200, reason, n);
        assert_int_equal(strlen(a.reason), n < sizeof a.reason ? n : sizeof a.reason - 1);
    }
    answer_head(&a, 200, "", 0);
    assert_string_equal(a.reason, "");
    answer_done(&a);
}

static void a_nul_in_a_field_is_a_blank(void **unused)
{
    struct answer a = {0};

    (void)unused;
    answer_field(&a, "N\0me", 4, "\0a\0", 3);
    put_field(&a, "Next", "n");
    assert_string_equal(answer_find(&a, "n me"), " a ");
    assert_string_equal(answer_find(&a, "Next"), "n");
    answer_done(&a);
}

static void a_body_is_kept_only_where_it_is_wanted(void **unused)
{
    struct answer a = {0}, b = {.wants_body = true};

    (void)unused;
    put_body(&a, "hello");
    assert_int_equal(a.body.len, 0);
    put_body(&b, "hel");
    put_body(&b, "");
    put_body(&b, "lo");
    answer_end(&b);
    assert_null(b.problem);
    assert_string_equal(b.body.data, "hello");
    answer_done(&a);
    answer_done(&b);
}

static void an_encoding_is_undone_in_any_split(void **unused)
{
    static const char text[] = "hello, hello, hello, hello";
    size_t len;
    char *bytes = gzip(text, strlen(text), &len);

    (void)unused;
    for (size_t step = 1; step <= len; step++) {
        struct answer a = {.wants_body = true};
        put_field(&a, "content-encoding", "GZip");
        for (size_t at = 0; at < len; at += step)
            answer_body(&a, bytes + at, len - at < step ? len - at : step);
        answer_end(&a);
        assert_null(a.problem);
        assert_string_equal(a.body.data, text);
        answer_done(&a);
    }
    free(bytes);
}

static void what_is_wrong_with_an_encoding_is_said(void **unused)
{
    static const struct {
        const char *encoding[2], *body;
        size_t cut; // bytes lacking at the end of gzip of body
        const char *problem;
    } cases[] = {
        {{"br"}, "x", SIZE_MAX, "unknown Content-Encoding"},
        {{"gzip, gzip"}, "x", SIZE_MAX, "unknown Content-Encoding"},
        {{"gzip", "gzip"}, "x", SIZE_MAX, "unknown Content-Encoding"},
        {{"gzip"}, "x", SIZE_MAX, "the body ends within its Content-Encoding"},
        {{"gzip"}, "no gzip", SIZE_MAX, "the body is not in its Content-Encoding"},
        {{"gzip"}, "text", 1, "the body ends within its Content-Encoding"},
        {{"gzip"}, "text", 0, NULL},
        {{"gzip"}, "", SIZE_MAX, NULL},
        {{"br"}, NULL, SIZE_MAX, NULL}, // no body at all
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer a = {.wants_body = true};
        size_t len;
        for (int k = 0; k < 2 && cases[i].encoding[k] != NULL; k++)
            put_field(&a, "Content-Encoding", cases[i].encoding[k]);
        if (cases[i].cut != SIZE_MAX) {
            char *bytes = gzip(cases[i].body, strlen(cases[i].body), &len);
            answer_body(&a, bytes, len - cases[i].cut);
            free(bytes);
        } else if (cases[i].body != NULL) {
            put_body(&a, cases[i].body);
            put_body(&a, "");
        }
        answer_end(&a);
        if (cases[i].problem == NULL)
            assert_null(a.problem);
        else
            assert_string_equal(a.problem, cases[i].problem);
        answer_done(&a);
    }
}

static void a_body_beyond_the_limit_is_cut(void **unused)
{
    const size_t step = 1 << 20;
    char *bytes = xcalloc(step, 1);

    (void)unused;
    for (size_t beyond = 0; beyond < 2; beyond++) {
        struct answer a = {.wants_body = true};
        for (size_t n = 0; n < ANSWER_BODY_MAX; n += step)
            answer_body(&a, bytes, step);
        answer_body(&a, bytes, beyond);
        answer_body(&a, bytes, 0);
        answer_end(&a);
        assert_int_equal(a.body.len, ANSWER_BODY_MAX);
        assert_int_equal(a.is_cut, beyond);
        assert_null(a.problem);
        answer_done(&a);
    }
    free(bytes);
}

static void a_bomb_comes_to_no_more_than_the_limit(void **unused)
{
    size_t n = ANSWER_BODY_MAX + 1, len;
    char *zeros = xcalloc(n, 1), *bytes = gzip(zeros, n, &len);
    struct answer a = {.wants_body = true};

    (void)unused;
    put_field(&a, "Content-Encoding", "gzip");
    answer_body(&a, bytes, len);
    answer_end(&a);
    assert_int_equal(a.body.len, ANSWER_BODY_MAX);
    assert_true(a.is_cut);
    answer_done(&a);
    free(zeros);
    free(bytes);
}

static void after_a_reset_nothing_is_left_of_the_one_before(void **unused)
{
    struct answer a = {.wants_body = true};

    (void)unused;
    for (int i = 0; i < 2; i++) {
        answer_head(&a, 302, "Found", 5);
        put_field(&a, "Content-Encoding", i == 0 ? "br" : "identity");
        put_body(&a, "x");
        answer_reset(&a); // amid a body
        assert_true(a.wants_body);
        assert_int_equal(a.status, 0);
        assert_string_equal(a.reason, "");
        assert_null(answer_find(&a, "Content-Encoding"));
        assert_null(a.problem);
        put_body(&a, "new");
        answer_end(&a);
        assert_string_equal(a.body.data, "new");
    }
    answer_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_answer_there_is_nothing),
        cmocka_unit_test(fields_are_found_in_any_letter_case_and_the_first_counts),
        cmocka_unit_test(a_reason_is_cut_at_its_room),
        cmocka_unit_test(a_nul_in_a_field_is_a_blank),
        cmocka_unit_test(a_body_is_kept_only_where_it_is_wanted),
        cmocka_unit_test(an_encoding_is_undone_in_any_split),
        cmocka_unit_test(what_is_wrong_with_an_encoding_is_said),
        cmocka_unit_test(a_body_beyond_the_limit_is_cut),
        cmocka_unit_test(a_bomb_comes_to_no_more_than_the_limit),
        cmocka_unit_test(after_a_reset_nothing_is_left_of_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
