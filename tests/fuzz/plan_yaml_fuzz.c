// YAML as a plan that people write: what is accepted is the same plan in its canonical text; what
// is not is told with a place in the text.
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/plan_source.h"
#include "common/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct plan *plan)
{
    char *texts[] = {plan_format(plan), plan_format_public(plan)};

    for (size_t i = 0; i < 2; i++) {
        struct diag d = {0};
        struct plan *again = NULL;
        assert(plan_parse(texts[i], strlen(texts[i]), &d, &again) == 0);
        char *text = i == 0 ? plan_format(again) : plan_format_public(again);
        assert(strcmp(texts[i], text) == 0);
        free(text);
        free(texts[i]);
        plan_free(again);
    }
}

// Files whose names are of even length are there.
static int take(const char *name, struct plan_content *ret_content)
{
    if (strlen(name) % 2 != 0)
        return -ENOENT;
    *ret_content = (struct plan_content){.bytes = "12", .len = 2};
    memset(ret_content->sha256, 'a', 64);
    return 0;
}

static int take_file(void *arg, struct jcheck *c, enum plan_use use, const char *path,
                     const char *password, struct plan_content *ret_content)
{
    (void)arg;
    (void)password;
    int r = take(path, ret_content);
    return r < 0 && use != PLAN_USE_READ ? jcheck_fail(c, "cannot read it") : r;
}

static int take_env(void *arg, struct jcheck *c, const char *name, struct plan_content *ret_content)
{
    (void)arg;
    (void)c;
    return take(name, ret_content);
}

// Plans that outgrow their limit when they are spelled out, and selections, have no place.
static bool has_place(const struct diag_entry *e)
{
    return (e->line > 0 && e->column > 0) || strncmp(e->text, "found a plan of", 15) == 0 ||
           strncmp(e->text, "there is no ", 12) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const environments[] = {"prod", "b"}, *const tags[] = {"smoke"};
    struct places *places = NULL;
    struct plan *plan = NULL;
    struct diag d = {0}, warnings = {0};
    json_t *json = NULL;
    struct plan_source source = {
        .environments = environments,
        .n_environments = 2,
        .tags = tags,
        .n_tags = size % 4 == 0,
        .file = take_file,
        .env = take_env,
        .warnings = &warnings,
    };

    if (yaml_parse((const char *)data, size, &d, &json, &places) < 0)
        goto out;
    if (plan_parse_source(json, "", 0, places, &source, &d, &plan) == 0) {
        assert(d.n == 0);
        check_again(plan);
    } else {
        assert(d.n > 0);
        for (size_t i = 0; i < d.n && i < DIAG_MAX; i++)
            assert(has_place(&d.entry[i]));
    }
    plan_free(plan);
out:
    json_decref(json);
    places_free(places);
    diag_done(&d);
    diag_done(&warnings);
    return 0;
}
