#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jwt.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "tests/unit/method_test_util.h"

#define N(array) (sizeof(array) / sizeof *(array))

// {"sub":"þÿ?>~","n":1.5,"big":12345678901,"o":{"a":[1,2]},"t":true,"z":null,"s":""}
#define PAYLOAD                                                                                \
    "eyJzdWIiOiLDvsO_Pz5-IiwibiI6MS41LCJiaWciOjEyMzQ1Njc4OTAxLCJvIjp7ImEiOlsxLDJdfSwidCI6dHJ1" \
    "ZSwieiI6bnVsbCwicyI6IiJ9"

// --- jwtclaim ---

static void claims_are_read_from_the_payload(void **state)
{
    static const struct {
        const char *claim, *expected;
    } cases[] = {
        {"sub", "\xc3\xbe\xc3\xbf?>~"},
        {"n", "1.5"},
        {"big", "12345678901"},
        {"o", "{\"a\":[1,2]}"},
        {"t", "true"},
        {"z", ""},
        {"s", ""},
    };
    struct world *w = *state;

    world_put(w, "t", VALUE_STRING, "e30." PAYLOAD ".c2ln");
    for (size_t i = 0; i < N(cases); i++) {
        char *template = xasprintf("$jwtclaim(token=$t, claim=%s)", cases[i].claim);
        gives(w, template, cases[i].expected);
        free(template);
    }
    // No signature, plain base64, padding.
    gives(w, "$jwtclaim(token=e30." PAYLOAD ", claim=n)", "1.5");
    gives(w, "$jwtclaim(token=e30." PAYLOAD "., claim=n)", "1.5");
    gives(w, "$jwtclaim(token=.eyJhIjoiPz8_Pz8/In0=., claim=a)", "??????");
    gives(w, "$jwtclaim(token=.eyJhIjoiPz8/Pz8_In0., claim=a)", "??????");
}

static void claims_are_stored_as_the_type_asked_for(void **state)
{
    static const struct {
        const char *arguments;
        enum value_type type;
        const char *text;
    } cases[] = {
        {"claim=big", VALUE_STRING, "12345678901"},
        {"claim=big, as=double", VALUE_DOUBLE, "12345678901"},
        {"claim=n, as=int", VALUE_INT, "2"},
        {"claim=n, as=number", VALUE_DOUBLE, "1.5"},
        {"claim=o, as=json", VALUE_JSON, "{\"a\":[1,2]}"},
        {"claim=t, as=bool", VALUE_BOOL, "true"},
        {"claim=t, as=auto", VALUE_BOOL, "true"},
        {"claim=sub, as=int", VALUE_STRING, "\xc3\xbe\xc3\xbf?>~"},
        {"claim=o", VALUE_STRING, "{\"a\":[1,2]}"},
    };
    struct world *w = *state;

    world_put(w, "t", VALUE_STRING, "e30." PAYLOAD ".c2ln");
    for (size_t i = 0; i < N(cases); i++) {
        char *template = xasprintf("$jwtclaim(token=$t, variable=c, %s)", cases[i].arguments);
        world_render(w, template);
        assert_int_equal(w->n_warnings, 0);
        is_stored(w, false, "c", cases[i].type, cases[i].text);
        free(template);
    }
    world_render(w, "$jwtclaim(token=$t, variable=g, isGlobal=true, claim=n, as=decimal)");
    is_stored(w, true, "g", VALUE_DECIMAL, "1.5");
}

static void claims_of_no_token_are_empty(void **state)
{
    static const char *const wrong[] = {
        "",        "x",         ".", "..", "a.b.c", "e30.####.x", "e30.WzFd.x" /* [1] */,
        "e30.e30", "e30.ImEi.x" /* "a" */};
    struct world *w = *state;

    for (size_t i = 0; i < N(wrong); i++) {
        world_put(w, "t", VALUE_STRING, wrong[i]);
        warns(w, "$jwtclaim(token=$t, claim=sub)", "", "jwtclaim: ");
    }
    warns(w, "$jwtclaim(claim=sub)", "", "jwtclaim: token is no JSON Web Token");
    warns(w, "$jwtclaim(token=." PAYLOAD ")", "", "jwtclaim: the token has no such claim");
    warns(w, "$jwtclaim(token=." PAYLOAD ", claim=SUB)", "",
          "jwtclaim: the token has no such claim");
}

// --- jwtsign ---

static void tokens_are_those_of_other_makers(void **state)
{
    struct world *w = *state;

    // By Python's hmac.
    gives(w, "$jwtsign(claims={\"sub\":\"1\"}, key=secret)",
          "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIiwiaWF0IjoxNzAwMDAwMDAwfQ."
          "I0pv13VE9jXm9v-We6uw93oLykQw0TSNU6SMfjgKEGw");
}

// The public half of a key, and the private one in the two forms of PEM.
struct keys {
    char *public, *private, *traditional;
};

static char *take_pem(BIO *bio)
{
    char *data;
    long n = BIO_get_mem_data(bio, &data);
    char *text = xstrndup(data, (size_t)n);

    BIO_free(bio);
    return text;
}

static struct keys make_keys(EVP_PKEY *pkey)
{
    BIO *a = BIO_new(BIO_s_mem()), *b = BIO_new(BIO_s_mem()), *c = BIO_new(BIO_s_mem());

    assert_non_null(pkey);
    assert_true(PEM_write_bio_PUBKEY(a, pkey));
    assert_true(PEM_write_bio_PrivateKey(b, pkey, NULL, NULL, 0, NULL, NULL));
    assert_true(PEM_write_bio_PrivateKey_traditional(c, pkey, NULL, NULL, 0, NULL, NULL));
    EVP_PKEY_free(pkey);
    return (struct keys){take_pem(a), take_pem(b), take_pem(c)};
}

static void free_keys(struct keys *k)
{
    free(k->public);
    free(k->private);
    free(k->traditional);
}

// Another library finds the signature right for the key, and wrong for a changed token.
static void verify(const char *token, jwt_alg_t alg, const char *key)
{
    jwt_t *jwt = NULL;

    if (jwt_decode(&jwt, token, (const unsigned char *)key, (int)strlen(key)) != 0)
        fail_msg("%s is not signed well", token);
    assert_int_equal(jwt_get_alg(jwt), alg);
    assert_string_equal(jwt_get_header(jwt, "typ"), "JWT");
    assert_string_equal(jwt_get_grant(jwt, "sub"), "bob");
    jwt_free(jwt);
    char *changed = xstrdup(token), *at = strchr(changed, '.') + 5;
    *at = *at == 'A' ? 'B' : 'A';
    assert_int_not_equal(jwt_decode(&jwt, changed, (const unsigned char *)key, (int)strlen(key)),
                         0);
    free(changed);
}

static void sign_with(struct world *w, const char *algorithm, const char *key)
{
    char *template =
        xasprintf("$jwtsign(claims={\"sub\":\"bob\"}, algorithm=%s, key=$key)", algorithm);

    world_put(w, "key", VALUE_STRING, key);
    world_render(w, template);
    free(template);
}

static void secrets_sign(void **state)
{
    static const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const struct {
        const char *name;
        jwt_alg_t alg;
    } cases[] = {{"HS256", JWT_ALG_HS256}, {"hs384", JWT_ALG_HS384}, {"HS512", JWT_ALG_HS512}};

    for (size_t i = 0; i < N(cases); i++) {
        sign_with(*state, cases[i].name, key);
        verify(((struct world *)*state)->out.data, cases[i].alg, key);
    }
}

static void keys_of_rsa_sign(void **state)
{
    static const struct {
        const char *name;
        jwt_alg_t alg;
    } cases[] = {{"RS256", JWT_ALG_RS256}, {"RS384", JWT_ALG_RS384}, {"RS512", JWT_ALG_RS512}};
    struct world *w = *state;
    struct keys k = make_keys(EVP_RSA_gen(2048));

    for (size_t i = 0; i < N(cases); i++) {
        sign_with(w, cases[i].name, k.private);
        verify(w->out.data, cases[i].alg, k.public);
        sign_with(w, cases[i].name, k.traditional);
        verify(w->out.data, cases[i].alg, k.public);
    }
    sign_with(w, "ES256", k.private);
    assert_string_equal(w->out.data, "");
    free_keys(&k);
}

static void keys_of_curves_sign(void **state)
{
    static const struct {
        const char *name, *curve, *other;
        jwt_alg_t alg;
    } cases[] = {
        {"ES256", "P-256", "ES384", JWT_ALG_ES256},
        {"ES384", "P-384", "ES512", JWT_ALG_ES384},
        {"ES512", "P-521", "ES256", JWT_ALG_ES512},
    };
    struct world *w = *state;

    for (size_t i = 0; i < N(cases); i++) {
        struct keys k = make_keys(EVP_EC_gen(cases[i].curve));
        // Often, for r and s that begin with zeros.
        for (size_t j = 0; j < 50; j++) {
            sign_with(w, cases[i].name, j % 2 ? k.private : k.traditional);
            verify(w->out.data, cases[i].alg, k.public);
        }
        sign_with(w, cases[i].other, k.private);
        assert_string_equal(w->out.data, "");
        assert_non_null(strstr(w->warnings.data, "jwtsign: the key is none for this algorithm"));
        sign_with(w, "RS256", k.private);
        assert_string_equal(w->out.data, "");
        sign_with(w, cases[i].name, k.public);
        assert_string_equal(w->out.data, "");
        free_keys(&k);
    }
}

static void keys_with_a_password_are_refused_and_ask_nobody(void **state)
{
    struct world *w = *state;
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());

    assert_true(PEM_write_bio_PrivateKey(bio, pkey, EVP_aes_128_cbc(), (const unsigned char *)"pw",
                                         2, NULL, NULL));
    EVP_PKEY_free(pkey);
    char *pem = take_pem(bio);
    sign_with(w, "ES256", pem);
    assert_string_equal(w->out.data, "");
    assert_int_equal(w->n_warnings, 1);
    free(pem);
}

// What the payload of a token says.
static void says(struct world *w, const char *template, const char *expected)
{
    char *token = xstrdup(world_render(w, template)), *payload = strchr(token, '.');

    assert_int_equal(w->n_warnings, 0);
    assert_non_null(payload);
    *strchr(++payload, '.') = '\0';
    for (char *p = payload; *p != '\0'; p++)
        *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
    char *decode = xasprintf("$base64decode(value=%s)", payload);
    gives(w, decode, expected);
    free(decode);
    free(token);
}

static void times_are_added_where_there_are_none(void **state)
{
    struct world *w = *state;

    says(w, "$jwtsign(claims={}, key=k)", "{\"iat\":1700000000}");
    says(w,
         "$jwtsign(claims={\"iat\": 5, \"b\": [1.50, {\"x\": \"\\u00e9\"}], \"a\": null}, key=k)",
         "{\"iat\":5,\"b\":[1.5,{\"x\":\"\xc3\xa9\"}],\"a\":null}");
    says(w, "$jwtsign(claims={\"sub\":\"a, b\"}, key=k, expiresIn=60*60)",
         "{\"sub\":\"a, b\",\"iat\":1700000000,\"exp\":1700003600}");
    says(w, "$jwtsign(claims={\"exp\":7}, key=k, expiresIn=60)", "{\"exp\":7,\"iat\":1700000000}");
    says(w, "$jwtsign(claims={}, key=k, expiresIn=0)", "{\"iat\":1700000000}");
    says(w, "$jwtsign(claims={}, key=k, expiresIn=-1)", "{\"iat\":1700000000}");
    says(w, "$jwtsign(claims={\"iat\":1}, key=k, expiresIn=9223372036854775807)",
         "{\"iat\":1,\"exp\":9223372036854775807}");
    world_put(w, "user", VALUE_STRING, "Bob");
    says(w, "$jwtsign(claims={\"iat\":1,\"sub\":\"$user\"}, key=k)", "{\"iat\":1,\"sub\":\"Bob\"}");
}

static void keys_come_from_wherever_they_are(void **state)
{
    static const char with[] = "$jwtsign(claims={\"iat\":1}, %s)";
    static const char *const cases[] = {
        "path=key.txt",
        "source=file, path=key.txt",
        "source=FILE, path=$where",
        "source=env, name=KEY",
        "name=mine",
        "source=variable, name=mine",
        "source=file, path=key.txt, encoding=ascii",
        "path=wide.txt, encoding=utf-16",
        "key=secret, path=none",
    };
    struct world *w = *state;
    char *expected = xstrdup(world_render(w, "$jwtsign(claims={\"iat\":1}, key=secret)"));

    world_file(w, false, "key.txt", "secret", 6);
    world_file(w, false, "wide.txt", "s\0e\0c\0r\0e\0t\0", 12);
    world_file(w, true, "KEY", "secret", 6);
    world_put(w, "mine", VALUE_STRING, "secret");
    world_put(w, "where", VALUE_STRING, "key.txt");
    for (size_t i = 0; i < N(cases); i++) {
        struct buf template = {0};
        buf_printf(&template, with, cases[i]);
        gives(w, template.data, expected);
        buf_done(&template);
    }
    gives(w, "$jwtsign(claims={\"iat\":1}, key=secret, variable=t, isGlobal=true)", expected);
    is_stored(w, true, "t", VALUE_STRING, expected);
    free(expected);
}

struct sources {
    const char *name;
    bool is_env;
    size_t n;
};

static void on_source(void *arg, bool is_env, const char *name)
{
    struct sources *s = arg;

    s->name = name;
    s->is_env = is_env;
    s->n++;
}

static void files_of_keys_are_known_before_the_run(void **state)
{
    static const struct {
        const char *template, *name;
        bool is_env;
    } cases[] = {
        {"$jwtsign(claims={}, path=key.pem, algorithm=RS256)", "key.pem", false},
        {"$jwtsign(claims={}, source=env, name=KEY)", "KEY", true},
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct sources found = {0};
        struct tmpl_error error;
        struct tmpl *t;
        assert_int_equal(tmpl_compile(cases[i].template, strlen(cases[i].template), &t, &error), 0);
        tmpl_each_source(t, on_source, &found);
        assert_int_equal(found.n, 1);
        assert_string_equal(found.name, cases[i].name);
        assert_int_equal(found.is_env, cases[i].is_env);
        tmpl_free(t);
    }
}

static void what_cannot_be_signed_is_empty(void **state)
{
    struct world *w = *state;

    is_refused("$jwtsign(key=k)", "\"claims\"");
    is_refused("$jwtsign(claims={}, key=k, expiresIn=soon)", "\"expiresIn\"");
    warns(w, "$jwtsign(claims=, key=k)", "", "jwtsign: claims is no JSON object");
    warns(w, "$jwtsign(claims=[1], key=k)", "", "jwtsign: claims is no JSON object");
    warns(w, "$jwtsign(claims={\"a\"}, key=k)", "", "jwtsign: claims is no JSON object");
    warns(w, "$jwtsign(claims={}, key=k, algorithm=none)", "", "jwtsign: algorithm");
    warns(w, "$jwtsign(claims={}, key=k, algorithm=HS1)", "", "jwtsign: algorithm");
    warns(w, "$jwtsign(claims={}, key=k, algorithm=)", "", "jwtsign: algorithm");
    warns(w, "$jwtsign(claims={}, key=)", "", "jwtsign: the key is empty");
    warns(w, "$jwtsign(claims={}, key=k, algorithm=RS256)", "", "jwtsign: the key is none");
}

static void keys_that_are_not_there_are_empty(void **state)
{
    struct world *w = *state;

    assert_string_equal(world_render(w, "$jwtsign(claims={})"), "");
    assert_string_equal(world_render(w, "$jwtsign(claims={}, path=none)"), "");
    assert_string_equal(world_render(w, "$jwtsign(claims={}, source=env, name=NONE)"), "");
    assert_string_equal(world_render(w, "$jwtsign(claims={}, name=none)"), "");
    assert_non_null(strstr(w->warnings.data, "jwtsign: the key is empty"));
    w->env.read = NULL;
    assert_string_equal(world_render(w, "$jwtsign(claims={}, path=key.txt)"), "");
    assert_non_null(strstr(w->warnings.data, "jwtsign: the key is empty"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(claims_are_read_from_the_payload),
        world_test(claims_are_stored_as_the_type_asked_for),
        world_test(claims_of_no_token_are_empty),
        world_test(tokens_are_those_of_other_makers),
        world_test(secrets_sign),
        world_test(keys_of_rsa_sign),
        world_test(keys_of_curves_sign),
        world_test(keys_with_a_password_are_refused_and_ask_nobody),
        world_test(times_are_added_where_there_are_none),
        world_test(keys_come_from_wherever_they_are),
        cmocka_unit_test(files_of_keys_are_known_before_the_run),
        world_test(what_cannot_be_signed_is_empty),
        world_test(keys_that_are_not_there_are_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
