#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "common/script/digest.h"
#include "tests/unit/method_test_util.h"

struct example {
    const char *value, *expected;
};

// method(value=...) of each, by a variable, so that any character can be in it.
static void each_gives(struct world *w, const char *method, const struct example *examples,
                       size_t n)
{
    char *template = xasprintf("${%s(value=$x, variable=stored)}", method);

    for (size_t i = 0; i < n; i++) {
        world_put(w, "x", VALUE_STRING, examples[i].value);
        gives(w, template, examples[i].expected);
        is_stored(w, false, "stored", VALUE_STRING, examples[i].expected);
    }
    free(template);
}

#define N(examples) (sizeof(examples) / sizeof *(examples))

static void base64_has_padding(void **state)
{
    // RFC 4648 section 10.
    static const struct example examples[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foobar", "Zm9vYmFy"},
        {"\xc3\xbf\xc3\xbf?", "w7/Dvz8="},
        {"~~~?>\xc3\xbe", "fn5+Pz7Dvg=="},
        {"$x", "JHg="},
    };

    each_gives(*state, "base64encode", examples, N(examples));
    gives(*state, "$base64encode()", "");
    gives(*state, "$Base64Encode(value=user:pass, variable=g, isGlobal=true)", "dXNlcjpwYXNz");
    is_stored(*state, true, "g", VALUE_STRING, "dXNlcjpwYXNz");
}

static void base64_is_read_without_its_padding_too(void **state)
{
    static const struct example examples[] = {
        {"", ""},
        {"Zg==", "f"},
        {"Zg=", "f"},
        {"Zg", "f"},
        {"Zm8", "fo"},
        {" Zm9v\r\n\tYmFy ", "foobar"},
        {"w7/Dvz8=", "\xc3\xbf\xc3\xbf?"},
    };
    static const char *const wrong[] = {
        "Z", "Zm9vY", "Z===", "====", "Zm9v!", "Zm9v-_8", "Zg==Zg=="};
    struct world *w = *state;

    each_gives(w, "base64decode", examples, N(examples));
    for (size_t i = 0; i < N(wrong); i++) {
        world_put(w, "x", VALUE_STRING, wrong[i]);
        warns(w, "$base64decode(value=$x, variable=stored)", "",
              "base64decode: value is no base64");
        is_stored(w, false, "stored", VALUE_STRING, "");
    }
    gives(w, "$base64decode()", "");
}

static void base64_may_hold_any_byte(void **state)
{
    struct world *w = *state;

    world_render(w, "$base64decode(value=AAH/)");
    assert_int_equal(w->out.len, 3);
    assert_memory_equal(w->out.data, "\0\1\xff", 3);
    gives(w, "$base64encode(value=${base64decode(value=AAH/)})", "AAH/");
}

static void urls_keep_unreserved_characters_alone(void **state)
{
    static const struct example examples[] = {
        {"", ""},
        {"AZaz09-._~", "AZaz09-._~"},
        {"a b+c", "a%20b%2Bc"},
        {":/?#[]@!$&'()*,;=%", "%3A%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2C%3B%3D%25"},
        {"\xc3\xa9\n", "%C3%A9%0A"},
    };
    struct world *w = *state;

    each_gives(w, "urlencode", examples, N(examples));
    gives(w, "$urlencode(value=a&b)", "a%26b");
    gives(w, "$urlencode(value=${base64decode(value=AAH/)})", "%00%01%FF");
    gives(w, "$urlencode()", "");
}

static void urls_are_decoded_where_they_are_encoded(void **state)
{
    static const struct example examples[] = {
        {"", ""},         {"a%20b%2Bc", "a b+c"},
        {"a+b", "a+b"},   {"%c3%A9", "\xc3\xa9"},
        {"%25", "%"},     {"%2541", "%41"},
        {"%", "%"},       {"%4", "%4"},
        {"%41%4", "A%4"}, {"%zz%4g%g4%41", "%zz%4g%g4A"},
        {"%%41", "%A"},
    };

    each_gives(*state, "urldecode", examples, N(examples));
    gives(*state, "$urldecode()", "");
}

static void what_is_encoded_is_decoded_again(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < 100; i++) {
        char *text = xstrdup(world_render(w, "${random(length=3)}${random(length=17)} +/%$x"));
        world_put(w, "x", VALUE_STRING, text);
        gives(w, "${base64decode(value=${base64encode(value=$x)})}", text);
        gives(w, "${urldecode(value=${urlencode(value=$x)})}", text);
        free(text);
        world_put(w, "x", VALUE_STRING, "");
    }
}

static void results_are_cut_at_the_limit_of_a_value(void **state)
{
    struct world *w = *state;

    world_render(w, "$base64encode(value=${random(length=12582912)})");
    assert_int_equal(w->n_warnings, 0);
    assert_int_equal(w->out.len, VALUE_BYTES_MAX);
    world_render(w, "$base64encode(value=${random(length=12582913)})");
    assert_int_equal(w->n_warnings, 1);
    assert_non_null(strstr(w->warnings.data, "base64encode: the text is cut"));
    assert_int_equal(w->out.len, VALUE_BYTES_MAX);
}

// --- hash, hmac ---

static void hashes_are_in_lower_case_hex(void **state)
{
    // FIPS 180-4 and RFC 1321 examples, and the same of an empty text.
    static const struct example examples[] = {
        {"$hash(value=abc)", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"$hash(value=abc, algorithm=MD5)", "900150983cd24fb0d6963f7d28e17f72"},
        {"$hash(value=abc, algorithm=SHA1)", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"$hash(value=abc, algorithm=sha256)",
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"$hash(value=abc, algorithm=SHA384)",
         "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca13"
         "4c825a7"},
        {"$hash(value=abc, algorithm=Sha512)",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a"
         "3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
        {"$hash(value=)", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"$hash()", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"$hash(value=\xc3\xa9)",
         "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < N(examples); i++)
        gives(w, examples[i].value, examples[i].expected);
    gives(w, "$hash(value=abc, algorithm=MD5, variable=h, isGlobal=true)",
          "900150983cd24fb0d6963f7d28e17f72");
    is_stored(w, true, "h", VALUE_STRING, "900150983cd24fb0d6963f7d28e17f72");
}

static void hashes_of_unknown_algorithms_are_empty(void **state)
{
    struct world *w = *state;

    warns(w, "$hash(value=abc, algorithm=SHA3)", "", "hash: algorithm is none of MD5, SHA1");
    warns(w, "$hash(value=abc, algorithm=)", "", "hash: algorithm");
    warns(w, "$hmac(value=abc, key=k, algorithm=MD5)", "", "hmac: algorithm is none of SHA1");
    warns(w, "$hmac(value=abc, key=k, algorithm=x)", "", "hmac: algorithm");
}

static void keyed_hashes_are_hex_or_base64(void **state)
{
    // RFC 2202 and RFC 4231, test case 2.
    static const struct example examples[] = {
        {"", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {", encoding=HEX", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {", encoding=base64", "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="},
        {", algorithm=SHA1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
        {", algorithm=SHA384", "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2"
                               "240ca5e69e2c78b3239ecfab21649"},
        {", algorithm=SHA512", "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                               "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < N(examples); i++) {
        char *template =
            xasprintf("$hmac(value=what do ya want for nothing?, key=Jefe%s)", examples[i].value);
        gives(w, template, examples[i].expected);
        free(template);
    }
    warns(w, "$hmac(value=what do ya want for nothing?, key=Jefe, encoding=octal, variable=h)",
          examples[0].expected, "hmac: encoding");
    is_stored(w, false, "h", VALUE_STRING, examples[0].expected);
    gives(w, "$hmac(key=k)", "8bb990c40a7d61cb97597a942125025be50ac8beb74436e3735b98893a7f6620");
}

static void keyed_hashes_need_a_key_of_any_length(void **state)
{
    struct world *w = *state;
    char key[201] = {0};

    is_refused("$hmac(value=abc)", "\"key\"");
    warns(w, "$hmac(value=abc, key=)", "", "hmac: key is empty");
    memset(key, 'k', 200); // longer than a block
    world_put(w, "key", VALUE_STRING, key);
    gives(w, "$hmac(value=x, key=$key)",
          "a34abd1b081e75091b5f15447fb45ea6a1a7d624c190b880750d5d0f52ca715e");
}

static void *hash_often(void *arg)
{
    unsigned char out[DIGEST_SIZE_MAX];

    for (size_t i = 0; i < 2000; i++) {
        const struct digest *d = digest_find(i % 2 ? "SHA1" : "SHA512");
        if (digest_hmac(d, "Jefe", 4, "what do ya want for nothing?", 28, out) !=
                (i % 2 ? 20 : 64) ||
            out[0] != (i % 2 ? 0xef : 0x16))
            return arg;
    }
    return NULL;
}

static void threads_share_the_algorithms(void **state)
{
    pthread_t threads[4];
    void *failed;

    for (size_t i = 0; i < N(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_often, state), 0);
    for (size_t i = 0; i < N(threads); i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_the_algorithms), // first: they look them up together
        world_test(base64_has_padding),
        world_test(base64_is_read_without_its_padding_too),
        world_test(base64_may_hold_any_byte),
        world_test(urls_keep_unreserved_characters_alone),
        world_test(urls_are_decoded_where_they_are_encoded),
        world_test(what_is_encoded_is_decoded_again),
        world_test(results_are_cut_at_the_limit_of_a_value),
        world_test(hashes_are_in_lower_case_hex),
        world_test(hashes_of_unknown_algorithms_are_empty),
        world_test(keyed_hashes_are_hex_or_base64),
        world_test(keyed_hashes_need_a_key_of_any_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
