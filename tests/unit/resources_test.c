#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/str.h"
#include "worker/runner/resources.h"

static struct resources find(const char *html, size_t len)
{
    struct diag d = {0};
    struct plan_url base;
    struct resources r;

    assert_int_equal(plan_url_parse("http://a.example/x/y?q", &d, 0, 0, &base), 0);
    resources_find(&base, html, len, &r);
    plan_url_done(&base);
    return r;
}

// expected: the targets of the URLs, or whole ones of other hosts, each followed by a blank.
static void finds(const char *html, const char *expected)
{
    struct resources r = find(html, strlen(html));
    struct buf b = {0};

    buf_puts(&b, "");
    for (size_t i = 0; i < r.n; i++) {
        bool here = strcmp(r.urls[i].authority, "a.example") == 0;
        buf_printf(&b, "%s ", here ? r.urls[i].target : r.urls[i].text);
    }
    if (strcmp(b.data, expected) != 0)
        fail_msg("%s: %s", html, b.data);
    buf_done(&b);
    resources_done(&r);
}

static void a_text_without_tags_names_nothing(void **state)
{
    (void)state;
    finds("", "");
    finds("<", "");
    finds("</", "");
    finds("<!", "");
    finds("a < b > c", "");
    finds("<3 src=a>", "");
    finds("img src=a", "");
}

static void images_scripts_and_style_sheets_are_found(void **state)
{
    (void)state;
    finds("<!DOCTYPE html><html><head><link rel=\"stylesheet\" href=\"s.css\">\n"
          "<script src=\"/j.js\"></script></head><body><p><img alt=x src=i.png></body>",
          "/x/s.css /j.js /x/i.png ");
    finds("<IMG SRC='a'><Script sRc=b></sCRIPT><LINK REL=stylesheet HREF=c>", "/x/a /x/b /x/c ");
    finds("<img src=a/><img src='b'/><img/src=c><img\n\tsrc\f=\r d >", "/x/a/ /x/b /x/c /x/d ");
}

static void other_elements_and_attributes_are_not(void **state)
{
    (void)state;
    finds("<a href=a><iframe src=b></iframe><video src=c><image src=d><im src=e><imgs src=f>", "");
    finds("<img data-src=a srcset=b href=c><script href=d></script><link rel=stylesheet src=e>",
          "");
    finds("</img src=a></script src=b>", "");
    finds("<img src><img src=><img src=''><img>", "");
    finds("<base href=http://b.example/><img src=a>", "/x/a ");
}

static void only_a_link_whose_rel_is_stylesheet_counts(void **state)
{
    static const char *const rels[] = {"icon",        "Stylesheet", "alternate stylesheet",
                                       "stylesheet ", "preload",    ""};

    (void)state;
    for (size_t i = 0; i < sizeof rels / sizeof *rels; i++) {
        char *html = xasprintf("<link rel=\"%s\" href=a>", rels[i]);
        finds(html, "");
        free(html);
    }
    finds("<link href=a><link rel href=b>", "");
    finds("<link href=a rel=stylesheet>", "/x/a ");
    finds("<link rel=&#115;tylesheet href=a>", "");
}

static void of_an_attribute_that_comes_twice_the_first_counts(void **state)
{
    (void)state;
    finds("<img src=a src=b><img SRC=c src=d>", "/x/a /x/c ");
    finds("<link rel=icon rel=stylesheet href=a>", "");
    finds("<img src src=b>", "");
}

static void quotes_hide_angle_brackets(void **state)
{
    (void)state;
    finds("<p title='<img src=a>'><img src=b>", "/x/b ");
    finds("<p title=\"'><img src=a>\"><img src=b>", "/x/b ");
    finds("<img title=> src=a><img src=b>", "/x/b ");
    finds("<img title=a\"b src=c>", "/x/c ");
    finds("<img \"src\"=a ' src=b>", "/x/b ");
    finds("<img =src=a src=b>", "/x/b ");
}

static void comments_hide_tags(void **state)
{
    (void)state;
    finds("<!-- <img src=a> --><img src=b>", "/x/b ");
    finds("<!-- > <img src=a> -- > -- <img src=b>", "");
    finds("<!--><img src=a>", "/x/a ");
    finds("<!---><img src=a>", "/x/a ");
    finds("<!----><img src=a>", "/x/a ");
    finds("<!--- --><img src=a>", "/x/a ");
    finds("<!-- <!-- --><img src=a>", "/x/a ");
    finds("<!--", "");
    finds("<!- <img src=a><img src=b>", "/x/b ");
    finds("<?php <img src=a>?><img src=b>", "/x/b ");
    finds("</ <img src=a><img src=b>", "/x/b ");
    finds("<!><img src=a>", "/x/a ");
}

static void the_text_of_scripts_and_styles_hides_tags(void **state)
{
    static const char *const names[] = {"script", "style",    "title",   "textarea",
                                        "iframe", "noframes", "noembed", "xmp"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *html = xasprintf("<%s>'<img src=a>'</%sx></ %s></%s></%s ><img src=b>", names[i],
                               names[i], names[i], names[i], names[i]);
        finds(html, "/x/b ");
        free(html);
    }
    finds("<script>if (a<b) '<!--'</SCRIPT/><img src=b>", "/x/b ");
    finds("<script src=j>'<img src=a>'", "/x/j ");
    finds("<script></script x='<img src=a>'><img src=b>", "/x/b ");
    finds("<script>a</script", "");
    finds("<script>a</", "");
    finds("<script/><img src=a></script><img src=b>", "/x/b ");
    finds("<noscript><img src=a></noscript><svg><img src=b></svg>", "/x/a /x/b ");
}

static void a_tag_that_does_not_end_is_none(void **state)
{
    (void)state;
    finds("<img src=a", "");
    finds("<img src='a>", "");
    finds("<img src=\"a", "");
    finds("<img src=", "");
    finds("<img", "");
    finds("<i", "");
    finds("<img src=a <img src=b>", "/x/a ");
}

static void character_references_are_decoded(void **state)
{
    (void)state;
    finds("<img src='a?b=1&amp;c=2&d=3'>", "/x/a?b=1&c=2&d=3 ");
    finds("<img src='&#97;&#x62;&#X63;&#100'>", "/x/abcd ");
    finds("<img src='&lt;&gt;&quot;&apos;'>", "/x/%3C%3E%22' ");
    finds("<img src='a?&copy=1&amp&unknown;'>", "/x/a?&copy=1&amp&unknown; ");
    finds("<img src='a?&#;&#x;&#y&'>", "/x/a?& ");
    finds("<img src='a?&#228;&#x20ac;&#x1F600;'>", "/x/a?%C3%A4%E2%82%AC%F0%9F%98%80 ");
    finds("<img src='a?&#0;&#xd800;&#x110000;&#99999999999999;'>",
          "/x/a?%EF%BF%BD%EF%BF%BD%EF%BF%BD%EF%BF%BD ");
    finds("<img src='&#47;&#47;b.example/'>", "http://b.example/ ");
    finds("<img src='a?&'><img src='b?&#'><img src='c?&am'>", "/x/a?& /x/b?& /x/c?&am ");
}

static void each_url_comes_once_however_it_is_written(void **state)
{
    (void)state;
    finds("<img src=a><img src=./a><img src=/x/a#b><img src=b><script src=http://a.example:80/x/a>",
          "/x/a /x/b ");
}

static void what_is_no_http_url_is_skipped(void **state)
{
    (void)state;
    finds("<img src='data:image/png;base64,AA=='><img src='DATA:,'><img src=blob:x>"
          "<script src='javascript:1'></script><img src='http://'><img src=' \n a\n '>"
          "<img src=https://b.example/c>",
          "/x/a https://b.example/c ");
}

static void bytes_that_are_no_text_do_no_harm(void **state)
{
    static const char html[] = "\0<img\0src=a><img \0 src=b\0c>\xff<img src=\xe4>\0";
    struct resources r = find(html, sizeof html - 1);

    (void)state;
    assert_int_equal(r.n, 2);
    assert_string_equal(r.urls[0].target, "/x/b%00c");
    assert_string_equal(r.urls[1].target, "/x/%E4");
    resources_done(&r);
}

static void the_last_resource_is_found_and_not_one_more(void **state)
{
    (void)state;
    for (int extra = -1; extra <= 1; extra++) {
        struct buf b = {0};
        for (int i = 0; i < RESOURCES_MAX + extra; i++)
            buf_printf(&b, "<img src=%d><img src=%d>", i, i / 2);
        struct resources r = find(b.data, b.len);
        assert_int_equal(r.n, extra < 0 ? RESOURCES_MAX - 1 : RESOURCES_MAX);
        for (size_t i = 0; i < r.n; i++)
            assert_int_equal(atoi(r.urls[i].target + 3), i);
        resources_done(&r);
        buf_done(&b);
    }
}

static void html_is_looked_at_up_to_its_limit(void **state)
{
    static const char tag[] = "<img src=a>";
    const size_t len = strlen(tag);
    char *html = xcalloc(RESOURCES_BYTES_MAX + 1, 1);

    (void)state;
    for (size_t beyond = 0; beyond <= 1; beyond++) {
        memset(html, ' ', RESOURCES_BYTES_MAX + 1);
        memcpy(html + RESOURCES_BYTES_MAX + beyond - len, tag, len);
        struct resources r = find(html, RESOURCES_BYTES_MAX + beyond);
        assert_int_equal(r.n, 1 - beyond);
        resources_done(&r);
    }
    free(html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_without_tags_names_nothing),
        cmocka_unit_test(images_scripts_and_style_sheets_are_found),
        cmocka_unit_test(other_elements_and_attributes_are_not),
        cmocka_unit_test(only_a_link_whose_rel_is_stylesheet_counts),
        cmocka_unit_test(of_an_attribute_that_comes_twice_the_first_counts),
        cmocka_unit_test(quotes_hide_angle_brackets),
        cmocka_unit_test(comments_hide_tags),
        cmocka_unit_test(the_text_of_scripts_and_styles_hides_tags),
        cmocka_unit_test(a_tag_that_does_not_end_is_none),
        cmocka_unit_test(character_references_are_decoded),
        cmocka_unit_test(each_url_comes_once_however_it_is_written),
        cmocka_unit_test(what_is_no_http_url_is_skipped),
        cmocka_unit_test(bytes_that_are_no_text_do_no_harm),
        cmocka_unit_test(the_last_resource_is_found_and_not_one_more),
        cmocka_unit_test(html_is_looked_at_up_to_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
