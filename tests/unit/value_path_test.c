#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/script/regex.h"
#include "common/script/value.h"

struct row {
    const char *path;
    const char *text; // NULL: it fails
    int r;
    const char *why; // its beginning; NULL: any
};

static void check(const struct value *v, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf out = {0};
        char why[300] = "";
        buf_puts(&out, "<");
        int r = value_append(v, rows[i].path, &out, why, sizeof why);
        const char *text = rows[i].text != NULL ? rows[i].text : "";
        if (r != rows[i].r || strcmp(out.data + 1, text) != 0 ||
            (rows[i].why != NULL && strncmp(why, rows[i].why, strlen(rows[i].why)) != 0))
            fail_msg("%s: %d %s (%s)", rows[i].path, r, out.data, why);
        assert_int_equal(r != 0, why[0] != '\0');
        // Who does not ask why gets the same, and so does who asks often.
        for (int again = 0; again < 25; again++) {
            out.len = 0;
            buf_puts(&out, "<");
            assert_int_equal(value_append(v, rows[i].path, &out, NULL, 0), rows[i].r);
            assert_string_equal(out.data + 1, text);
        }
        buf_done(&out);
    }
}

#define CHECK(v, rows) check(v, rows, sizeof(rows) / sizeof *(rows))

static void check_text(enum value_type type, bool quoted, const char *text, const struct row *rows,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct value v = {0};
        assert_int_equal(value_set(&v, type, quoted, text, strlen(text)), 0);
        check(&v, &rows[i], 1);
        value_done(&v);
    }
}

#define CHECK_TEXT(type, quoted, text, rows) \
    check_text(type, quoted, text, rows, sizeof(rows) / sizeof *(rows))

static void an_undefined_value_is_empty(void **state)
{
    static const struct row rows[] = {{"", "", 0, NULL}};
    struct value v = {0};

    (void)state;
    CHECK(&v, rows);
}

static void numbers_have_no_use_for_a_path(void **state)
{
    static const struct row rows[] = {
        {"", "5", 0, NULL}, {".a", "5", 0, NULL}, {"[x", "5", 0, NULL}};

    (void)state;
    CHECK_TEXT(VALUE_INT, false, "5", rows);
    CHECK_TEXT(VALUE_DOUBLE, false, "5.0", rows);
    CHECK_TEXT(VALUE_FLOAT, false, "5", rows);
    CHECK_TEXT(VALUE_DECIMAL, false, "5", rows);
}

static void texts_have_no_paths(void **state)
{
    static const struct row rows[] = {
        {"", "a\"b", 0, NULL},
        {".x", NULL, -ENOTSUP, "a text has no paths"},
        {"[0]", NULL, -ENOTSUP, NULL},
    };
    static const struct row quoted[] = {
        {"", "\"a\"b\"", 0, NULL},
        {".x", "\"\"", -ENOTSUP, NULL},
    };

    (void)state;
    CHECK_TEXT(VALUE_STRING, false, "a\"b", rows);
    CHECK_TEXT(VALUE_STRING, true, "a\"b", quoted);
}

static void json_paths_give_one_match_as_text(void **state)
{
    static const char text[] =
        "{\"s\": \"x y\", \"date\": \"2024-01-02T03:04:05Z\", \"i\": 42, \"r\": 2.50, \"t\": true,"
        " \"n\": null, \"o\": {\"b\": [1, 2], \"a\": {}}, \"l\": [10, 20, 30], \"1+1\": \"sum\","
        " \"big\": 12345678901234567890, \"neg\": -99999999999999999999, \"huge\": 1e999,"
        " \"q\": \"\\\"1e999\\\\\", \"$\": 1}";
    static const struct row rows[] = {
        {"", text, 0, NULL},
        {".s", "x y", 0, NULL},
        {".date", "2024-01-02T03:04:05Z", 0, NULL},
        {".i", "42", 0, NULL},
        {".r", "2.5", 0, NULL},
        {".t", "true", 0, NULL},
        {".n", "", 0, NULL},
        {".o", "{\"b\":[1,2],\"a\":{}}", 0, NULL},
        {".o.b", "[1,2]", 0, NULL},
        {".l[1]", "20", 0, NULL},
        {".l[0+1]", "20", 0, NULL},
        {".l[ 3 - 1 ]", "30", 0, NULL},
        {".l[(1+1)*2-2]", "30", 0, NULL},
        {".l[4*0.5]", "30", 0, NULL},
        {".l[5/2]", "30", 0, NULL},
        {".l[-1]", "30", 0, NULL},
        {".l[0-1]", "30", 0, NULL},
        {"['l'][2]", "30", 0, NULL},
        {"['1+1']", "sum", 0, NULL},
        {"[\"1+1\"]", "sum", 0, NULL},
        {".l[?(@ == 10)]", "10", 0, NULL},
        {".l[?(@ == $.l[0+2])]", "30", 0, NULL},
        {".$.i", "42", 0, NULL},
        {".$",
         "{\"s\":\"x y\",\"date\":\"2024-01-02T03:04:05Z\",\"i\":42,\"r\":2.5,\"t\":true,"
         "\"n\":null,\"o\":{\"b\":[1,2],\"a\":{}},\"l\":[10,20,30],\"1+1\":\"sum\","
         "\"big\":\"12345678901234567890\",\"neg\":\"-99999999999999999999\","
         "\"huge\":\"1e999\",\"q\":\"\\\"1e999\\\\\",\"$\":1}",
         0, NULL},
        {"[$..b[1]]", "2", 0, NULL},
        {"[$.i]", "42", 0, NULL},
        {".$..b[1]", "2", 0, NULL},
        {"['$']", "1", 0, NULL},
        {".big", "12345678901234567890", 0, NULL},
        {".neg", "-99999999999999999999", 0, NULL},
        {".huge", "1e999", 0, NULL},
        {".q", "\"1e999\\", 0, NULL},
        {".nope", NULL, -ENOENT, "there is nothing at this path"},
        {".l[3]", NULL, -ENOENT, NULL},
        {".l[*]", NULL, -ENOENT, "there are 3 matches, expected one"},
        {".l[1/0]", NULL, -EINVAL, "found '/' at character 5, expected ',' or ']'"},
        {".l[", NULL, -EINVAL, "found the end at character 4"},
        {".l[99999999*99999999]", NULL, -EINVAL, NULL},
        {"/s", NULL, -ENOENT, NULL},
        {"[$", NULL, -EINVAL, NULL},
        {"[$]x", NULL, -EINVAL, NULL},
    };
    static const struct row quoted[] = {
        {"", "\"{\"a\": \"b\"}\"", 0, NULL},
        {".a", "\"b\"", 0, NULL},
        {".b", "\"\"", -ENOENT, NULL},
        {".", "\"\"", -EINVAL, NULL},
    };

    (void)state;
    CHECK_TEXT(VALUE_JSON, false, text, rows);
    CHECK_TEXT(VALUE_JSON, true, "{\"a\": \"b\"}", quoted);
}

// Each row a text of its own: scanned at first, parsed later.
static void simple_paths_give_what_the_whole_text_would(void **state)
{
    static const struct {
        const char *json;
        struct row row;
    } rows[] = {
        {" [ 1 , [ 2 , 3 ] ] ", {"[1][0]", "2", 0, NULL}},
        {" [ 1 , [ 2 , 3 ] ] ", {"[1]", "[2,3]", 0, NULL}},
        {"[[], {}]", {"[2]", NULL, -ENOENT, "there is nothing"}},
        {"5", {"[0]", NULL, -ENOENT, NULL}},
        {"5", {".a", NULL, -ENOENT, NULL}},
        {"{\"a\":1,\"a\":2}", {".a", "2", 0, NULL}},
        {"{\"a\":{\"b\":1},\"a\":{}}", {".a.b", NULL, -ENOENT, NULL}},
        {"{\"a\":{},\"a\":{\"b\":1}}", {".a.b", "1", 0, NULL}},
        {"{\"b\":{\"a\":1},\"c\":[{\"a\":2}]}", {".a", NULL, -ENOENT, NULL}},
        {"{\"\\u0061\":1}", {".a", "1", 0, NULL}},
        {"{\"a\":\"\\u00e9\\n\\\"\"}", {".a", "\xc3\xa9\n\"", 0, NULL}},
        {"{\"a\":\"\\ud83d\\ude00\"}", {".a", "\xf0\x9f\x98\x80", 0, NULL}},
        {"{\"a\":\"\xc2\x85\x7f\"}", {".a", "\xc2\x85\x7f", 0, NULL}},
        {"{\"a\":-0,\"b\":1e2}", {".a", "0", 0, NULL}},
        {"{\"a\":-0,\"b\":1e2}", {".b", "100.0", 0, NULL}},
        {"{\"a\":[12345678901234567890]}", {".a", "[\"12345678901234567890\"]", 0, NULL}},
        {"{\"a]\":1}", {"['a]']", "1", 0, NULL}},
        {"{\"a'\":1}", {"[\"a'\"]", "1", 0, NULL}},
        {"{\"*\":1}", {".*", "1", 0, NULL}},
        {"{\"*a\":1}", {".*a", "1", 0, NULL}},
        {"{\"a\":{\"$\":1}}", {".a.$", "1", 0, NULL}},
        {"[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
         {"[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]", "1", 0, NULL}},
        {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
         {"[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]", "1", 0, NULL}},
        {"{\"a\":1}", {"[9999999999]", NULL, -EINVAL, NULL}},
        {"{\"a\":1,}", {".a", NULL, -EINVAL, "it is no JSON"}},
        {"{\"a\":1} x", {".a", NULL, -EINVAL, NULL}},
        {"{\"a\":1", {".a", NULL, -EINVAL, NULL}},
        {"{\"a\":1,\"b\":01}", {".a", NULL, -EINVAL, NULL}},
        {"{\"a\":1,\"b\":tru}", {".a", NULL, -EINVAL, NULL}},
        {"{\"a\":1,\"b\"}", {".a", NULL, -EINVAL, NULL}},
        {"{\"a\":1,\"b\":\"\x01\"}", {".a", NULL, -EINVAL, NULL}},
        {"{\"a\":1,\"b\":\"\xc3\"}", {".a", NULL, -EINVAL, NULL}},
        {"{\"a\":1,\"b\":\"\\q\"}", {".a", NULL, -EINVAL, NULL}},
        {"{\"a\":1,\"b\":\"\\u12g4\"}", {".a", NULL, -EINVAL, NULL}},
        {"{\"a\":1,\"b\":\"\\ud800\"}", {".a", NULL, -EINVAL, NULL}},
        {"{\"a\":1,\"b\":\"", {".a", NULL, -EINVAL, NULL}},
        {"{\"a\":1,\"b\":\"\\", {".a", NULL, -EINVAL, NULL}},
        {"[1 2]", {"[0]", NULL, -EINVAL, NULL}},
        {"{1}", {".a", NULL, -EINVAL, NULL}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_text(VALUE_JSON, false, rows[i].json, &rows[i].row, 1);
}

static void deep_texts_are_parsed(void **state)
{
    static const struct row rows[] = {{".a", "1", 0, NULL}};
    struct buf text = {0};

    (void)state;
    buf_puts(&text, "{\"deep\":");
    for (int i = 0; i < 1000; i++)
        buf_puts(&text, "[");
    for (int i = 0; i < 1000; i++)
        buf_puts(&text, "]");
    buf_puts(&text, ",\"a\":1}");
    CHECK_TEXT(VALUE_JSON, false, text.data, rows);
    buf_done(&text);
}

static void a_text_that_is_no_json_says_where(void **state)
{
    static const struct row rows[] = {
        {"", "{\n oops", 0, NULL},
        {".a", NULL, -EINVAL, "it is no JSON: line 2: "},
        {".a", NULL, -EINVAL, "it is no JSON: line 2: "},
    };
    static const struct row empty[] = {{".a", NULL, -EINVAL, "it is no JSON: line 1"}};

    (void)state;
    CHECK_TEXT(VALUE_JSON, false, "{\n oops", rows);
    CHECK_TEXT(VALUE_JSON, false, "", empty);
    CHECK_TEXT(VALUE_JSON, false, "{\"a\": 1}}", empty);
    CHECK_TEXT(VALUE_JSON, false, "{\"a\": \"\xff\"}", empty);
}

static void a_byte_order_mark_is_passed_over(void **state)
{
    static const struct row json[] = {{".a", "1", 0, NULL}};
    static const struct row xml[] = {{"/a", "1", 0, NULL}};

    (void)state;
    CHECK_TEXT(VALUE_JSON, false, "\xef\xbb\xbf{\"a\": 1}", json);
    CHECK_TEXT(VALUE_XML, false, "\xef\xbb\xbf<a>1</a>", xml);
}

static void xpaths_give_the_text_of_the_first_node(void **state)
{
    static const char text[] = "<?xml version='1.0'?>\n<shop xmlns:p='urn:p'><item id='7'>a<b>b</b>"
                               "</item><item id='8'>c &amp; d</item><p:x>e</p:x><n>2.50</n>"
                               "<c><![CDATA[<raw>]]></c></shop>";
    static const struct row rows[] = {
        {"", text, 0, NULL},
        {"/shop/item", "ab", 0, NULL},
        {"/shop/item[1]", "ab", 0, NULL},
        {"/shop/item[2]", "c & d", 0, NULL},
        {"/shop/item[0+2]", "c & d", 0, NULL},
        {"/shop/item[last()]", "c & d", 0, NULL},
        {"/shop/item[@id='8']", "c & d", 0, NULL},
        {"/shop/item[@id='7+1']", NULL, -ENOENT, NULL},
        {"/shop/item/@id", "7", 0, NULL},
        {"/shop/item[1]/text()", "a", 0, NULL},
        {"/shop/c", "<raw>", 0, NULL},
        {"//b", "b", 0, NULL},
        {"//*[local-name()='x']", "e", 0, NULL},
        {"/shop/n/preceding-sibling::*", "ab", 0, NULL},
        {"/shop/item[2] | /shop/item[1]", "ab", 0, NULL},
        {"/shop/n * 2", "5", 0, NULL},
        {"/shop/n = 2.5", "true", 0, NULL},
        {"/shop/nope", NULL, -ENOENT, "there is nothing at this path"},
        {"/shop/item[3]", NULL, -ENOENT, NULL},
        {"/shop/item[", NULL, -EINVAL, "found an error at character 12, expected XPath"},
        {"/shop/p:x", NULL, -EINVAL, "found a prefix that is not declared"},
        {"/shop/nope()", NULL, -EINVAL, "found an error at character 12"},
        {"/shop[nope()]", NULL, -EINVAL, "found a function that is not known"},
        {"/shop[$x]", NULL, -EINVAL, "found a variable"},
        {"/shop[count(1)]", NULL, -EINVAL, "found operands"},
        {".shop", NULL, -EINVAL, "found an error at character 2"},
    };
    static const struct row quoted[] = {
        {"", "\"<a>1</a>\"", 0, NULL},
        {"/a", "\"1\"", 0, NULL},
        {"/b", "\"\"", -ENOENT, NULL},
    };

    (void)state;
    CHECK_TEXT(VALUE_XML, false, text, rows);
    CHECK_TEXT(VALUE_XML, true, "<a>1</a>", quoted);
}

static void a_text_that_is_no_xml_says_where(void **state)
{
    static const struct row rows[] = {{"/a", NULL, -EINVAL, "it is no XML: line "}};

    (void)state;
    CHECK_TEXT(VALUE_XML, false, "", rows);
    CHECK_TEXT(VALUE_XML, false, "<a>\n<b></a>", rows);
    CHECK_TEXT(VALUE_XML, false, "{}", rows);
    CHECK_TEXT(VALUE_XML, false, "<a>&nope;</a>", rows);
    CHECK_TEXT(VALUE_XML, false, "<a/><b/>", rows);
}

static void xml_reads_nothing_else_and_has_no_entities_of_its_own(void **state)
{
    static const struct row refused[] = {{"/a", NULL, -EINVAL, "it declares entities"}};
    static const struct row accepted[] = {{"/a", "1", 0, NULL}};

    (void)state;
    CHECK_TEXT(VALUE_XML, false, "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", refused);
    CHECK_TEXT(VALUE_XML, false, "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
               refused);
    CHECK_TEXT(VALUE_XML, false, "<!DOCTYPE a [<!ENTITY % x SYSTEM 'file:///etc/passwd'>%x;]><a/>",
               refused);
    CHECK_TEXT(VALUE_XML, false,
               "<!DOCTYPE a [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>"
               "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]><a x='&c;'>&c;</a>",
               refused);
    CHECK_TEXT(VALUE_XML, false, "<!DOCTYPE a SYSTEM 'file:///nowhere.dtd'><a>1</a>", accepted);
}

static void an_xpath_has_a_limit_of_work(void **state)
{
    static const struct row rows[] = {
        {"//*[count(//*[count(//*) > 1]) > 1]", NULL, -EINVAL, "found more work than is allowed"},
        {"/a/b[2000]", "x", 0, NULL},
    };
    struct buf text = {0};

    (void)state;
    buf_puts(&text, "<a>");
    for (int i = 0; i < 2000; i++)
        buf_puts(&text, "<b>x</b>");
    buf_puts(&text, "</a>");
    CHECK_TEXT(VALUE_XML, false, text.data, rows);
    buf_done(&text);
}

static void csv_has_rows_below_its_header(void **state)
{
    static const struct row rows[] = {
        {"[0,0]", "x", 0, NULL},
        {"[0,1]", " y ", 0, NULL},
        {"[1,0]", "a,b", 0, NULL},
        {"[1,1]", "say \"hi\"\nthere", 0, NULL},
        {"[2,0]", "", 0, NULL},
        {"[2,1]", "", 0, NULL},
        {"[3,0]", "last", 0, NULL},
        {"[ 0 , 1 ]", " y ", 0, NULL},
        {"[0+1,2-2]", "a,b", 0, NULL},
        {"[(1+1)*1,1/2]", "", 0, NULL},
        {"[4,0]", NULL, -ENOENT, "there is no row 4: it has 4, from 0"},
        {"[-1,0]", NULL, -ENOENT, "there is no row -1"},
        {"[0,2]", NULL, -ENOENT, "there is no field 2: the row has 2, from 0"},
        {"[3,1]", NULL, -ENOENT, "there is no field 1: the row has 1, from 0"},
        {"[0,-1]", NULL, -ENOENT, NULL},
        {"[99999999999,0]", NULL, -ENOENT, NULL},
        {"[0]", NULL, -EINVAL, "found [0], expected [row,column]"},
        {"[0,0,0]", NULL, -EINVAL, NULL},
        {"[0,]", NULL, -EINVAL, NULL},
        {"[,0]", NULL, -EINVAL, NULL},
        {"[]", NULL, -EINVAL, NULL},
        {"[", NULL, -EINVAL, NULL},
        {"[0,0", NULL, -EINVAL, NULL},
        {"[0,0]x", NULL, -EINVAL, NULL},
        {"[0,1.5]", NULL, -EINVAL, NULL},
        {"[a,b]", NULL, -EINVAL, NULL},
        {".x", NULL, -EINVAL, NULL},
        {"/x", NULL, -EINVAL, NULL},
    };
    static const struct row quoted[] = {{"[0,0]", "\"1\"", 0, NULL},
                                        {"[1,0]", "\"\"", -ENOENT, NULL}};
    static const struct row none[] = {{"[0,0]", NULL, -ENOENT, "there is no row 0: it has 0"}};
    static const struct row unclosed[] = {
        {"[0,0]", NULL, -EINVAL, "it is no CSV: a field's closing"}};

    (void)state;
    CHECK_TEXT(VALUE_CSV, false, "h1,h2\r\nx, y \r\n\"a,b\",\"say \"\"hi\"\"\nthere\"\n,\n\nlast",
               rows);
    CHECK_TEXT(VALUE_CSV, true, "h\n1\n", quoted);
    CHECK_TEXT(VALUE_CSV, false, "", none);
    CHECK_TEXT(VALUE_CSV, false, "h1,h2", none);
    CHECK_TEXT(VALUE_CSV, false, "h1,h2\r\n", none);
    CHECK_TEXT(VALUE_CSV, false, "h\n\"x\n", unclosed);
}

static const char *const fields[] = {
    "Content-Type", "application/json",
    "X-Id",         "one",
    "set-cookie",   "a=1",
    "Set-Cookie",   "b=2",
    "x-id",         "two",
    "X_Trace",      "t",
    "XTrace",       "u",
    "Etag_Thing",   "e",
    "Empty",        "",
    "X.Dotted",     "d",
};

static void response(struct value *v, enum value_type body_type, bool quoted, const char *body)
{
    value_set_response(v, 200, "All Good", fields, sizeof fields / sizeof *fields / 2, body_type,
                       quoted, body, strlen(body));
    assert_int_equal(v->type, VALUE_RESPONSE);
}

static void responses_have_a_status_headers_and_a_body(void **state)
{
    static const struct row rows[] = {
        {"", "{\"token\": \"abc\", \"l\": [{\"id\": 7}]}", 0, NULL},
        {".Body", "{\"token\": \"abc\", \"l\": [{\"id\": 7}]}", 0, NULL},
        {".body.token", "abc", 0, NULL},
        {".Body.$.token", "abc", 0, NULL},
        {".Body['token']", "abc", 0, NULL},
        {".BODY.l[1-1].id", "7", 0, NULL},
        {".Body.nope", NULL, -ENOENT, NULL},
        {".StatusCode", "200", 0, NULL},
        {".statuscode", "200", 0, NULL},
        {".StatusReason", "All Good", 0, NULL},
        {".Headers.Content-Type", "application/json", 0, NULL},
        {".headers.contenttype", "application/json", 0, NULL},
        {".Headers.content_type", "application/json", 0, NULL},
        {".Headers.Content-Type[0]", "application/json", 0, NULL},
        {".Headers.Content-Type[1-1]", "application/json", 0, NULL},
        {".Headers.Content-Type[1]", NULL, -ENOENT, "there is no Content-Type[1]: it came 1 times"},
        {".Headers.X-Id", "one,two", 0, NULL},
        {".Headers.xid", "one,two", 0, NULL},
        {".Headers.X-ID[1]", "two", 0, NULL},
        {".Headers.x_id[0]", "one", 0, NULL},
        {".Headers.XTrace", "u", 0, NULL},
        {".Headers.X-Trace", "t,u", 0, NULL},
        {".Headers.EtagThing", "e", 0, NULL},
        {".Headers.Empty", "", 0, NULL},
        {".Headers.X.Dotted", "d", 0, NULL},
        {".Headers.Set-Cookie", NULL, -EINVAL, "Set-Cookie may come several times: expected which"},
        {".Headers.setcookie", NULL, -EINVAL, NULL},
        {".Headers.Set-Cookie[0]", "a=1", 0, NULL},
        {".Headers.setcookie[1]", "b=2", 0, NULL},
        {".Headers.Set-Cookie[2]", NULL, -ENOENT, NULL},
        {".Headers.Nope", NULL, -ENOENT, "there is no header Nope"},
        {".Headers.Nope[0]", NULL, -ENOENT, "there is no header Nope"},
        {".Headers.X-Id[-1]", NULL, -EINVAL, "found [-1], expected the number of a value, from 0"},
        {".Headers.X-Id[a]", NULL, -EINVAL, NULL},
        {".Headers.X-Id[]", NULL, -EINVAL, NULL},
        {".Headers.X-Id[", NULL, -EINVAL, NULL},
        {".Headers.X-Id[0]x", NULL, -EINVAL, NULL},
        {".Headers.", NULL, -ENOENT, NULL},
        {".Headers.-", NULL, -ENOENT, NULL},
        {".Headers", NULL, -ENOTSUP, NULL},
        {".StatusCode.x", NULL, -ENOTSUP, NULL},
        {".Bodyx", NULL, -ENOTSUP, NULL},
        {".token", NULL, -ENOTSUP, "found .token, expected .Body, .StatusCode"},
        {"[0]", NULL, -ENOTSUP, NULL},
        {".", NULL, -ENOTSUP, NULL},
    };
    struct value v = {0};

    (void)state;
    response(&v, VALUE_JSON, false, "{\"token\": \"abc\", \"l\": [{\"id\": 7}]}");
    CHECK(&v, rows);
    value_done(&v);
}

static void bodies_are_of_their_type(void **state)
{
    static const struct row xml[] = {{".Body/a/b[2]", "2", 0, NULL},
                                     {".Body.a", NULL, -EINVAL, NULL}};
    static const struct row csv[] = {{".Body[0,1]", "2", 0, NULL}, {"", "h,i\n1,2", 0, NULL}};
    static const struct row text[] = {{".Body", "hi", 0, NULL}, {".Body.a", NULL, -ENOTSUP, NULL}};
    static const struct row quoted[] = {
        {"", "\"{\"a\": 1}\"", 0, NULL},        {".Body", "\"{\"a\": 1}\"", 0, NULL},
        {".Body.a", "\"1\"", 0, NULL},          {".Body.b", "\"\"", -ENOENT, NULL},
        {".StatusCode", "200", 0, NULL},        {".Headers.XTrace", "u", 0, NULL},
        {".Headers.Nope", NULL, -ENOENT, NULL},
    };
    static const struct row empty[] = {
        {"", "", 0, NULL},
        {".StatusCode", "0", 0, NULL},
        {".StatusReason", "", 0, NULL},
        {".Headers.A", NULL, -ENOENT, NULL},
        {".Body.a", NULL, -EINVAL, NULL},
    };
    struct value v = {0};

    (void)state;
    response(&v, VALUE_XML, false, "<a><b>1</b><b>2</b></a>");
    CHECK(&v, xml);
    response(&v, VALUE_CSV, false, "h,i\n1,2");
    CHECK(&v, csv);
    response(&v, VALUE_STRING, false, "hi");
    CHECK(&v, text);
    response(&v, VALUE_JSON, true, "{\"a\": 1}");
    CHECK(&v, quoted);
    value_set_response(&v, 0, "", NULL, 0, VALUE_JSON, false, "", 0);
    CHECK(&v, empty);
    value_done(&v);
}

static void what_paths_give_is_cut_to_a_match(void **state)
{
    static const struct row rows[] = {
        {".Body.order", "4711", 0, NULL},
        {".Body.other", NULL, -ENOENT, "its regex matches nothing"},
        {".Body.empty", NULL, -ENOENT, NULL},
        {".Body.none", NULL, -ENOENT, NULL},
        {".StatusCode", "200", 0, NULL},
        {".Headers.X_Trace", "t", 0, NULL},
        {".Body", "{\"order\": \"o-4711-1\", \"other\": \"x\", \"empty\": \"\"}", 0, NULL},
    };
    struct regex *regex;
    struct value v = {0}, copy = {0};
    struct buf out = {0};
    char why[100];

    (void)state;
    assert_int_equal(regex_compile("\\d+", why, sizeof why, &regex), 0);
    response(&v, VALUE_JSON, false, "{\"order\": \"o-4711-1\", \"other\": \"x\", \"empty\": \"\"}");
    value_cut_paths(&v, regex);
    value_copy(&copy, &v);
    CHECK(&copy, rows);
    response(&v, VALUE_JSON, true, "[\"a1\"]");
    value_cut_paths(&v, regex);
    assert_int_equal(value_append(&v, ".Body[0]", &out, why, sizeof why), 0);
    assert_string_equal(out.data, "\"1\"");
    buf_done(&out);
    value_done(&v);
    value_done(&copy);
    regex_free(regex);
}

static void a_reason_is_cut_to_its_room(void **state)
{
    struct value v = {0};
    struct buf out = {0};
    char why[8] = "";

    (void)state;
    value_set(&v, VALUE_JSON, false, "{}", 2);
    assert_int_equal(value_append(&v, ".a", &out, why, sizeof why), -ENOENT);
    assert_string_equal(why, "there i");
    assert_int_equal(out.len, 0);
    value_done(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_undefined_value_is_empty),
        cmocka_unit_test(numbers_have_no_use_for_a_path),
        cmocka_unit_test(texts_have_no_paths),
        cmocka_unit_test(json_paths_give_one_match_as_text),
        cmocka_unit_test(simple_paths_give_what_the_whole_text_would),
        cmocka_unit_test(deep_texts_are_parsed),
        cmocka_unit_test(a_text_that_is_no_json_says_where),
        cmocka_unit_test(a_byte_order_mark_is_passed_over),
        cmocka_unit_test(xpaths_give_the_text_of_the_first_node),
        cmocka_unit_test(a_text_that_is_no_xml_says_where),
        cmocka_unit_test(xml_reads_nothing_else_and_has_no_entities_of_its_own),
        cmocka_unit_test(an_xpath_has_a_limit_of_work),
        cmocka_unit_test(csv_has_rows_below_its_header),
        cmocka_unit_test(responses_have_a_status_headers_and_a_body),
        cmocka_unit_test(bodies_are_of_their_type),
        cmocka_unit_test(what_paths_give_is_cut_to_a_match),
        cmocka_unit_test(a_reason_is_cut_to_its_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
