#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/script/datetime.h"
#include "tests/unit/method_test_util.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// --- random ---

static void random_text_has_the_length_asked_for(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *template;
        size_t length;
    } cases[] = {
        {"$random(length=0)", 0},
        {"$random(length=1)", 1},
        {"$random()", 10},
        {"$random(length=11)", 11},
        {"$RANDOM(length=2*50)", 100},
        {"$random(length=16777216)", 16777216},
        {"$random(length=${n})", 7},
        {"$random(length=3, variable=kept)", 3},
    };

    world_put(w, "n", VALUE_INT, "7");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = world_render(w, cases[i].template);
        assert_int_equal(w->n_warnings, 0);
        assert_int_equal(strlen(text), cases[i].length);
        assert_int_equal(strspn(text, LETTERS), cases[i].length);
    }
    is_stored(w, false, "kept", VALUE_STRING, w->out.data);
}

static void random_text_of_no_possible_length_is_none(void **state)
{
    struct world *w = *state;

    warns(w, "$random(length=-1)", "", "random: length is -1");
    warns(w, "$random(length=16777217)", "", "random: length is 16777217");
    is_refused("$random(length=many)", "\"length\"");
    world_put(w, "n", VALUE_STRING, "many");
    assert_int_equal(strlen(world_render(w, "$random(length=$n)")), 10);
    assert_int_equal(w->n_warnings, 1);
}

static void random_text_uses_all_characters_alike(void **state)
{
    struct world *w = *state;
    size_t n[128] = {0};

    for (const char *p = world_render(w, "$random(length=620000)"); *p != '\0'; p++)
        n[(unsigned char)*p]++;
    for (const char *p = LETTERS; *p != '\0'; p++)
        assert_in_range(n[(unsigned char)*p], 9500, 10500); // five standard deviations
}

static void the_same_seed_gives_the_same(void **state)
{
    static const char all[] = "$random() $randomnumber(max=1000000) ${guid()} ${uuid(prefix=x)} "
                              "${generateemail()} ${randomItem(source=[1,2,3,4,5,6,7,8,9])}";
    struct world *w = *state;
    char *first = xstrdup(world_render(w, all));

    assert_string_not_equal(world_render(w, all), first);
    script_random_seed(&w->random, 1, 1);
    assert_string_equal(world_render(w, all), first);
    script_random_seed(&w->random, 2, 1);
    assert_string_not_equal(world_render(w, all), first);
    free(first);
}

// --- randomnumber ---

static void random_numbers_reach_both_ends_and_no_further(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *template;
        long min, max;
    } cases[] = {
        {"$randomnumber()", 1, 100},
        {"$randomnumber(max=3)", 1, 3},
        {"$randomnumber(min=-2, max=2)", -2, 2},
        {"$randomnumber(min=99)", 99, 100},
        {"$randomnumber(min=1+1, max=2*2)", 2, 4},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool has_min = false, has_max = false;
        for (size_t j = 0; j < 2000; j++) {
            char *end;
            long n = strtol(world_render(w, cases[i].template), &end, 10);
            assert_true(*end == '\0' && n >= cases[i].min && n <= cases[i].max);
            has_min |= n == cases[i].min;
            has_max |= n == cases[i].max;
        }
        assert_true(has_min && has_max);
    }
}

static void random_numbers_are_stored_as_int(void **state)
{
    struct world *w = *state;

    gives(w, "$randomnumber(min=5, max=5, variable=n)", "5");
    is_stored(w, false, "n", VALUE_INT, "5");
    gives(w, "$randomnumber(min=6, max=6, variable=g, isGlobal=true)", "6");
    is_stored(w, true, "g", VALUE_INT, "6");
    gives(w, "$randomnumber(min=3000000000, max=3000000000, variable=big)", "3000000000");
    is_stored(w, false, "big", VALUE_DOUBLE, "3000000000");
}

static void random_numbers_need_a_range(void **state)
{
    struct world *w = *state;

    warns(w, "$randomnumber(min=2, max=1)", "", "randomnumber: min is 2");
    warns(w, "$randomnumber(min=101)", "", "randomnumber: min is 101");
    world_render(w, "$randomnumber(min=-9223372036854775807-1, max=9223372036854775807)");
    assert_int_equal(w->n_warnings, 0);
    is_refused("$randomnumber(min=one)", "\"min\"");
    is_refused("$randomnumber(least=1)", "\"least\"");
}

// --- timestamp ---

static void timestamps_show_now(void **state)
{
    struct world *w = *state;

    gives(w, "$timestamp()", "2023-11-14T22:13:20");
    gives(w, "$datetime()", "2023-11-14T22:13:20");
    gives(w, "$timestamp(format=yyyyMMddHHmmssfff)", "20231114221320123");
    gives(w, "$timestamp(format=yyyy-MM-ddTHH:mm:ss.fffZ, variable=at)",
          "2023-11-14T22:13:20.123Z");
    is_stored(w, false, "at", VALUE_STRING, "2023-11-14T22:13:20.123Z");
    world_put(w, "f", VALUE_STRING, "HH:mm");
    gives(w, "$timestamp(format=$f)", "22:13");
    gives(w, "$timestamp(format=ddd\", \"dd MMM)", "Tue, 14 Nov");
}

static void timestamps_have_an_offset(void **state)
{
    struct world *w = *state;

    gives(w, "$timestamp(offsetHours=2)", "2023-11-15T00:13:20");
    gives(w, "$timestamp(offsetHours=-23)", "2023-11-13T23:13:20");
    gives(w, "$timestamp(offsetHours=5.5, format=HH:mmK)", "03:43+05:30");
    gives(w, "$timestamp(offsetHours=24*30, format=d)", "12/14/2023");
    warns(w, "$timestamp(offsetHours=1e12)", "", "timestamp: offsetHours");
    warns(w, "$timestamp(offsetHours=-1e300)", "", "timestamp: offsetHours");
    is_refused("$timestamp(offsetHours=soon)", "\"offsetHours\"");
}

static void timestamps_in_no_format_are_empty(void **state)
{
    struct world *w = *state;

    warns(w, "$timestamp(format=x)", "", "timestamp: format");
    warns(w, "$timestamp(format=)", "", "timestamp: format");
    warns(w, "$timestamp(format=fffffffff)", "", "timestamp: format");
}

static void formats_are_those_of_dotnet(void **state)
{
    static const int64_t now = WORLD_NOW_UNIX_MS,
                         morning = 1709278625040; // 2024-03-01T07:37:05.040Z
    static const int64_t hour = 3600000;
    static const struct {
        int64_t at, offset_ms;
        const char *format, *expected;
    } cases[] = {
        {now, 0, "d M y", "14 11 23"},
        {morning, 0, "%d", "1"},
        {morning, 0, "%M", "3"},
        {morning, 0, "%y", "24"},
        {morning, 0, "dd MM yy", "01 03 24"},
        {morning, 0, "ddd MMM yyy", "Fri Mar 2024"},
        {morning, 0, "dddd MMMM yyyy", "Friday March 2024"},
        {morning, 0, "dddddd MMMMM yyyyyy", "Friday March 002024"},
        {morning, 0, "h H m s", "7 7 37 5"},
        {morning, 0, "hh HH mm ss", "07 07 37 05"},
        {morning, 0, "hhh HHH mmm sss", "07 07 37 05"},
        {morning, 0, "h:mm t, tt, ttt", "7:37 A, AM, AM"},
        {now, 0, "h tt", "10 PM"},
        {0, 0, "h tt", "12 AM"},
        {12 * hour, 0, "h tt", "12 PM"},
        {morning, 0, "f ff fff ffff fffffff", "0 04 040 0400 0400000"},
        {morning, 0, "s.F s.FF s.FFF s.FFFFFFF", "5 5.04 5.04 5.04"},
        {now, 0, "s.FF|FFF", "20.12|123"},
        {0, 0, "%F", ""},
        {0, 0, "yyyy.FFF", "1970"},
        {now, 0, "g gg", "A.D. A.D."},
        {now, 0, "z zz zzz zzzz", "+0 +00 +00:00 +00:00"},
        {now, 2 * hour, "z zz zzz", "+2 +02 +02:00"},
        {now, -hour / 2 * 7, "z zz zzz", "-3 -03 -03:30"},
        {now, 0, "%K", "Z"},
        {now, -hour, "HH K", "21 -01:00"},
        {now, 0, "yyyy'y'MM\"M\"", "2023y11M"},
        {now, 0, "'it\\'s' yy", "it's 23"},
        {now, 0, "\\y\\\\yy", "y\\23"},
        {now, 0, "yy''MM", "2311"},
        {now, 0, "%hh", "1010"},
        {now, 0, "yyyy-MM-ddTHH:mm:ssZ", "2023-11-14T22:13:20Z"},
        {now, 0, "dd/MM, e \xc3\xa9", "14/11, e \xc3\xa9"},
        {-1, 0, "yyyy-MM-dd HH:mm:ss.fff", "1969-12-31 23:59:59.999"},
        {1709164800000, 0, "MM-dd", "02-29"},
        {-62135596800000, 0, "yyyy y yyy", "0001 1 001"},
        {253402300799999, 0, "yyyy-MM-dd HH:mm:ss.fff", "9999-12-31 23:59:59.999"},
        // One letter alone.
        {morning, 0, "d", "03/01/2024"},
        {morning, 0, "D", "Friday, 01 March 2024"},
        {morning, 0, "f", "Friday, 01 March 2024 07:37"},
        {morning, 0, "F", "Friday, 01 March 2024 07:37:05"},
        {morning, 0, "g", "03/01/2024 07:37"},
        {morning, 0, "G", "03/01/2024 07:37:05"},
        {morning, 0, "m", "March 01"},
        {morning, 0, "M", "March 01"},
        {morning, 0, "o", "2024-03-01T07:37:05.0400000Z"},
        {morning, hour, "O", "2024-03-01T08:37:05.0400000+01:00"},
        {morning, 0, "r", "Fri, 01 Mar 2024 07:37:05 GMT"},
        {morning, 0, "R", "Fri, 01 Mar 2024 07:37:05 GMT"},
        {morning, 0, "s", "2024-03-01T07:37:05"},
        {morning, 0, "t", "07:37"},
        {morning, 0, "T", "07:37:05"},
        {morning, 0, "u", "2024-03-01 07:37:05Z"},
        {morning, 0, "U", "Friday, 01 March 2024 07:37:05"},
        {morning, 0, "y", "2024 March"},
        {morning, 0, "Y", "2024 March"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = {0};
        int r = datetime_format(cases[i].at, cases[i].offset_ms, cases[i].format, &out);
        if (r < 0 || strcmp(out.data ? out.data : "", cases[i].expected) != 0)
            fail_msg("%s: %d, \"%s\", not \"%s\"", cases[i].format, r, out.data ? out.data : "",
                     cases[i].expected);
        buf_done(&out);
    }
}

static void what_is_no_format_is_refused(void **state)
{
    static const char *const formats[] = {"",     "x",    "'",        "yy'",       "yy\"M",
                                          "'a\\", "yy\\", "\\",       "yy%",       "%%",
                                          "%%d",  "%'a'", "ffffffff", "yyFFFFFFFF"};
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (datetime_format(0, 0, formats[i], &out) != -EINVAL)
            fail_msg("%s is a format", formats[i]);
    assert_int_equal(datetime_format(-62135596800001, 0, "yyyy", &out), -ERANGE);
    assert_int_equal(datetime_format(253402300800000, 0, "yyyy", &out), -ERANGE);
    assert_int_equal(datetime_format(0, INT64_MIN, "yyyy", &out), -ERANGE);
    assert_int_equal(datetime_format(INT64_MAX, 1, "yyyy", &out), -ERANGE);
    buf_done(&out);
}

// --- guid, uuid, generateemail ---

// "#" is a hex digit in lower case, "?" one of 8, 9, a, b.
static void assert_looks_like(const char *text, const char *pattern)
{
    size_t len = strlen(pattern);
    bool is = strlen(text) == len;

    for (size_t i = 0; is && i < len; i++)
        is = pattern[i] == '#'   ? strchr("0123456789abcdef", text[i]) != NULL
             : pattern[i] == '?' ? strchr("89ab", text[i]) != NULL
                                 : pattern[i] == text[i];
    if (!is)
        fail_msg("%s is no %s", text, pattern);
}

static void guids_are_uuids_of_version_4(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < 1000; i++)
        assert_looks_like(world_render(w, "$guid()"), "########-####-4###-?###-############");
    assert_looks_like(world_render(w, "$uuid()"), "########-####-4###-?###-############");
    assert_looks_like(world_render(w, "$uuid(prefix=u-, variable=id, isGlobal=true)"),
                      "u-########-####-4###-?###-############");
    is_stored(w, true, "id", VALUE_STRING, w->out.data);
    is_refused("$guid(prefix=x)", "\"prefix\"");
}

static void emails_have_prefix_and_domain(void **state)
{
    struct world *w = *state;

    world_put(w, "d", VALUE_STRING, "test.example");
    assert_looks_like(world_render(w, "$generateemail()"), "user-########@example.com");
    assert_looks_like(world_render(w, "$GenerateEmail(prefix=bob, domain=$d, variable=mail)"),
                      "bob-########@test.example");
    is_stored(w, false, "mail", VALUE_STRING, w->out.data);
    assert_looks_like(world_render(w, "$generateemail(prefix=, domain=)"), "-########@");
}

// --- counter ---

static void counters_go_round(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *template, *expected[5];
    } cases[] = {
        {"$counter(start=1, reset=3)", {"1", "2", "3", "1", "2"}},
        {"$counter(start=3, reset=1, step=-1)", {"3", "2", "1", "3", "2"}},
        {"$counter()", {"0", "1", "2", "3", "4"}},
        {"$iterate(start=99999)", {"99999", "100000", "99999", "100000", "99999"}},
        {"$loopcounter(start=7, reset=7)", {"7", "7", "7", "7", "7"}},
        {"$counter(start=9, reset=8)", {"9", "9", "9", "9", "9"}},
        {"$counter(start=2, reset=2, step=0)", {"2", "2", "2", "2", "2"}},
        {"$counter(reset=10, step=4)", {"0", "4", "8", "0", "4"}},
        {"$counter(start=1+1, reset=2*3, step=2)", {"2", "4", "6", "2", "4"}},
        {"$counter(start=9223372036854775806, reset=9223372036854775807)",
         {"9223372036854775806", "9223372036854775807", "9223372036854775806",
          "9223372036854775807", "9223372036854775806"}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t j = 0; j < 5; j++)
            gives(w, cases[i].template, cases[i].expected[j]);
}

static void counters_are_told_apart_by_start_reset_and_name(void **state)
{
    struct world *w = *state;

    gives(w, "$counter(start=5)", "5");
    gives(w, "$counter(start=5)", "6");
    gives(w, "$counter(start=5, name=a)", "5");
    gives(w, "$counter(start=5, reset=50)", "5");
    world_put(w, "x", VALUE_STRING, "a");
    gives(w, "$counter(start=5, name=$x)", "6");
    gives(w, "$counter(start=5)", "7");
}

static void counters_are_stored_as_int(void **state)
{
    struct world *w = *state;

    gives(w, "$counter(start=5, variable=n)", "5");
    is_stored(w, false, "n", VALUE_INT, "5");
    gives(w, "$counter(start=5, variable=g, isGlobal=true)", "5");
    is_stored(w, true, "g", VALUE_INT, "5");
    gives(w, "$counter(start=3000000000, reset=4000000000, variable=big)", "3000000000");
    is_stored(w, false, "big", VALUE_DOUBLE, "3000000000");
}

static void wrong_arguments_of_a_counter_leave_the_defaults(void **state)
{
    struct world *w = *state;

    world_put(w, "word", VALUE_STRING, "many");
    warns(w, "$counter(start=$word)", "0", "counter: start is no whole number");
    warns(w, "$counter(reset=$word)", "1", "counter: reset is no whole number");
    warns(w, "$counter(step=$word)", "2", "counter: step is no whole number");
    warns(w, "$counter(unique=$word)", "3", "counter: unique is neither");
    is_refused("$counter(start=many)", "\"start\"");
    is_refused("$counter(unique=1)", "\"unique\"");
}

// What three evaluations give to a client of this worker.
static void gives_three(struct world *w, const char *template, const char *a, const char *b,
                        const char *c)
{
    gives(w, template, a);
    gives(w, template, b);
    gives(w, template, c);
}

static void each_client_has_its_counters_and_all_share_the_unique_ones(void **state)
{
    struct world *w = *state;
    struct scope other = {0};

    gives(w, "$counter() $counter(unique=true) $counter(isGlobal=true, name=g)", "0 0 0");
    w->env.session = &other;
    gives(w, "$counter() $counter(unique=true) $counter(isGlobal=true, name=g)", "0 1 1");
    w->env.session = NULL; // as in a rule: there only are shared ones
    gives(w, "$counter() $counter(unique=true)", "2 3");
    w->env.session = &w->session;
    gives(w, "$counter(unique=true, variable=n)", "4");
    is_stored(w, false, "n", VALUE_INT, "4");
    scope_done(&other);
}

static void workers_share_unique_counters_without_a_word(void **state)
{
    struct world *w = *state;

    w->env.n_parts = 3;
    w->env.part = 1;
    gives_three(w, "$counter(start=10, unique=true)", "11", "14", "17");
    gives_three(w, "$counter(start=10, name=g, isGlobal=true)", "11", "14", "17");
    gives_three(w, "$counter(start=10, step=-5, reset=-1000, unique=true)", "5", "-10", "-25");
    gives_three(w, "$counter(start=10, unique=false)", "10", "11", "12");
    w->env.part = 2;
    gives_three(w, "$counter(start=10, name=b, unique=true)", "12", "15", "18");
    // Past reset all of them start again together: 0 1 2 3 0 1 2 3 ...
    gives_three(w, "$counter(reset=3, unique=true)", "2", "1", "0");
}

// --- randomItem ---

static void random_items_come_from_the_whole_array(void **state)
{
    struct world *w = *state;
    static const char *const items[] = {"1",   "\"a b\"",           "null", "true",
                                        "2.5", "{\"k\":[1,\"x\"]}", "[]"};
    size_t n[sizeof items / sizeof *items] = {0};

    world_put(w, "list", VALUE_JSON, "[1, \"a b\", null, true, 2.5, {\"k\": [1, \"x\"]}, [ ]]");
    for (size_t i = 0; i < 700; i++) {
        const char *item = world_render(w, "$randomItem($list)");
        for (size_t j = 0; j < sizeof items / sizeof *items; j++)
            n[j] += strcmp(item, items[j]) == 0;
    }
    size_t sum = 0;
    for (size_t j = 0; j < sizeof items / sizeof *items; j++) {
        assert_in_range(n[j], 50, 150);
        sum += n[j];
    }
    assert_int_equal(sum, 700);
}

static void random_items_are_stored_as_text(void **state)
{
    struct world *w = *state;

    gives(w, "$randomitem(source=[7], variable=n)", "7");
    is_stored(w, false, "n", VALUE_STRING, "7");
    gives(w, "$randomItem([\"x, y\"], variable=s, isGlobal=true)", "\"x, y\"");
    is_stored(w, true, "s", VALUE_STRING, "\"x, y\"");
}

static void there_is_no_random_item_of_nothing(void **state)
{
    static const char *const none[] = {
        "$randomItem(source={\"a\":1})", "$randomItem(source=text)",
        "$randomItem(source=[1)",        "$randomItem()",
        "$randomItem(source=)",          "$randomItem(source=[1] x)"};
    struct world *w = *state;

    warns(w, "$randomItem(source=[])", "", "randomItem: source is an empty array");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        warns(w, none[i], "", "randomItem: source is no JSON array");
    warns(w, "$randomItem(source=[], variable=n)", "", "randomItem");
    is_stored(w, false, "n", VALUE_STRING, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(random_text_has_the_length_asked_for),
        world_test(random_text_of_no_possible_length_is_none),
        world_test(random_text_uses_all_characters_alike),
        world_test(the_same_seed_gives_the_same),
        world_test(random_numbers_reach_both_ends_and_no_further),
        world_test(random_numbers_are_stored_as_int),
        world_test(random_numbers_need_a_range),
        world_test(timestamps_show_now),
        world_test(timestamps_have_an_offset),
        world_test(timestamps_in_no_format_are_empty),
        cmocka_unit_test(formats_are_those_of_dotnet),
        cmocka_unit_test(what_is_no_format_is_refused),
        world_test(guids_are_uuids_of_version_4),
        world_test(emails_have_prefix_and_domain),
        world_test(counters_go_round),
        world_test(counters_are_told_apart_by_start_reset_and_name),
        world_test(counters_are_stored_as_int),
        world_test(wrong_arguments_of_a_counter_leave_the_defaults),
        world_test(each_client_has_its_counters_and_all_share_the_unique_ones),
        world_test(workers_share_unique_counters_without_a_word),
        world_test(random_items_come_from_the_whole_array),
        world_test(random_items_are_stored_as_text),
        world_test(there_is_no_random_item_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
