// What a recording becomes is a plan in YAML that reads back; the same recording again updates it
// and adds nothing.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/yaml.h"
#include "worker/cli/har.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_yaml(const json_t *plan)
{
    struct diag d = {0};
    struct places *places;
    json_t *again;
    char *text = yaml_format(plan);

    assert(yaml_parse(text, strlen(text), &d, &again, &places) == 0);
    assert(json_equal(plan, again));
    free(text);
    json_decref(again);
    places_free(places);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const hosts[] = {"https://a.example/x"}, *const headers[] = {"x-*"};
    struct har_options o = {.think_time = size % 2 > 0, .minimal_headers = size % 3 > 0};
    struct diag d = {0};
    struct har h;
    struct har_joined joined;

    if (size % 5 == 0)
        o.only_hosts = (struct har_list){hosts, 1};
    if (size % 7 == 0)
        o.ignore_headers = (struct har_list){headers, 1};
    if (har_read((const char *)data, size, &o, &d, &h) < 0) {
        assert(d.n > 0);
        diag_done(&d);
        return 0;
    }
    size_t n = json_array_size(h.iterations), n_out = 0;
    for (int i = 0; i < HAR_RULE__COUNT; i++)
        n_out += h.n_left_out[i];
    assert(n + n_out == h.n_entries);
    json_t *plan = har_create(&h, &o);
    check_yaml(plan);
    assert(har_update(&h, &o, plan, &joined) == 0);
    assert(joined.n_added == 0 && joined.n_updated + joined.n_repeated == n);
    assert(har_append(&h, &o, plan, &joined) == 0);
    assert(joined.n_added == n);
    check_yaml(plan);
    json_decref(plan);
    har_done(&h);
    return 0;
}
