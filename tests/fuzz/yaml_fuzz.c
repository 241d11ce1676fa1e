// What is accepted prints as YAML that is the same, and each value has a place; what is refused
// says why. JSON is printed as YAML too.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jtext.h"
#include "common/str.h"
#include "common/yaml.h"

#define WALK_MAX 200 // values

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_segment(struct buf *pointer, const char *key)
{
    buf_puts(pointer, "/");
    for (; *key != '\0'; key++)
        if (*key == '~' || *key == '/')
            buf_puts(pointer, *key == '~' ? "~0" : "~1");
        else
            buf_append(pointer, key, 1);
}

static void walk(const struct places *places, const json_t *json, struct buf *pointer, int *n)
{
    size_t len = pointer->len, i;
    const char *key;
    json_t *value;
    int line = 0, column = 0;

    if ((*n)++ == WALK_MAX)
        return;
    assert(places_locate(places, pointer->data, false, &line, &column) == 0);
    assert(line > 0 && column > 0);
    assert(places_text(places, pointer->data) == NULL ||
           (!json_is_string(json) && !json_is_object(json) && !json_is_array(json)));
    json_array_foreach(json, i, value)
    {
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        put_segment(pointer, index);
        walk(places, value, pointer, n);
        pointer->data[pointer->len = len] = '\0';
        if (*n > WALK_MAX)
            return;
    }
    json_object_foreach((json_t *)json, key, value)
    {
        put_segment(pointer, key);
        assert(places_locate(places, pointer->data, true, &line, &column) == 0);
        walk(places, value, pointer, n);
        pointer->data[pointer->len = len] = '\0';
        if (*n > WALK_MAX)
            return;
    }
}

static void check_round(const json_t *json)
{
    struct diag d = {0};
    struct places *places;
    json_t *again;
    char *text = yaml_format(json);

    assert(yaml_parse(text, strlen(text), &d, &again, &places) == 0);
    assert(json_equal(json, again));
    char *text_again = yaml_format(again);
    assert(strcmp(text, text_again) == 0);
    free(text_again);
    free(text);
    json_decref(again);
    places_free(places);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag d = {0};
    struct places *places;
    struct buf pointer = {0};
    json_t *json;
    int n = 0;

    if (yaml_parse((const char *)data, size, &d, &json, &places) == 0) {
        assert(d.n == 0);
        check_round(json);
        buf_puts(&pointer, "");
        walk(places, json, &pointer, &n);
        buf_done(&pointer);
        places_free(places);
        json_decref(json);
    } else {
        assert(d.n == 1 && d.entry[0].line > 0 && d.entry[0].column > 0);
        assert(strncmp(d.entry[0].text, "found ", 6) == 0);
        diag_done(&d);
    }
    if (jtext_parse((const char *)data, size, &d, &json) == 0) {
        check_round(json);
        json_decref(json);
    }
    diag_done(&d);
    return 0;
}
