#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/method_test_util.h"

// A file without NULs.
static void put_file(struct world *w, const char *name, const char *text)
{
    world_file(w, false, name, text, strlen(text));
}

static void read_finds_the_source_by_what_is_given(void **state)
{
    struct world *w = *state;

    put_file(w, "a.txt", "in a file\n");
    world_file(w, true, "HOME", "in the environment", 18);
    world_put(w, "v", VALUE_STRING, "in a variable");
    world_put(w, "ext", VALUE_STRING, "txt");
    gives(w, "$read(path=a.txt)", "in a file\n");
    gives(w, "$read(source=file, path=a.$ext)", "in a file\n");
    gives(w, "$read(source=FILE, path=a.txt, name=v)", "in a file\n");
    gives(w, "$read(path=a.txt, name=v)", "in a file\n");
    gives(w, "$read(name=v)", "in a variable");
    gives(w, "$read(source=variable, name=v, path=a.txt)", "in a variable");
    gives(w, "$read(source=env, name=HOME)", "in the environment");
    gives(w, "$read(source=Env, name=HOME, path=a.txt)", "in the environment");
}

static void what_cannot_be_read_is_empty(void **state)
{
    struct world *w = *state;

    put_file(w, "a.txt", "x");
    put_file(w, "empty", "");
    gives(w, "$read(path=empty)", "");
    warns(w, "$read(path=b.txt)", "", "read: there is no file \"b.txt\"");
    warns(w, "$read(source=env, name=a.txt)", "",
          "read: there is no environment variable \"a.txt\"");
    warns(w, "$read(name=v)", "", "read: there is no variable \"v\"");
    warns(w, "$read()", "", "read: name is missing");
    warns(w, "$read(source=env)", "", "read: name is missing");
    warns(w, "$read(source=file, name=a.txt)", "", "read: path is missing");
    warns(w, "$read(path=)", "", "read: path is missing");
    warns(w, "$read(source=disk, path=a.txt)", "", "read: source is none of file, env, variable");
    w->env.read = NULL;
    warns(w, "$read(path=a.txt)", "", "read: there is no file \"a.txt\"");
}

static void variables_are_read_as_they_are(void **state)
{
    struct world *w = *state;
    struct value v = {0};

    assert_int_equal(value_set(&v, VALUE_JSON, true, "[1]", 3), 0);
    assert_true(globals_put(w->env.globals, "q", &v));
    gives(w, "$q", "\"[1]\"");
    gives(w, "$read(name=q, as=json, variable=r)", "[1]");
    is_stored(w, false, "r", VALUE_JSON, "[1]");
    world_put(w, "t", VALUE_STRING, "$q ${nope} $$");
    gives(w, "$read(name=t)", "$q ${nope} $$");
}

static void encodings_become_utf_8(void **state)
{
    static const struct {
        const char *encoding, *bytes;
        size_t len;
        const char *want;
    } rows[] = {
        {"utf-8", "\xc3\xa4", 2, "\xc3\xa4"},
        {"UTF8", "\xc3\xa4", 2, "\xc3\xa4"},
        {"utf-8", "\xef\xbb\xbfx", 4, "x"},
        {"utf-8", "\xef\xbb", 2, "\xef\xbb"},
        {"utf-8", "a\xff", 2, "a\xff"},
        {"utf-16", "\xe4\0x\0", 4, "\xc3\xa4x"},
        {"Unicode", "\xac\x20", 2, "\xe2\x82\xac"},
        {"utf-16", "\x3d\xd8\x00\xde", 4, "\xf0\x9f\x98\x80"},
        {"utf-16", "\xff\xfex\0", 4, "x"},
        {"utf-16", "\xfe\xff\0x", 4, "x"},
        {"utf-8", "\xff\xfex\0", 4, "x"},
        {"utf-8", "\xfe\xff\0x", 4, "x"},
        {"utf-16", "\xef\xbb\xbf\xc3\xa4", 5, "\xc3\xa4"},
        {"utf-16", "", 0, ""},
        {"utf-16", "x", 1, "\xef\xbf\xbd"},
        {"utf-16", "x\0y", 3, "x\xef\xbf\xbd"},
        {"utf-16", "\x3d\xd8", 2, "\xef\xbf\xbd"},
        {"utf-16", "\x3d\xd8x\0", 4, "\xef\xbf\xbdx"},
        {"utf-16", "\x3d\xd8\x3d\xd8\x00\xde", 6, "\xef\xbf\xbd\xf0\x9f\x98\x80"},
        {"utf-16", "\x3d\xd8\x00", 3, "\xef\xbf\xbd\xef\xbf\xbd"},
        {"utf-16", "\x00\xdex\0", 4, "\xef\xbf\xbdx"},
        {"ascii", "a\x7f\xc3\xa4z", 5, "a\x7f??z"},
        {"ASCII", "", 0, ""},
    };
    struct world *w = *state;
    char text[100];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        w->n_files = 0;
        world_file(w, false, "f", rows[i].bytes, rows[i].len);
        snprintf(text, sizeof text, "$read(path=f, encoding=%s)", rows[i].encoding);
        gives(w, text, rows[i].want);
    }
    w->n_files = 0;
    put_file(w, "f", "\xc3\xa4");
    warns(w, "$read(path=f, encoding=latin1)", "\xc3\xa4",
          "read: encoding is none of utf-8, utf-16, ascii, and taken as utf-8");
}

static void a_long_file_is_cut_with_a_warning(void **state)
{
    struct world *w = *state;
    char *text = xcalloc(1, VALUE_BYTES_MAX + 1);

    memset(text, 'x', VALUE_BYTES_MAX + 1);
    world_file(w, false, "f", text, VALUE_BYTES_MAX);
    world_file(w, false, "g", text, VALUE_BYTES_MAX + 1);
    world_render(w, "$read(path=f)");
    assert_int_equal(w->out.len, VALUE_BYTES_MAX);
    assert_string_equal(w->warnings.data, "");
    world_render(w, "$read(path=g)");
    assert_int_equal(w->out.len, VALUE_BYTES_MAX);
    assert_string_equal(w->warnings.data, "read: the text is cut at 16777216 bytes\n");
    free(text);
}

static void as_says_how_what_was_read_is_stored(void **state)
{
    static const struct {
        const char *text, *as, *stored;
        enum value_type type;
    } rows[] = {
        {"5", "", "5", VALUE_STRING},
        {"5", ", as=int", "5", VALUE_INT},
        {"2.5", ", as=Integer", "2", VALUE_INT},
        {"3.5", ", as=int", "4", VALUE_INT},
        {"1 + 2*3", ", as=int", "7", VALUE_INT},
        {"7/2", ", as=int", "3", VALUE_INT},
        {"7/2.0", ", as=double", "3.5", VALUE_DOUBLE},
        {"3000000000", ", as=int", "3000000000", VALUE_DOUBLE},
        {"x", ", as=int", "x", VALUE_STRING},
        {"", ", as=int", "", VALUE_STRING},
        {"1/0", ", as=double", "1/0", VALUE_STRING},
        {"2.50", ", as=decimal", "2.50", VALUE_DECIMAL},
        {"0.1+0.2", ", as=decimal", "0.3", VALUE_DECIMAL},
        {"2*3", ", as=decimal", "6", VALUE_DECIMAL},
        {"1e400", ", as=decimal", "1e400", VALUE_STRING},
        {"TRUE", ", as=bool", "true", VALUE_BOOL},
        {"yes", ", as=boolean", "yes", VALUE_STRING},
        {"{\"a\": 1}", ", as=json", "{\"a\": 1}", VALUE_JSON},
        {"\"x\"", ", as=jsonstring", "\"x\"", VALUE_JSON},
        {"{\"a\": ", ", as=json", "{\"a\": ", VALUE_STRING},
        {"[1, 2]", ", as=string", "[1, 2]", VALUE_STRING},
        {"[1, 2]", ", as=auto", "[1, 2]", VALUE_JSON},
        {"1.50", ", as=auto", "1.5", VALUE_DOUBLE},
        {"false", ", as=auto", "false", VALUE_BOOL},
        {"007", ", as=auto", "007", VALUE_STRING},
    };
    struct world *w = *state;
    char text[200];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        w->n_files = 0;
        put_file(w, "f", rows[i].text);
        snprintf(text, sizeof text, "$read(path=f, variable=v%s)", rows[i].as);
        gives(w, text, rows[i].text);
        is_stored(w, false, "v", rows[i].type, rows[i].stored);
        snprintf(text, sizeof text, "$readif(condition=true, path=f, variable=v%s)",
                 *rows[i].as ? rows[i].as : ", as=string");
        gives(w, text, rows[i].text);
        is_stored(w, false, "v", rows[i].type, rows[i].stored);
    }
    gives(w, "$read(path=f, variable=g, isGlobal=true)", "007");
    is_stored(w, true, "g", VALUE_STRING, "007");
}

static void readif_reads_on_a_condition(void **state)
{
    struct world *w = *state;

    put_file(w, "f", "12");
    world_file(w, true, "E", "[1]", 3);
    world_put(w, "a", VALUE_INT, "1");
    gives(w, "$readif(condition=$a == 1, variable=v, path=f)", "12");
    is_stored(w, false, "v", VALUE_INT, "12");
    gives(w, "$readif(condition=$a == 1, variable=e, source=env, name=E, isGlobal=true)", "[1]");
    is_stored(w, true, "e", VALUE_JSON, "[1]");
    gives(w, "$readif(condition=$a > 1, variable=v, path=f, default=none)", "none");
    is_stored(w, false, "v", VALUE_STRING, "none");
    gives(w, "$readif(condition=$a > 1, variable=v, path=f, default=3*3, as=int)", "3*3");
    is_stored(w, false, "v", VALUE_INT, "9");
    gives(w, "$readif(condition=$a > 1, variable=v, path=f)", "");
    is_stored(w, false, "v", VALUE_INT, "9");
    gives(w, "$readif(condition=$a > 1, variable=w, path=nowhere)", "");
    assert_null(scope_find(&w->session, "w"));
    warns(w, "$readif(condition=true, variable=v, path=nowhere, default=3)", "",
          "readif: there is no file \"nowhere\"");
    is_stored(w, false, "v", VALUE_STRING, "");
    is_refused("$readif(variable=v, path=f)", "found readif without \"condition\"");
    is_refused("$readif(condition=true, path=f)", "found readif without \"variable\"");
}

static void setvariable_gives_what_it_is_set_to(void **state)
{
    struct world *w = *state;

    world_put(w, "a", VALUE_INT, "3");
    gives(w, "$setvariable(variable=v, value=x $a)", "x 3");
    is_stored(w, false, "v", VALUE_STRING, "x 3");
    gives(w, "$set(variable=v, value=${a}*2, as=int)", "3*2");
    is_stored(w, false, "v", VALUE_INT, "6");
    gives(w, "$set(variable=v, value=${a}*2)", "3*2");
    is_stored(w, false, "v", VALUE_STRING, "3*2");
    gives(w, "$SET(variable=v, value=$a)", "3");
    is_stored(w, false, "v", VALUE_INT, "3");
    gives(w, "$set(variable=v, value=$a, as=string)", "3");
    is_stored(w, false, "v", VALUE_STRING, "3");
    gives(w, "$set(variable=v, value=[1, 2])", "[1, 2]");
    is_stored(w, false, "v", VALUE_JSON, "[1, 2]");
    gives(w, "${v[1]}", "2");
    gives(w, "$set(variable=g, value=2.5, isGlobal=true)", "2.5");
    is_stored(w, true, "g", VALUE_DOUBLE, "2.5");
    gives(w, "$set(variable=v)", "");
    is_stored(w, false, "v", VALUE_STRING, "");
    gives(w, "$set(variable=v, value=$set(variable=u, value=1))$u$v", "111");
}

static void setvariable_needs_a_name(void **state)
{
    struct world *w = *state;

    world_put(w, "blank", VALUE_STRING, "");
    warns(w, "$set(variable=$blank, value=5)", "5",
          "setvariable: the name in \"variable\" is empty");
    is_refused("$set(value=5)", "found setvariable without \"variable\"");
    is_refused("$set(variable=, value=5)", "expected the name of a variable");
}

static void without_a_session_variables_are_global(void **state)
{
    struct world *w = *state;

    w->env.session = NULL;
    gives(w, "$set(variable=v, value=1)", "1");
    is_stored(w, true, "v", VALUE_INT, "1");
}

static void setvariableif_sets_on_a_condition(void **state)
{
    struct world *w = *state;

    world_put(w, "a", VALUE_INT, "3");
    gives(w, "$setvariableif(variable=v, condition=$a > 2, value=big, default=small)", "big");
    is_stored(w, false, "v", VALUE_STRING, "big");
    gives(w, "$setif(variable=v, condition=$a > 3, value=big, default=5)", "5");
    is_stored(w, false, "v", VALUE_INT, "5");
    gives(w, "$setif(variable=v, condition=$a > 3, value=big)", "");
    is_stored(w, false, "v", VALUE_INT, "5");
    gives(w, "$setif(variable=v, condition=$a > 3, value=big, default=)", "");
    is_stored(w, false, "v", VALUE_STRING, "");
    gives(w, "$setif(variable=v, condition=true, value=${a}*2, as=int)", "6");
    is_stored(w, false, "v", VALUE_INT, "6");
    gives(w, "$setif(variable=v, condition=false, value=1, default=${a}/2.0, as=double)", "1.5");
    is_stored(w, false, "v", VALUE_DOUBLE, "1.5");
    gives(w, "$setif(variable=v, condition=true, value=x, as=int)", "x");
    is_stored(w, false, "v", VALUE_STRING, "x");
    gives(w, "$setif(variable=g, condition=true, value=1, isGlobal=true)", "1");
    is_stored(w, true, "g", VALUE_INT, "1");
    is_refused("$setif(variable=v, value=1)", "found setvariableif without \"condition\"");
    is_refused("$setif(condition=true, value=1)", "found setvariableif without \"variable\"");
}

static void only_the_branch_that_is_taken_is_worked_out(void **state)
{
    struct world *w = *state;

    gives(w,
          "$setif(variable=v, condition=true, value=$set(variable=yes, value=1), "
          "default=$set(variable=no, value=1))",
          "1");
    is_stored(w, false, "yes", VALUE_INT, "1");
    assert_null(scope_find(&w->session, "no"));
    gives(w,
          "$setif(variable=v, condition=false, value=$set(variable=no, value=1), "
          "default=$set(variable=other, value=2))",
          "2");
    is_stored(w, false, "other", VALUE_INT, "2");
    assert_null(scope_find(&w->session, "no"));
    gives(w, "$readif(condition=false, variable=v, name=$set(variable=no, value=1), default=3)",
          "3");
    assert_null(scope_find(&w->session, "no"));
}

static void see_name(void *arg, const char *name, bool is_store, bool is_global)
{
    buf_printf(arg, "%s%s%s ", is_store ? "=" : "", is_global ? "global " : "", name);
}

static void see_source(void *arg, bool is_env, const char *name)
{
    buf_printf(arg, "%s%s ", is_env ? "env:" : "file:", name);
}

// What a plan's files and variables are known by before it runs.
static void names_and_sources_are_seen_before_they_are_needed(void **state)
{
    static const struct {
        const char *text, *names, *sources;
    } rows[] = {
        {"$read(path=a.txt)", "", "file:a.txt "},
        {"$read(source=env, name=HOME)", "", "env:HOME "},
        {"$read(name=v)", "v ", ""},
        {"$readif(condition=$c, variable=v, path=a, default=$d)", "c =v d ", "file:a "},
        {"$set(variable=v, value=$a, isGlobal=true)", "=global v a ", ""},
        {"$setif(variable=v, condition=$c, value=$a)", "=v c a ", ""},
        {"$greaterthan(a=1, b=$b, numberVariable=n, variable=v)", "b =n =v ", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf names = {0}, sources = {0};
        struct tmpl_error error;
        struct tmpl *t;
        assert_int_equal(tmpl_compile(rows[i].text, strlen(rows[i].text), &t, &error), 0);
        tmpl_each_name(t, see_name, &names);
        tmpl_each_source(t, see_source, &sources);
        buf_append(&names, "", 0);
        buf_append(&sources, "", 0);
        for (const char *want = rows[i].names; *want != '\0';) {
            size_t len = strcspn(want, " ") + 1;
            char *word = xstrndup(want, len);
            if (strstr(names.data, word) == NULL)
                fail_msg("%s: \"%s\" is not in \"%s\"", rows[i].text, word, names.data);
            free(word);
            want += len;
        }
        assert_string_equal(sources.data, rows[i].sources);
        buf_done(&names);
        buf_done(&sources);
        tmpl_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(read_finds_the_source_by_what_is_given),
        world_test(what_cannot_be_read_is_empty),
        world_test(variables_are_read_as_they_are),
        world_test(encodings_become_utf_8),
        world_test(a_long_file_is_cut_with_a_warning),
        world_test(as_says_how_what_was_read_is_stored),
        world_test(readif_reads_on_a_condition),
        world_test(setvariable_gives_what_it_is_set_to),
        world_test(setvariable_needs_a_name),
        world_test(without_a_session_variables_are_global),
        world_test(setvariableif_sets_on_a_condition),
        world_test(only_the_branch_that_is_taken_is_worked_out),
        world_test(names_and_sources_are_seen_before_they_are_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
