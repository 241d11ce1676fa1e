// Plans at random keep their meaning through any spelling; differences change the digest.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/str.h"
#include "tests/unit/plan_test_util.h"

static uint64_t seed;

static uint64_t dice(uint64_t n) // xorshift64* of Vigna
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (seed * 0x2545f4914f6cdd1d >> 16) % n;
}

static json_t *random_headers(void)
{
    static const char *const values[] = {"", "a", "x: y", "\xc3\xa4\xe2\x82\xac", "\t\"\\/\x01"};
    json_t *headers = json_object();

    for (uint64_t i = 0, n = dice(6); i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%c-%d", "aZ~_"[dice(4)], (int)i);
        json_t *list = json_array();
        for (uint64_t j = 0, m = 1 + dice(3); j < m; j++)
            json_array_append_new(list, json_string(values[dice(5)]));
        if (json_array_size(list) == 1 && dice(2) == 0) {
            json_object_set(headers, name, json_array_get(list, 0));
            json_decref(list);
        } else {
            json_object_set_new(headers, name, list);
        }
    }
    return headers;
}

static json_t *random_request(void)
{
    static const char *const urls[] = {"http://a", "HTTPS://B:443/x?y#z", "http://[::1]:81/%41",
                                       "https://h:8443?q=[]"};
    static const char *const texts[] = {"", "{\"a\": [1, null]}", "\n\r\t\x7f", "\xf0\x9f\x98\x80"};
    json_t *request = json_pack("{s:s}", "url", urls[dice(4)]);

    if (dice(2))
        json_object_set_new(request, "method", json_string(dice(2) ? "get" : "DELETE"));
    if (dice(2))
        json_object_set_new(request, "headers", random_headers());
    if (dice(2))
        json_object_set_new(request, "payload",
                            dice(2) ? json_pack("{s:s}", "raw", texts[dice(4)])
                                    : json_pack("{s:s}", "file", HASH));
    if (dice(2))
        json_object_set_new(request, dice(2) ? "version" : "httpVersion",
                            json_string(dice(2) ? "HTTP/1.0" : "HTTP/2"));
    if (strncasecmp(json_string_value(json_object_get(request, "url")), "https", 5) == 0 &&
        dice(2)) {
        json_object_set_new(request, "clientCertificate", json_string(HASH));
        json_object_set_new(request, "clientCertificatePassword", json_string(dice(2) ? "" : "x"));
    }
    return request;
}

static json_t *random_rate(void)
{
    return dice(2) ? json_integer(1 + (json_int_t)dice(9999))
                   : json_real((double)(1 + dice(999999)) / 1000);
}

static json_t *random_list(const char *key, bool rates)
{
    json_t *list = json_array();

    for (uint64_t n = 1 + dice(3); n > 0; n--)
        json_array_append_new(
            list, json_pack("{s:o, s:I}", key, rates ? random_rate() : json_integer(3),
                            rates ? "duration" : "arrivalDelay", (json_int_t)(1 + dice(9))));
    return list;
}

static void set_random(json_t *json, const char *key, uint64_t min, uint64_t max)
{
    json_object_set_new(json, key, json_integer((json_int_t)(min + dice(max - min + 1))));
}

static json_t *random_iteration(int i, bool open)
{
    json_t *it =
        json_pack("{s:o, s:o}", "name", json_sprintf("i %d", i), "httpRequest", random_request());
    enum plan_mode mode = open ? PLAN_MODE_D : PLAN_MODE_R + dice(PLAN_MODE__COUNT - 1);

    json_object_set_new(it, "mode", json_string(plan_mode_name(mode)));
    if (open && dice(2))
        json_object_set_new(it, "ramp", random_list("rate", true));
    else if (mode == PLAN_MODE_D || mode == PLAN_MODE_DCB)
        set_random(it, "duration", 100, PLAN_DURATION_MAX_S);
    if (open && (json_object_get(it, "ramp") == NULL || dice(2)))
        json_object_set_new(it, "rate", random_rate());
    if (!open && dice(2))
        set_random(it, dice(2) ? "delay" : "startupDelay", 0, 9);
    if (mode == PLAN_MODE_CRB || (mode == PLAN_MODE_R && dice(2)))
        set_random(it, "requestCount", 1000, PLAN_COUNT_MAX);
    if (mode >= PLAN_MODE_CB) {
        set_random(it, "batchSize", 1, 999);
        set_random(it, "coolDownTime", 1, 99999);
    }
    if (dice(2))
        json_object_set_new(it, "maximizeThroughput", json_boolean(dice(2)));
    return it;
}

static json_t *random_plan(void)
{
    json_t *rounds = json_array();

    for (uint64_t i = 0, n = 1 + dice(3); i < n; i++) {
        json_t *iterations = json_array();
        bool open = dice(3) == 0;
        for (uint64_t j = 0, m = 1 + dice(3); j < m; j++)
            json_array_append_new(iterations, random_iteration((int)j, open));
        json_t *round =
            json_pack("{s:o, s:o}", "name", json_sprintf("r.%d", (int)i), "iterations", iterations);
        if (!open && dice(2)) {
            json_object_set_new(round, "stages", random_list("numberOfClients", false));
        } else if (dice(2)) {
            set_random(round, "numberOfClients", 1, 99);
            if (!open && dice(2))
                set_random(round, "arrivalDelay", 0, 99);
        }
        if (dice(2))
            set_random(round, "startupDelay", 0, 99);
        if (dice(2))
            json_object_set_new(round, "pacing", json_string(dice(2) ? "precise" : "batched"));
        if (dice(2))
            json_object_set_new(round, "runInParallel", json_boolean(dice(2)));
        json_array_append_new(rounds, round);
    }
    return json_pack("{s:s, s:o}", "name", "p", "rounds", rounds);
}

static void blank(struct buf *out)
{
    for (uint64_t n = dice(3); n > 0; n--)
        buf_append(out, &" \t\n\r"[dice(4)], 1);
}

// The same JSON with blanks anywhere and the members of each object in any order.
static void shuffle(const json_t *json, struct buf *out)
{
    blank(out);
    if (json_is_object(json)) {
        const char *keys[16];
        size_t n = 0;
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)json, key, value) keys[n++] = key;
        buf_puts(out, "{");
        for (bool first = true; n > 0; first = false) {
            size_t i = dice(n);
            buf_printf(out, "%s\"%s\"", first ? "" : ",", keys[i]);
            blank(out);
            buf_puts(out, ":");
            shuffle(json_object_get(json, keys[i]), out);
            keys[i] = keys[--n];
        }
        buf_puts(out, "}");
    } else if (json_is_array(json)) {
        for (size_t i = 0; i < json_array_size(json); i++) {
            buf_puts(out, i == 0 ? "[" : ",");
            shuffle(json_array_get(json, i), out);
        }
        buf_puts(out, json_array_size(json) == 0 ? "[]" : "]");
    } else {
        char *text = json_dumps(json, JSON_ENCODE_ANY | (dice(2) ? JSON_ENSURE_ASCII : 0));
        buf_puts(out, text);
        free(text);
    }
    blank(out);
}

static void same_text(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL)
        assert_string_equal(a, b);
}

static void same_iteration(const struct plan_iteration *a, const struct plan_iteration *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->request_count, b->request_count);
    assert_int_equal(a->duration_s, b->duration_s);
    assert_int_equal(a->delay_ms, b->delay_ms);
    assert_int_equal(a->batch_size, b->batch_size);
    assert_int_equal(a->cool_down_ms, b->cool_down_ms);
    assert_int_equal(a->maximize, b->maximize);
    assert_int_equal(a->is_open, b->is_open);
    assert_int_equal(a->rate_mhz, b->rate_mhz);
    assert_int_equal(a->n_ramp, b->n_ramp);
    for (size_t i = 0; i < a->n_ramp; i++) {
        assert_int_equal(a->ramp[i].rate_mhz, b->ramp[i].rate_mhz);
        assert_int_equal(a->ramp[i].duration_s, b->ramp[i].duration_s);
    }
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->h2c, b->h2c);
    assert_string_equal(a->certificate, b->certificate);
    same_text(a->certificate_password, b->certificate_password);
    assert_string_equal(a->url.text, b->url.text);
    assert_string_equal(a->url.host, b->url.host);
    assert_string_equal(a->url.authority, b->url.authority);
    assert_string_equal(a->url.target, b->url.target);
    assert_int_equal(a->url.port, b->url.port);
    assert_int_equal(a->url.tls, b->url.tls);
    assert_string_equal(a->method, b->method);
    assert_int_equal(a->n_headers, b->n_headers);
    for (size_t i = 0; i < a->n_headers; i++) {
        assert_string_equal(a->headers[i].name, b->headers[i].name);
        assert_string_equal(a->headers[i].value, b->headers[i].value);
    }
    same_text(a->payload, b->payload);
    assert_string_equal(a->payload_file, b->payload_file);
}

static void same_plan(const struct plan *a, const struct plan *b)
{
    uint8_t x[32], y[32];

    assert_string_equal(a->name, b->name);
    assert_int_equal(a->n_rounds, b->n_rounds);
    for (size_t i = 0; i < a->n_rounds; i++) {
        assert_string_equal(a->rounds[i].name, b->rounds[i].name);
        assert_int_equal(a->rounds[i].startup_delay_ms, b->rounds[i].startup_delay_ms);
        assert_int_equal(a->rounds[i].n_clients, b->rounds[i].n_clients);
        assert_int_equal(a->rounds[i].n_stages, b->rounds[i].n_stages);
        for (size_t j = 0; j < a->rounds[i].n_stages; j++)
            assert_memory_equal(&a->rounds[i].stages[j], &b->rounds[i].stages[j],
                                sizeof(struct plan_stage));
        assert_int_equal(a->rounds[i].is_open, b->rounds[i].is_open);
        assert_int_equal(a->rounds[i].is_parallel, b->rounds[i].is_parallel);
        assert_int_equal(a->rounds[i].pacing, b->rounds[i].pacing);
        assert_int_equal(a->rounds[i].n_iterations, b->rounds[i].n_iterations);
        for (size_t j = 0; j < a->rounds[i].n_iterations; j++)
            same_iteration(&a->rounds[i].iterations[j], &b->rounds[i].iterations[j]);
    }
    plan_digest(a, x);
    plan_digest(b, y);
    assert_memory_equal(x, y, sizeof x);
}

static void a_plan_comes_back_equal_from_its_canonical_text(void **state)
{
    (void)state;
    seed = 2;
    for (int i = 0; i < 300; i++) {
        json_t *json = random_plan();
        char *text = json_dumps(json, 0);
        struct plan *plan = accepts(text);
        char *canonical = plan_format(plan);
        struct plan *again = accepts(canonical);
        char *canonical_again = plan_format(again);
        same_plan(plan, again);
        assert_string_equal(canonical, canonical_again);
        free(canonical_again);
        plan_free(again);
        free(canonical);
        plan_free(plan);
        free(text);
        json_decref(json);
    }
}

static void the_digest_ignores_blanks_escapes_and_the_order_of_keys(void **state)
{
    (void)state;
    seed = 3;
    for (int i = 0; i < 300; i++) {
        json_t *json = random_plan();
        struct buf one = {0}, other = {0};
        shuffle(json, &one);
        shuffle(json, &other);
        struct plan *a = accepts(one.data), *b = accepts(other.data);
        same_plan(a, b);
        plan_free(a);
        plan_free(b);
        buf_done(&one);
        buf_done(&other);
        json_decref(json);
    }
}

static void every_difference_changes_the_digest(void **state)
{
    static const char *const texts[] = {
        ITERATION("\"requestCount\":1"),
        ITERATION("\"requestCount\":2"),
        ITERATION("\"mode\":\"D\",\"duration\":1"),
        ITERATION("\"mode\":\"D\",\"duration\":2"),
        ROUND("\"numberOfClients\":2"),
        ROUND("\"arrivalDelay\":1"),
        ROUND("\"startupDelay\":1"),
        ROUND("\"runInParallel\":true"),
        ROUND("\"pacing\":\"batched\""),
        ROUND("\"stages\":[{\"numberOfClients\":1,\"startupDelay\":1}]"),
        ROUND("\"stages\":[" ONE "," ONE "]"),
        ITERATION("\"delay\":1"),
        ITERATION("\"mode\":\"CB\"," BATCH),
        ITERATION("\"mode\":\"CB\",\"maximizeThroughput\":true," BATCH),
        ITERATION("\"mode\":\"CB\",\"batchSize\":11,\"coolDownTime\":500"),
        ITERATION("\"mode\":\"CB\",\"batchSize\":10,\"coolDownTime\":501"),
        ITERATION("\"mode\":\"CRB\",\"requestCount\":11," BATCH),
        ITERATION("\"mode\":\"DCB\",\"duration\":11," BATCH),
        RATED("\"duration\":1,\"rate\":1"),
        RATED("\"duration\":1,\"rate\":1.001"),
        RATED("\"ramp\":[" STEP "]"),
        RATED("\"ramp\":[" STEP "," STEP "]"),
        RATED("\"ramp\":[" STEP "],\"rate\":1"),
        SENDS("\"version\":\"1.0\""),
        SENDS("\"version\":\"1.1\""),
        SENDS("\"supportH2C\":true"),
        TLS("\"method\":\"GET\""),
        TLS("\"clientCertificate\":\"" HASH "\""),
        TLS("\"clientCertificate\":\"" HASH "\",\"clientCertificatePassword\":\"x\""),
        SENDS("\"method\":\"HEAD\""),
        SENDS("\"headers\":{\"A\":\"b\"}"),
        SENDS("\"headers\":{\"a\":\"b\"}"),
        SENDS("\"headers\":{\"A\":[\"b\",\"b\"]}"),
        SENDS("\"payload\":{\"raw\":\"" HASH "\"}"),
        SENDS("\"payload\":{\"file\":\"" HASH "\"}"),
        PLAN("{\"name\":\"I\"," REQUEST "}"),
    };
    enum { N = sizeof texts / sizeof *texts };
    uint8_t digest[N][32];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        struct plan *plan = accepts(texts[i]);
        plan_digest(plan, digest[i]);
        plan_free(plan);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(digest[i], digest[j], 32);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_comes_back_equal_from_its_canonical_text),
        cmocka_unit_test(the_digest_ignores_blanks_escapes_and_the_order_of_keys),
        cmocka_unit_test(every_difference_changes_the_digest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
