#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "common/script/digest.h"
#include "common/script/jpath.h"
#include "common/script/method_groups.h"

// Without padding (RFC 7515 section 2).
static void append_base64url(const void *bytes, size_t n, struct buf *out)
{
    char *text = str_base64(bytes, n);

    for (char *p = text; *p != '\0' && *p != '='; p++)
        buf_append(out, *p == '+' ? "-" : *p == '/' ? "_" : p, 1);
    free(text);
}

// Takes the digits of plain base64 too. 0 or -EINVAL.
static int decode_base64url(const char *text, size_t len, struct buf *out)
{
    struct buf digits = {0};

    for (size_t i = 0; i < len; i++)
        buf_append(&digits, text[i] == '-' ? "+" : text[i] == '_' ? "/" : &text[i], 1);
    while (digits.len % 4 != 0)
        buf_append(&digits, "=", 1);
    int r = str_unbase64(digits.data, digits.len, out);
    buf_done(&digits);
    return r;
}

// --- jwtclaim ---

enum { CLAIM_TOKEN, CLAIM_CLAIM, CLAIM_AS };

static const struct method_param claim_params[] = {
    {"token", METHOD_TEXT, false, NULL, "a JSON Web Token"},
    {"claim", METHOD_TEXT, false, NULL, "the name of the claim"},
    {"as", METHOD_TYPE, false, "string", "its type"},
    {0},
};

// The middle of three parts, or of two (without a signature). NULL: it has none.
static json_t *read_payload(const struct buf *token)
{
    const char *end = token->data + token->len;
    const char *dot = memchr(token->data, '.', token->len);
    struct buf payload = {0};
    json_t *claims = NULL;

    if (dot == NULL)
        return NULL;
    const char *dot2 = memchr(dot + 1, '.', (size_t)(end - dot - 1));
    if (decode_base64url(dot + 1, (size_t)((dot2 ? dot2 : end) - dot - 1), &payload) == 0)
        claims = json_loadb(payload.data, payload.len, JSON_ALLOW_NUL, NULL);
    buf_done(&payload);
    return claims;
}

static void jwtclaim(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf token = {0}, name = {0}, text = {0};

    call_text(call, CLAIM_TOKEN, env, &token);
    call_text(call, CLAIM_CLAIM, env, &name);
    json_t *claims = read_payload(&token);
    const json_t *claim = json_object_get(claims, name.data);
    if (claim != NULL) {
        jpath_append_text(claim, &text);
        call_give_text(call, env, &text, ret_value);
    } else {
        script_warn(env, "jwtclaim: %s",
                    claims ? "the token has no such claim" : "token is no JSON Web Token");
    }
    json_decref(claims);
    buf_done(&token);
    buf_done(&name);
}

// --- jwtsign ---

enum {
    SIGN_CLAIMS,
    SIGN_ALGORITHM,
    SIGN_KEY,
    SIGN_SOURCE,
    SIGN_PATH,
    SIGN_NAME,
    SIGN_ENCODING,
    SIGN_EXPIRES_IN
};

static const struct method_param sign_params[] = {
    {"claims", METHOD_TEXT, true, NULL, "a JSON object"},
    {"algorithm", METHOD_TEXT, false, "HS256", "HS, RS or ES with 256, 384 or 512"},
    {"key", METHOD_TEXT, false, NULL, "the secret, or a private key in PEM"},
    {"source", METHOD_TEXT, false, NULL,
     "where the key is, if not in key: file, env or variable; file where path is given, else "
     "variable"},
    {"path", METHOD_FILE, false, NULL, "of the file"},
    {"name", METHOD_ENTRY, false, NULL, "of the environment entry or variable"},
    {"encoding", METHOD_TEXT, false, "utf-8", "of the file"},
    {"expiresIn", METHOD_INT, false, "0", "seconds from now to exp; 0: no exp is added"},
    {0},
};

enum jwt_family { JWT_UNDEFINED = 0, JWT_HS, JWT_RS, JWT_ES };

// RFC 7518 section 3.1.
static const struct jwt_algorithm {
    const char *name, *digest;
    enum jwt_family family;
    const char *curve;
    int n_bytes; // of r and of s
} algorithms[] = {
    {"HS256", "SHA256", JWT_HS, NULL, 0},          {"HS384", "SHA384", JWT_HS, NULL, 0},
    {"HS512", "SHA512", JWT_HS, NULL, 0},          {"RS256", "SHA256", JWT_RS, NULL, 0},
    {"RS384", "SHA384", JWT_RS, NULL, 0},          {"RS512", "SHA512", JWT_RS, NULL, 0},
    {"ES256", "SHA256", JWT_ES, "prime256v1", 32}, {"ES384", "SHA384", JWT_ES, "secp384r1", 48},
    {"ES512", "SHA512", JWT_ES, "secp521r1", 66},
};

static const struct jwt_algorithm *find_algorithm(const char *name)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        if (strcasecmp(algorithms[i].name, name) == 0)
            return &algorithms[i];
    return NULL;
}

// r and s side by side (RFC 7518 section 3.4), of the ASN.1 that libcrypto makes.
static bool append_raw(const unsigned char *der, size_t n, int n_bytes, struct buf *out)
{
    unsigned char raw[2 * 66];
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
    bool is_ok = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, n_bytes) == n_bytes &&
                 BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + n_bytes, n_bytes) == n_bytes;

    if (is_ok)
        append_base64url(raw, 2 * (size_t)n_bytes, out);
    ECDSA_SIG_free(sig);
    return is_ok;
}

static bool is_key_for(const struct jwt_algorithm *a, const EVP_PKEY *pkey)
{
    char curve[32];
    size_t n;

    if (a->family == JWT_RS)
        return EVP_PKEY_is_a(pkey, "RSA");
    return EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, curve, sizeof curve, &n) &&
           strcmp(curve, a->curve) == 0;
}

static bool append_private(const struct jwt_algorithm *a, EVP_PKEY *pkey, struct buf *out)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char *sig = NULL;
    size_t n = 0;
    bool is_ok = EVP_DigestSignInit_ex(md, NULL, a->digest, NULL, NULL, pkey, NULL) > 0 &&
                 EVP_DigestSign(md, NULL, &n, (const unsigned char *)out->data, out->len) > 0 &&
                 (sig = xcalloc(n, 1)) != NULL &&
                 EVP_DigestSign(md, sig, &n, (const unsigned char *)out->data, out->len) > 0;

    if (is_ok) {
        buf_append(out, ".", 1);
        if (a->family == JWT_RS)
            append_base64url(sig, n, out);
        else
            is_ok = append_raw(sig, n, a->n_bytes, out);
    }
    free(sig);
    EVP_MD_CTX_free(md);
    return is_ok;
}

// Appends "." and the signature of what is in out.
static bool append_signature(const struct jwt_algorithm *a, const struct buf *key, struct buf *out)
{
    unsigned char mac[DIGEST_SIZE_MAX];
    bool is_ok = false;

    if (key->len == 0)
        return false;
    if (a->family == JWT_HS) {
        const struct digest *d = digest_find(a->digest);
        size_t n = digest_hmac(d, key->data, key->len, out->data, out->len, mac);
        buf_append(out, ".", 1);
        append_base64url(mac, n, out);
        return true;
    }
    BIO *bio = BIO_new_mem_buf(key->data, (int)key->len);
    // With a password, or libcrypto asks for one at the terminal.
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, "");
    if (pkey != NULL && is_key_for(a, pkey))
        is_ok = append_private(a, pkey, out);
    EVP_PKEY_free(pkey);
    BIO_free(bio);
    ERR_clear_error();
    return is_ok;
}

// What is not there leaves the key empty.
static void read_key(const struct call *call, struct script_env *env, struct buf *out)
{
    struct call reading = {.method = method_find("read", strlen("read"))};
    const struct method_param *params = reading.method->params;
    struct value v = {0};

    if (call_text(call, SIGN_KEY, env, out))
        return;
    // As "read" does with the arguments that both have.
    for (size_t i = 0; params[i].name != NULL; i++)
        for (size_t j = SIGN_SOURCE; j <= SIGN_ENCODING; j++)
            if (strcmp(params[i].name, sign_params[j].name) == 0)
                reading.arg[i] = call->arg[j];
    reading.method->run(&reading, env, &v);
    buf_append(out, v.text, v.len);
    value_done(&v);
}

static void add_times(const struct call *call, struct script_env *env, json_t *claims)
{
    int64_t now = env->unix_ms / 1000, expires_in = 0, exp;

    call_int(call, SIGN_EXPIRES_IN, env, &expires_in);
    if (json_object_get(claims, "iat") == NULL)
        json_object_set_new(claims, "iat", json_integer(now));
    if (expires_in <= 0 || json_object_get(claims, "exp") != NULL)
        return;
    if (__builtin_add_overflow(now, expires_in, &exp))
        exp = INT64_MAX;
    json_object_set_new(claims, "exp", json_integer(exp));
}

static void jwtsign(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf text = {0}, name = {0}, key = {0}, token = {0};

    call_text(call, SIGN_CLAIMS, env, &text);
    call_text(call, SIGN_ALGORITHM, env, &name);
    json_t *claims = json_loadb(text.data, text.len, JSON_ALLOW_NUL, NULL);
    const struct jwt_algorithm *a = find_algorithm(name.data);
    if (!json_is_object(claims)) {
        script_warn(env, "jwtsign: claims is no JSON object");
        goto out;
    }
    if (a == NULL) {
        script_warn(env, "jwtsign: algorithm is none of HS, RS and ES with 256, 384 and 512");
        goto out;
    }
    read_key(call, env, &key);
    add_times(call, env, claims);
    buf_done(&text);
    jpath_append_json(claims, &text);
    char *header = xasprintf("{\"alg\":\"%s\",\"typ\":\"JWT\"}", a->name);
    append_base64url(header, strlen(header), &token);
    free(header);
    buf_append(&token, ".", 1);
    append_base64url(text.data, text.len, &token);
    if (append_signature(a, &key, &token))
        call_give_text(call, env, &token, ret_value);
    else
        script_warn(env, "jwtsign: the key is %s",
                    key.len == 0 ? "empty" : "none for this algorithm");
out:
    json_decref(claims);
    buf_done(&text);
    buf_done(&name);
    buf_done(&key);
    buf_done(&token);
}

const struct method methods_token[] = {
    {
        .name = "jwtclaim",
        .params = claim_params,
        .run = jwtclaim,
        .result = "as `as` says",
        .doc = "a claim of a token, whose signature is not looked at",
    },
    {
        .name = "jwtsign",
        .params = sign_params,
        .run = jwtsign,
        .result = "text",
        .doc = "a signed token; iat is added where it is not in the claims",
    },
};
const size_t n_methods_token = sizeof methods_token / sizeof *methods_token;
