#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/script/digest.h"
#include "common/script/method_groups.h"

// --- base64encode, base64decode, urlencode, urldecode ---

static const struct method_param value_params[] = {
    {"value", METHOD_TEXT, false, NULL, "a text"},
    {0},
};

static void give_base64(const struct call *call, struct script_env *env, const void *bytes,
                        size_t n, struct value *ret_value)
{
    char *digits = str_base64(bytes, n);
    struct buf text = {0};

    buf_puts(&text, digits);
    free(digits);
    call_give_text(call, env, &text, ret_value);
}

static void base64encode(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf value = {0};

    call_text(call, 0, env, &value);
    give_base64(call, env, value.data, value.len, ret_value);
    buf_done(&value);
}

static void base64decode(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf value = {0}, digits = {0}, text = {0};

    call_text(call, 0, env, &value);
    for (size_t i = 0; i < value.len; i++)
        if (!isspace((unsigned char)value.data[i]))
            buf_append(&digits, &value.data[i], 1);
    while (digits.len % 4 != 0)
        buf_append(&digits, "=", 1);
    if (str_unbase64(digits.data, digits.len, &text) == 0)
        call_give_text(call, env, &text, ret_value);
    else
        script_warn(env, "base64decode: value is no base64");
    buf_done(&value);
    buf_done(&digits);
    buf_done(&text);
}

// RFC 3986 section 2.3.
static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

static void urlencode(const struct call *call, struct script_env *env, struct value *ret_value)
{
    static const char digits[] = "0123456789ABCDEF";
    struct buf value = {0}, text = {0};

    call_text(call, 0, env, &value);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        char encoded[] = {'%', digits[c >> 4], digits[c & 15]};
        if (is_unreserved((char)c))
            buf_append(&text, &c, 1);
        else
            buf_append(&text, encoded, sizeof encoded);
    }
    call_give_text(call, env, &text, ret_value);
    buf_done(&value);
}

static void urldecode(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf value = {0}, text = {0};

    call_text(call, 0, env, &value);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];
        // What is no encoding stays as it is.
        if (c == '%' && i + 2 < value.len) {
            const char hex[] = {value.data[i + 1], value.data[i + 2], '\0'};
            if (str_unhex(hex, 1, &c) == 0)
                i += 2;
        }
        buf_append(&text, &c, 1);
    }
    call_give_text(call, env, &text, ret_value);
    buf_done(&value);
}

// --- hash, hmac ---

// NULL, and a warning: there is no such algorithm.
static const struct digest *algorithm(const struct call *call, size_t i, struct script_env *env,
                                      bool has_md5)
{
    struct buf name = {0};

    call_text(call, i, env, &name);
    const struct digest *d =
        !has_md5 && strcasecmp(name.data, "MD5") == 0 ? NULL : digest_find(name.data);
    if (d == NULL)
        script_warn(env, "%s: algorithm is none of %sSHA1, SHA256, SHA384, SHA512",
                    call->method->name, has_md5 ? "MD5, " : "");
    buf_done(&name);
    return d;
}

static void give_hex(struct value *ret_value, const unsigned char *bytes, size_t n)
{
    char hex[2 * DIGEST_SIZE_MAX + 1];

    str_hex(bytes, n, hex);
    value_set(ret_value, VALUE_STRING, false, hex, 2 * n);
}

enum { HASH_VALUE, HASH_ALGORITHM };

static const struct method_param hash_params[] = {
    {"value", METHOD_TEXT, false, NULL, "a text"},
    {"algorithm", METHOD_TEXT, false, "SHA256", "MD5, SHA1, SHA256, SHA384 or SHA512"},
    {0},
};

static void hash(const struct call *call, struct script_env *env, struct value *ret_value)
{
    const struct digest *d = algorithm(call, HASH_ALGORITHM, env, true);
    unsigned char bytes[DIGEST_SIZE_MAX];
    struct buf value = {0};

    if (d == NULL)
        return;
    call_text(call, HASH_VALUE, env, &value);
    give_hex(ret_value, bytes, digest_of(d, value.data, value.len, bytes));
    buf_done(&value);
}

enum { HMAC_VALUE, HMAC_KEY, HMAC_ALGORITHM, HMAC_ENCODING };

static const struct method_param hmac_params[] = {
    {"value", METHOD_TEXT, false, NULL, "a text"},
    {"key", METHOD_TEXT, true, NULL, "the key, a text"},
    {"algorithm", METHOD_TEXT, false, "SHA256", "SHA1, SHA256, SHA384 or SHA512"},
    {"encoding", METHOD_TEXT, false, "hex", "of the result: hex or base64"},
    {0},
};

static bool is_base64(const struct call *call, struct script_env *env)
{
    struct buf name = {0};

    call_text(call, HMAC_ENCODING, env, &name);
    bool is = strcasecmp(name.data, "base64") == 0;
    if (!is && strcasecmp(name.data, "hex") != 0)
        script_warn(env, "hmac: encoding is neither hex nor base64, and taken as hex");
    buf_done(&name);
    return is;
}

static void hmac(const struct call *call, struct script_env *env, struct value *ret_value)
{
    const struct digest *d = algorithm(call, HMAC_ALGORITHM, env, false);
    unsigned char bytes[DIGEST_SIZE_MAX];
    struct buf value = {0}, key = {0};

    if (d == NULL)
        return;
    call_text(call, HMAC_VALUE, env, &value);
    call_text(call, HMAC_KEY, env, &key);
    if (key.len == 0) {
        script_warn(env, "hmac: key is empty");
    } else {
        size_t n = digest_hmac(d, key.data, key.len, value.data, value.len, bytes);
        if (is_base64(call, env))
            give_base64(call, env, bytes, n, ret_value);
        else
            give_hex(ret_value, bytes, n);
    }
    buf_done(&value);
    buf_done(&key);
}

const struct method methods_code[] = {
    {
        .name = "base64encode",
        .params = value_params,
        .run = base64encode,
        .result = "text",
        .doc = "the bytes of a text in base64",
    },
    {
        .name = "base64decode",
        .params = value_params,
        .run = base64decode,
        .result = "text",
        .doc = "what a base64 says; blanks in it do not matter, and padding may be missing",
    },
    {
        .name = "urlencode",
        .params = value_params,
        .run = urlencode,
        .result = "text",
        .doc = "all but letters, digits and -._~ as %XX",
    },
    {
        .name = "urldecode",
        .params = value_params,
        .run = urldecode,
        .result = "text",
        .doc = "the characters that %XX stand for; + stays a +",
    },
    {
        .name = "hash",
        .params = hash_params,
        .run = hash,
        .result = "text",
        .doc = "a hash of the text, in lower-case hex",
    },
    {
        .name = "hmac",
        .params = hmac_params,
        .run = hmac,
        .result = "text",
        .doc = "a hash of the text that only who has the key can make",
    },
};
const size_t n_methods_code = sizeof methods_code / sizeof *methods_code;
