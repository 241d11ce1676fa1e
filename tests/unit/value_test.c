#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "common/script/value.h"

static void is_text(const struct value *v, enum value_type type, const char *text)
{
    if (v->type != type || v->text == NULL || strcmp(v->text, text) != 0 || v->len != strlen(text))
        fail_msg("%s %s, expected %s %s", value_type_name(v->type, v->is_quoted), v->text,
                 value_type_name(type, false), text);
}

static void each_name_of_a_type_is_known_in_any_case(void **state)
{
    static const struct {
        const char *name;
        enum value_type type;
        bool is_quoted;
    } rows[] = {
        {"string", VALUE_STRING, false},
        {"text", VALUE_STRING, false},
        {"qstring", VALUE_STRING, true},
        {"json", VALUE_JSON, false},
        {"jsonstring", VALUE_JSON, false},
        {"qjson", VALUE_JSON, true},
        {"qjsonstring", VALUE_JSON, true},
        {"xml", VALUE_XML, false},
        {"xmlstring", VALUE_XML, false},
        {"qxml", VALUE_XML, true},
        {"qxmlstring", VALUE_XML, true},
        {"csv", VALUE_CSV, false},
        {"csvstring", VALUE_CSV, false},
        {"qcsv", VALUE_CSV, true},
        {"qcsvstring", VALUE_CSV, true},
        {"int", VALUE_INT, false},
        {"integer", VALUE_INT, false},
        {"float", VALUE_FLOAT, false},
        {"single", VALUE_FLOAT, false},
        {"double", VALUE_DOUBLE, false},
        {"number", VALUE_DOUBLE, false},
        {"decimal", VALUE_DECIMAL, false},
        {"bool", VALUE_BOOL, false},
        {"boolean", VALUE_BOOL, false},
        {"httpresponse", VALUE_RESPONSE, false},
        {"http-response", VALUE_RESPONSE, false},
        {"http_response", VALUE_RESPONSE, false},
        {"response", VALUE_RESPONSE, false},
        {"QJSON", VALUE_JSON, true},
        {"Http-Response", VALUE_RESPONSE, false},
    };
    static const char *const refused[] = {"",         "qint",     "qresponse", "jsn",
                                          "multiple", "keyvalue", "json "};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum value_type type;
        bool is_quoted;
        assert_int_equal(value_type_parse(rows[i].name, &type, &is_quoted), 0);
        assert_int_equal(type, rows[i].type);
        assert_int_equal(is_quoted, rows[i].is_quoted);
        // Its printed name is of the same type.
        assert_int_equal(value_type_parse(value_type_name(type, is_quoted), &type, &is_quoted), 0);
        assert_int_equal(type, rows[i].type);
        assert_int_equal(is_quoted, rows[i].is_quoted);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        enum value_type type = VALUE__COUNT;
        bool is_quoted;
        assert_int_equal(value_type_parse(refused[i], &type, &is_quoted), -EINVAL);
        assert_int_equal(type, VALUE__COUNT);
    }
    assert_string_equal(value_type_name(VALUE_STRING, false), "String");
    assert_string_equal(value_type_name(VALUE_STRING, true), "QString");
    assert_string_equal(value_type_name(VALUE_RESPONSE, false), "HttpResponse");
}

static void texts_are_kept_as_they_are(void **state)
{
    struct value v = {0};

    (void)state;
    assert_int_equal(value_set(&v, VALUE_STRING, false, "", 0), 0);
    is_text(&v, VALUE_STRING, "");
    assert_int_equal(value_set(&v, VALUE_JSON, true, " {oops", 6), 0);
    is_text(&v, VALUE_JSON, " {oops");
    assert_true(v.is_quoted);
    assert_int_equal(value_set(&v, VALUE_STRING, false, "a\0b", 3), 0);
    assert_int_equal(v.len, 3);
    assert_memory_equal(v.text, "a\0b", 4);
    value_done(&v);
    assert_null(v.text);
    value_done(&v);
}

static void numbers_take_one_spelling(void **state)
{
    static const struct {
        enum value_type type;
        const char *text;
        const char *spelling; // NULL: refused
    } rows[] = {
        {VALUE_INT, "0", "0"},
        {VALUE_INT, "-0", "0"},
        {VALUE_INT, " 1,000 ", "1000"},
        {VALUE_INT, "007", "7"},
        {VALUE_INT, "2.0", "2"},
        {VALUE_INT, "1e3", "1000"},
        {VALUE_INT, "12.50e1", "125"},
        {VALUE_INT, "0e999999", "0"},
        {VALUE_INT, "2147483647", "2147483647"},
        {VALUE_INT, "-2147483648", "-2147483648"},
        {VALUE_INT, "2147483648", NULL},
        {VALUE_INT, "-2147483649", NULL},
        {VALUE_INT, "9223372036854775808", NULL},
        {VALUE_INT, "1e19", NULL},
        {VALUE_INT, "1e999999", NULL},
        {VALUE_INT, "2.5", NULL},
        {VALUE_INT, "1e-1", NULL},
        {VALUE_INT, "", NULL},
        {VALUE_INT, "one", NULL},
        {VALUE_DOUBLE, "2.50", "2.5"},
        {VALUE_DOUBLE, "1,000", "1000"},
        {VALUE_DOUBLE, "4.0", "4"},
        {VALUE_DOUBLE, "0.1", "0.1"},
        {VALUE_DOUBLE, "1e400", NULL},
        {VALUE_DOUBLE, "NaN", NULL},
        {VALUE_FLOAT, "0.1", "0.1"},
        {VALUE_FLOAT, "16777217", "16777216"},
        {VALUE_FLOAT, "3.4028235e38", "3.4028235E+38"},
        {VALUE_FLOAT, "3.5e38", NULL},
        {VALUE_FLOAT, "1e-46", "0"},
        {VALUE_DECIMAL, "2.50", "2.50"},
        {VALUE_DECIMAL, "1,234.5", "1234.5"},
        {VALUE_DECIMAL, "-0.00", "0.00"},
        {VALUE_DECIMAL, "007.10", "7.10"},
        {VALUE_DECIMAL, ".5", "0.5"},
        {VALUE_DECIMAL, "1.5e3", "1500"},
        {VALUE_DECIMAL, "1.5e-3", "0.0015"},
        {VALUE_DECIMAL, "0e99", "0"},
        {VALUE_DECIMAL, "9999999999999999999999999999", "9999999999999999999999999999"},
        {VALUE_DECIMAL, "-9999999999999999999999999999", "-9999999999999999999999999999"},
        {VALUE_DECIMAL, "10000000000000000000000000000", NULL},
        {VALUE_DECIMAL, "1e27", "1000000000000000000000000000"},
        {VALUE_DECIMAL, "1e28", NULL},
        {VALUE_DECIMAL, "1e99999999999", NULL},
        {VALUE_DECIMAL, "9999999999999999999999999999.5", NULL},
        {VALUE_DECIMAL, "999999999999999999999999999.96", "1000000000000000000000000000"},
        {VALUE_DECIMAL, "999999999999999999999999999.94", "999999999999999999999999999.9"},
        {VALUE_DECIMAL, "0.12345678901234567890123456785", "0.1234567890123456789012345678"},
        {VALUE_DECIMAL, "0.12345678901234567890123456795", "0.1234567890123456789012345680"},
        {VALUE_DECIMAL, "0.123456789012345678901234567850001", "0.1234567890123456789012345679"},
        {VALUE_DECIMAL, "6e-29", "0.0000000000000000000000000001"},
        {VALUE_DECIMAL, "5e-29", "0.0000000000000000000000000000"},
        {VALUE_DECIMAL, "9e-40", "0.0000000000000000000000000000"},
        {VALUE_DECIMAL, "x", NULL},
        {VALUE_BOOL, "true", "true"},
        {VALUE_BOOL, " False\n", "false"},
        {VALUE_BOOL, "TRUE", "true"},
        {VALUE_BOOL, "1", NULL},
        {VALUE_BOOL, "yes", NULL},
        {VALUE_BOOL, "", NULL},
        {VALUE_BOOL, "truetruetrue", NULL},
        {VALUE_RESPONSE, "", NULL},
        {VALUE_UNDEFINED, "", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct value v = {0};
        value_set(&v, VALUE_STRING, false, "before", 6);
        int r = value_set(&v, rows[i].type, false, rows[i].text, strlen(rows[i].text));
        if (r != (rows[i].spelling == NULL ? -EINVAL : 0))
            fail_msg("%s: %d %s", rows[i].text, r, v.text);
        if (rows[i].spelling == NULL)
            is_text(&v, VALUE_STRING, "before");
        else
            is_text(&v, rows[i].type, rows[i].spelling);
        value_done(&v);
    }
}

static void a_value_may_be_set_from_its_own_text(void **state)
{
    struct value v = {0};

    (void)state;
    value_set(&v, VALUE_STRING, false, "x1,000", 6);
    assert_int_equal(value_set(&v, VALUE_STRING, false, v.text + 1, v.len - 1), 0);
    is_text(&v, VALUE_STRING, "1,000");
    assert_int_equal(value_set(&v, VALUE_INT, false, v.text, v.len), 0);
    is_text(&v, VALUE_INT, "1000");
    value_done(&v);
}

static void numbers_are_set_by_value(void **state)
{
    struct value v = {0};

    (void)state;
    value_set_int(&v, INT32_MAX);
    is_text(&v, VALUE_INT, "2147483647");
    value_set_int(&v, INT32_MIN);
    is_text(&v, VALUE_INT, "-2147483648");
    value_set_int(&v, (int64_t)INT32_MAX + 1);
    is_text(&v, VALUE_DOUBLE, "2147483648");
    value_set_int(&v, INT64_MIN);
    is_text(&v, VALUE_DOUBLE, "-9223372036854775808");
    value_set_double(&v, 4);
    is_text(&v, VALUE_DOUBLE, "4");
    value_set_double(&v, 2.5);
    is_text(&v, VALUE_DOUBLE, "2.5");
    value_set_bool(&v, true);
    is_text(&v, VALUE_BOOL, "true");
    value_set_bool(&v, false);
    is_text(&v, VALUE_BOOL, "false");
    value_done(&v);
}

static void types_are_inferred(void **state)
{
    static const struct {
        const char *text;
        enum value_type type;
        const char *spelling; // NULL: the same
    } rows[] = {
        {"", VALUE_STRING, NULL},
        {" ", VALUE_STRING, NULL},
        {"abc", VALUE_STRING, NULL},
        {"0", VALUE_INT, NULL},
        {"-5", VALUE_INT, NULL},
        {"007", VALUE_STRING, NULL},
        {"-01", VALUE_STRING, NULL},
        {"00", VALUE_STRING, NULL},
        {"0.5", VALUE_DOUBLE, NULL},
        {"00.5", VALUE_STRING, NULL},
        {"2.50", VALUE_DOUBLE, "2.5"},
        {"1e3", VALUE_DOUBLE, "1000"},
        {"1E+400", VALUE_STRING, NULL},
        {"+5", VALUE_STRING, NULL},
        {" 5", VALUE_STRING, NULL},
        {"5.", VALUE_STRING, NULL},
        {".5", VALUE_STRING, NULL},
        {"-", VALUE_STRING, NULL},
        {"1e", VALUE_STRING, NULL},
        {"1,000", VALUE_STRING, NULL},
        {"2147483647", VALUE_INT, NULL},
        {"2147483648", VALUE_DOUBLE, NULL},
        {"4111111111111111", VALUE_DOUBLE, NULL},
        {"9223372036854775807", VALUE_DOUBLE, NULL},
        {"9223372036854775808", VALUE_STRING, NULL},
        {"true", VALUE_BOOL, NULL},
        {"False", VALUE_BOOL, "false"},
        {"null", VALUE_STRING, NULL},
        {"\"abc\"", VALUE_STRING, NULL},
        {"{}", VALUE_JSON, NULL},
        {" [1, 2]\n", VALUE_JSON, NULL},
        {"{\"a\": 1}", VALUE_JSON, NULL},
        {"[1, x]", VALUE_STRING, NULL},
        {"{a}", VALUE_STRING, NULL},
        {"{} {}", VALUE_STRING, NULL},
        {"[", VALUE_STRING, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct value v = {0};
        value_infer(&v, rows[i].text, strlen(rows[i].text));
        is_text(&v, rows[i].type, rows[i].spelling != NULL ? rows[i].spelling : rows[i].text);
        value_done(&v);
    }
}

static void a_text_beyond_the_limit_is_cut_at_a_character(void **state)
{
    char *text = malloc(VALUE_BYTES_MAX + 2);
    struct value v = {0};

    (void)state;
    memset(text, 'x', VALUE_BYTES_MAX + 2);
    value_set(&v, VALUE_STRING, false, text, VALUE_BYTES_MAX);
    assert_int_equal(v.len, VALUE_BYTES_MAX);
    value_set(&v, VALUE_STRING, false, text, VALUE_BYTES_MAX + 1);
    assert_int_equal(v.len, VALUE_BYTES_MAX);
    assert_int_equal(v.text[v.len], '\0');
    memcpy(text + VALUE_BYTES_MAX - 1, "\xc3\xa4", 2);
    value_set(&v, VALUE_STRING, false, text, VALUE_BYTES_MAX + 2);
    assert_int_equal(v.len, VALUE_BYTES_MAX - 1);
    value_done(&v);
    free(text);
}

static void copies_outlive_each_other(void **state)
{
    struct value a = {0}, b = {0};
    struct buf out = {0};

    (void)state;
    value_set(&a, VALUE_JSON, false, "{\"x\": 1}", 8);
    value_copy(&b, &a);
    assert_ptr_equal(a.text, b.text);
    assert_int_equal(value_append(&a, ".x", &out, NULL, 0), 0);
    value_done(&a);
    assert_int_equal(value_append(&b, ".x", &out, NULL, 0), 0);
    assert_string_equal(out.data, "11");
    value_copy(&b, &b);
    is_text(&b, VALUE_JSON, "{\"x\": 1}");
    value_move(&a, &b);
    assert_null(b.shared);
    is_text(&a, VALUE_JSON, "{\"x\": 1}");
    value_copy(&a, &b);
    assert_int_equal(a.type, VALUE_UNDEFINED);
    value_done(&a);
    buf_done(&out);
}

static const struct value *shared_json, *shared_xml;

static void *read_copies(void *arg)
{
    struct buf out = {0};

    for (int i = 0; i < 200; i++) {
        struct value copy = {0};
        value_copy(&copy, i % 2 == 0 ? shared_json : shared_xml);
        if (value_append(&copy, i % 2 == 0 ? ".a[1]" : "/a/b[2]", &out, NULL, 0) < 0)
            *(bool *)arg = false;
        value_done(&copy);
    }
    if (out.len != 200 || strspn(out.data, "2") != 200)
        *(bool *)arg = false;
    buf_done(&out);
    return NULL;
}

static void threads_read_copies_at_once(void **state)
{
    struct value json = {0}, xml = {0};
    pthread_t thread[4];
    bool is_good[4] = {true, true, true, true};

    (void)state;
    value_set(&json, VALUE_JSON, false, "{\"a\": [1, 2]}", 13);
    value_set(&xml, VALUE_XML, false, "<a><b>1</b><b>2</b></a>", 23);
    shared_json = &json;
    shared_xml = &xml;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, read_copies, &is_good[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        assert_true(is_good[i]);
    }
    value_done(&json);
    value_done(&xml);
}

static void media_types_tell_the_type_of_a_body(void **state)
{
    static const struct {
        const char *media_type;
        enum value_type type;
    } rows[] = {
        {NULL, VALUE_STRING},
        {"", VALUE_STRING},
        {"text/plain", VALUE_STRING},
        {"text/html; charset=utf-8", VALUE_STRING},
        {"application/json", VALUE_JSON},
        {" Application/JSON ; charset=utf-8", VALUE_JSON},
        {"application/json;charset=utf-8", VALUE_JSON},
        {"text/json", VALUE_JSON},
        {"application/problem+json", VALUE_JSON},
        {"application/jsonx", VALUE_STRING},
        {"application/x-json", VALUE_STRING},
        {"text/plain; x=application/json", VALUE_STRING},
        {"text/xml", VALUE_XML},
        {"application/xml; charset=utf-8", VALUE_XML},
        {"image/svg+xml", VALUE_XML},
        {"text/csv", VALUE_CSV},
        {"text/csv; header=present", VALUE_CSV},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(value_body_type(rows[i].media_type), rows[i].type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_of_a_type_is_known_in_any_case),
        cmocka_unit_test(texts_are_kept_as_they_are),
        cmocka_unit_test(numbers_take_one_spelling),
        cmocka_unit_test(a_value_may_be_set_from_its_own_text),
        cmocka_unit_test(numbers_are_set_by_value),
        cmocka_unit_test(types_are_inferred),
        cmocka_unit_test(a_text_beyond_the_limit_is_cut_at_a_character),
        cmocka_unit_test(copies_outlive_each_other),
        cmocka_unit_test(threads_read_copies_at_once),
        cmocka_unit_test(media_types_tell_the_type_of_a_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
