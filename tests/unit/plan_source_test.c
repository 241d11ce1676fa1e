// Plans as people write them: each file of tests/golden/plan has beside it what becomes of it: its
// mistakes, warnings and canonical text. GOLDEN_WRITE=1 in the environment writes these anew.
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/file.h"
#include "common/jtext.h"
#include "common/plan_source.h"
#include "common/str.h"
#include "common/yaml.h"

#define DIRECTORY "tests/golden/plan"
#define WORDS_MAX 20

// Files and environment variables that there are.
static const char *const things[][2] = {
    {"data/Users.csv", "name,id\nann,1\n"},
    {"data/body.bin", "\x01\x02"},
    {"certs/me.pem", "PEM"},
    {"certs/me.txt", "PEM"},
    {"HOST", "env.example:8080"},
    {"CLIENTS", "12"},
};

static int take(const char *name, struct plan_content *ret_content)
{
    uint8_t digest[32];

    for (size_t i = 0; i < sizeof things / sizeof *things; i++) {
        if (strcmp(things[i][0], name) != 0)
            continue;
        *ret_content = (struct plan_content){.bytes = things[i][1], .len = strlen(things[i][1])};
        str_sha256(ret_content->bytes, ret_content->len, digest);
        str_hex(digest, sizeof digest, ret_content->sha256);
        return 0;
    }
    return -ENOENT;
}

static int take_file(void *arg, struct jcheck *c, enum plan_use use, const char *path,
                     const char *password, struct plan_content *ret_content)
{
    (void)arg;
    if (use == PLAN_USE_CERTIFICATE && password != NULL && strcmp(password, "wrong") == 0)
        return jcheck_fail(c, "cannot use %s", path);
    int r = take(path, ret_content);
    return r < 0 && use != PLAN_USE_READ ? jcheck_fail(c, "cannot read %s", path) : r;
}

static int take_env(void *arg, struct jcheck *c, const char *name, struct plan_content *ret_content)
{
    (void)arg;
    (void)c;
    return take(name, ret_content);
}

// The words of a first line such as "# -e prod -rn load".
struct words {
    char *line;
    const char *environments[WORDS_MAX], *rounds[WORDS_MAX], *tags[WORDS_MAX];
    struct plan_source source;
};

static void read_words(const char *text, struct words *w)
{
    *w = (struct words){.line = xstrndup(text, strcspn(text, "\n"))};
    struct plan_source *s = &w->source;
    size_t *n = NULL;
    const char **to = NULL;

    s->environments = w->environments;
    s->rounds = w->rounds;
    s->tags = w->tags;
    if (w->line[0] != '#')
        return;
    for (char *word = strtok(w->line, "# "); word != NULL; word = strtok(NULL, " ")) {
        if (strcmp(word, "-e") == 0)
            to = w->environments, n = &s->n_environments;
        else if (strcmp(word, "-rn") == 0)
            to = w->rounds, n = &s->n_rounds;
        else if (strcmp(word, "-t") == 0)
            to = w->tags, n = &s->n_tags;
        else if (to != NULL && *n < WORDS_MAX)
            to[(*n)++] = word;
    }
}

// What the plan says parses again to the same, whole and without its secrets.
static void check_again(const struct plan *plan)
{
    char *texts[] = {plan_format(plan), plan_format_public(plan)};
    uint8_t digest[32], again_digest[32];
    struct diag d = {0};

    plan_digest(plan, digest);
    for (size_t i = 0; i < 2; i++) {
        struct plan *again = NULL;
        if (plan_parse(texts[i], strlen(texts[i]), &d, &again) < 0)
            fail_msg("%s: %s", texts[i], d.entry[0].text);
        char *text = i == 0 ? plan_format(again) : plan_format_public(again);
        assert_string_equal(text, texts[i]);
        plan_digest(again, again_digest);
        assert_memory_equal(digest, again_digest, sizeof digest);
        free(text);
        plan_free(again);
        free(texts[i]);
    }
}

static void append_plan(struct buf *out, const struct plan *plan)
{
    struct diag d = {0};
    char *text = plan_format(plan);
    json_t *json;

    assert_int_equal(jtext_parse(text, strlen(text), &d, &json), 0);
    free(text);
    text = jtext_format(json, true);
    buf_printf(out, "%s\n", text);
    free(text);
    json_decref(json);
}

// All that becomes of a text; the caller frees.
static char *judge(const char *name, const char *text)
{
    struct diag d = {.file = name}, warnings = {.file = name};
    struct places *places = NULL;
    struct plan *plan = NULL;
    struct buf out = {0};
    json_t *json = NULL;
    struct words words;

    read_words(text, &words);
    words.source.file = take_file;
    words.source.env = take_env;
    words.source.warnings = &warnings;
    int r = strstr(name, ".json") != NULL ? jtext_parse(text, strlen(text), &d, &json)
                                          : yaml_parse(text, strlen(text), &d, &json, &places);
    if (r == 0)
        r = plan_parse_source(json, text, strlen(text), places, &words.source, &d, &plan);
    assert_int_equal(r, d.n > 0 ? -EINVAL : 0);
    char *errors = diag_format(&d), *warned = diag_format(&warnings);
    buf_puts(&out, errors);
    if (warnings.n > 0)
        buf_printf(&out, "Warnings:\n%s", warned);
    if (plan != NULL) {
        append_plan(&out, plan);
        check_again(plan);
    }
    plan_free(plan);
    free(errors);
    free(warned);
    free(words.line);
    json_decref(json);
    places_free(places);
    diag_done(&d);
    diag_done(&warnings);
    return buf_take(&out);
}

static char *read_text(const char *path)
{
    struct buf text = {0};

    if (file_read(path, 0, 1 << 20, &text) < 0)
        fail_msg("cannot read %s", path);
    return buf_take(&text);
}

static bool is_plan(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot != NULL && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".json") == 0);
}

static void check_file(const char *name)
{
    char *path = xasprintf(DIRECTORY "/%s", name);
    char *expected_path = xasprintf(DIRECTORY "/%.*s.txt", (int)(strrchr(name, '.') - name), name);
    char *text = read_text(path), *found = judge(name, text);

    if (getenv("GOLDEN_WRITE") != NULL)
        assert_int_equal(file_replace(expected_path, found, 0644), 0);
    char *expected = read_text(expected_path);
    if (strcmp(found, expected) != 0)
        fail_msg("%s is\n%s\nexpected\n%s", name, found, expected);
    free(expected);
    free(found);
    free(text);
    free(expected_path);
    free(path);
}

static void plans_become_what_is_beside_them(void **state)
{
    DIR *directory = opendir(DIRECTORY);
    struct dirent *entry;
    size_t n = 0;

    (void)state;
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        if (!is_plan(entry->d_name))
            continue;
        check_file(entry->d_name);
        n++;
    }
    closedir(directory);
    assert_true(n >= 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_become_what_is_beside_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
