#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/str.h"

static void a_buffer_grows_and_stays_a_string(void **state)
{
    struct buf b = {0};
    char big[1000];

    (void)state;
    memset(big, 'x', sizeof big);
    buf_puts(&b, "");
    assert_string_equal(b.data, "");
    buf_append(&b, "a\0b", 3);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "a\0b", 4);
    buf_append(&b, big, sizeof big);
    buf_printf(&b, "%d", 7);
    assert_int_equal(b.len, 3 + sizeof big + 1);
    assert_string_equal(b.data + 3 + sizeof big, "7");
    char *taken = buf_take(&b);
    assert_memory_equal(taken, "a\0bx", 4);
    assert_null(b.data);
    free(taken);
    buf_done(&b);
}

static void an_empty_buffer_gives_an_empty_text(void **state)
{
    struct buf b = {0};
    char *text = buf_take(&b);

    (void)state;
    assert_string_equal(text, "");
    free(text);
}

static void only_digits_are_numbers(void **state)
{
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1e3", "0x1", "1.0"};
    uint64_t v = 4711;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(str_parse_u64(bad[i], 0, UINT64_MAX, &v), -EINVAL);
    assert_int_equal(str_parse_u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
    assert_int_equal(str_parse_u64("4", 5, 6, &v), -ERANGE);
    assert_int_equal(str_parse_u64("7", 5, 6, &v), -ERANGE);
    assert_int_equal(v, 4711);
    assert_int_equal(str_parse_u64("18446744073709551615", 0, UINT64_MAX, &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(str_parse_u64("005", 5, 6, &v), 0);
    assert_int_equal(v, 5);
}

static void truth_is_true_or_false_in_any_case(void **state)
{
    bool v = false;

    (void)state;
    assert_int_equal(str_parse_bool("TRUE", &v), 0);
    assert_true(v);
    assert_int_equal(str_parse_bool("", &v), -EINVAL);
    assert_int_equal(str_parse_bool("1", &v), -EINVAL);
    assert_int_equal(str_parse_bool("yes", &v), -EINVAL);
    assert_true(v);
    assert_int_equal(str_parse_bool("False", &v), 0);
    assert_false(v);
}

static const char *nearest(const char *word)
{
    static const char *const words[] = {"GRPCPort", "Port", "MasterNodeIP", "NodeName"};

    return str_nearest(word, words, sizeof words / sizeof *words);
}

static void a_misspelt_word_has_a_nearest_one(void **state)
{
    (void)state;
    assert_string_equal(nearest("GRPCPort"), "GRPCPort");
    assert_string_equal(nearest("grpcport"), "GRPCPort");
    assert_string_equal(nearest("GRPCPrt"), "GRPCPort");
    assert_string_equal(nearest("GRPCPoort"), "GRPCPort");
    assert_string_equal(nearest("GRPCProt"), "GRPCPort");
    assert_string_equal(nearest("prot"), "Port");
    assert_string_equal(nearest("MasterNode"), "MasterNodeIP");
    assert_string_equal(nearest("Nodename"), "NodeName");
}

static void a_word_too_far_from_all_has_none(void **state)
{
    char longer[80];

    (void)state;
    assert_null(nearest(""));
    assert_null(nearest("x"));
    assert_null(nearest("Bananas"));
    assert_null(nearest("Prxy"));
    assert_null(str_nearest("a", NULL, 0));
    memset(longer, 'a', 79);
    longer[79] = '\0';
    assert_null(str_nearest(longer, (const char *const[]){longer}, 1));
    longer[64] = '\0';
    assert_non_null(str_nearest(longer, (const char *const[]){longer}, 1));
}

static void assert_clean(const char *text, size_t max, const char *expected)
{
    char *clean = str_clean(text, max);

    assert_string_equal(clean, expected);
    free(clean);
}

static void text_of_peers_is_cleaned(void **state)
{
    (void)state;
    assert_clean("", 10, "");
    assert_clean("a b~", 10, "a b~");
    assert_clean("\x1b[31m\n\x7f\xc2\x9b", 10, "?[31m????");
    assert_clean("M\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x90\x8c", 99,
                 "M\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x90\x8c");
    assert_clean("\xff\xc3", 10, "??");                          // no character, half of one
    assert_clean("\xe2\x82", 10, "??");                          // two thirds
    assert_clean("\xc0\xaf\xe0\x80\xaf", 10, "?????");           // '/' in too many bytes
    assert_clean("\xed\xa0\x80\xf4\x90\x80\x80", 10, "???????"); // surrogate, beyond U+10FFFF
}

static void cleaned_text_is_cut_between_characters(void **state)
{
    (void)state;
    assert_clean("abc", 3, "abc");
    assert_clean("abcd", 3, "abc");
    assert_clean("ab\xc3\xbc", 3, "ab");
    assert_clean("ab\xc3\xbc", 4, "ab\xc3\xbc");
    assert_clean("abc", 0, "");
}

static void hex_goes_there_and_back(void **state)
{
    uint8_t bytes[3] = {0x00, 0xff, 0x1a}, back[3];
    char hex[7];

    (void)state;
    str_hex(bytes, 3, hex);
    assert_string_equal(hex, "00ff1a");
    assert_int_equal(str_unhex("00FF1a", 3, back), 0);
    assert_memory_equal(back, bytes, 3);
    assert_int_equal(str_unhex("", 0, back), 0);
    assert_int_equal(str_unhex("00ff1", 3, back), -EINVAL);
    assert_int_equal(str_unhex("00ff1a0", 3, back), -EINVAL);
    assert_int_equal(str_unhex("00fg1a", 3, back), -EINVAL);
}

static void base64_is_that_of_rfc_4648(void **state)
{
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    static const char *const bad[] = {"Z", "Zg=", "Zg==Zg==", "=m9v", "Z===", "Zm 9", "Zm9-"};

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct buf out = {0};
        char *text = str_base64(vectors[i][0], strlen(vectors[i][0]));
        assert_string_equal(text, vectors[i][1]);
        assert_int_equal(str_unbase64(text, strlen(text), &out), 0);
        assert_int_equal(out.len, strlen(vectors[i][0]));
        assert_memory_equal(out.len > 0 ? out.data : "", vectors[i][0], out.len);
        buf_done(&out);
        free(text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf out = {0};
        if (str_unbase64(bad[i], strlen(bad[i]), &out) != -EINVAL)
            fail_msg("%s", bad[i]);
        buf_done(&out);
    }
}

static void the_digest_is_that_of_fips_180(void **state)
{
    uint8_t digest[32];
    char hex[65];

    (void)state;
    str_sha256("abc", 3, digest);
    str_hex(digest, 32, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void sizes_and_times_are_short(void **state)
{
    char out[32];

    (void)state;
    assert_string_equal(str_bytes(0, out, sizeof out), "0 B");
    assert_string_equal(str_bytes(1023, out, sizeof out), "1023 B");
    assert_string_equal(str_bytes(1024, out, sizeof out), "1.0 KiB");
    assert_string_equal(str_bytes(1258291, out, sizeof out), "1.2 MiB");
    assert_string_equal(str_bytes(UINT64_MAX, out, sizeof out), "16.0 EiB");
    assert_string_equal(str_us(999, out, sizeof out), "999 us");
    assert_string_equal(str_us(12340, out, sizeof out), "12.3 ms");
    assert_string_equal(str_us(123400, out, sizeof out), "123 ms");
    assert_string_equal(str_us(4560000, out, sizeof out), "4.56 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_grows_and_stays_a_string),
        cmocka_unit_test(an_empty_buffer_gives_an_empty_text),
        cmocka_unit_test(only_digits_are_numbers),
        cmocka_unit_test(truth_is_true_or_false_in_any_case),
        cmocka_unit_test(a_misspelt_word_has_a_nearest_one),
        cmocka_unit_test(a_word_too_far_from_all_has_none),
        cmocka_unit_test(text_of_peers_is_cleaned),
        cmocka_unit_test(cleaned_text_is_cut_between_characters),
        cmocka_unit_test(hex_goes_there_and_back),
        cmocka_unit_test(base64_is_that_of_rfc_4648),
        cmocka_unit_test(the_digest_is_that_of_fips_180),
        cmocka_unit_test(sizes_and_times_are_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
