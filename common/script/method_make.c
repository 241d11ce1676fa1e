#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/script/datetime.h"
#include "common/script/jpath.h"
#include "common/script/method_groups.h"

#define HOURS_MAX (10000 * 366 * 24) // more leads out of all years

// --- random, randomnumber ---

static const struct method_param random_params[] = {
    {"length", METHOD_INT, false, "10", "how many characters"},
    {0},
};

static void random_text(const struct call *call, struct script_env *env, struct value *ret_value)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static const int64_t n_tens = 839299365868340224; // 62^10: one draw does for ten characters
    struct buf text = {0};
    int64_t length = 0, draw = 0;

    call_int(call, 0, env, &length);
    if (length < 0 || length > VALUE_BYTES_MAX) {
        script_warn(env, "random: length is %lld, expected 0 to %d", (long long)length,
                    VALUE_BYTES_MAX);
        return;
    }
    buf_reserve(&text, (size_t)length);
    for (int64_t i = 0; i < length; i++, draw /= 62) {
        if (i % 10 == 0)
            draw = script_random_between(env->random, 0, n_tens - 1);
        buf_append(&text, &letters[draw % 62], 1);
    }
    call_give_text(call, env, &text, ret_value);
}

enum { NUMBER_MIN, NUMBER_MAX };

static const struct method_param random_number_params[] = {
    {"min", METHOD_INT, false, "1", "the least"},
    {"max", METHOD_INT, false, "100", "the most, included"},
    {0},
};

static void random_number(const struct call *call, struct script_env *env, struct value *ret_value)
{
    int64_t min = 0, max = 0;

    call_int(call, NUMBER_MIN, env, &min);
    call_int(call, NUMBER_MAX, env, &max);
    if (min <= max)
        value_set_int(ret_value, script_random_between(env->random, min, max));
    else
        script_warn(env, "randomnumber: min is %lld, which is more than max, %lld", (long long)min,
                    (long long)max);
}

// --- timestamp ---

enum { TIMESTAMP_FORMAT, TIMESTAMP_OFFSET };

static const char *const timestamp_aliases[] = {"datetime", NULL};
static const struct method_param timestamp_params[] = {
    {"format", METHOD_TEXT, false, "yyyy-MM-ddTHH:mm:ss", "as .NET's custom and standard formats"},
    {"offsetHours", METHOD_NUMBER, false, "0", "ahead of UTC; z and K show it"},
    {0},
};

static void timestamp(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf format = {0}, text = {0};
    double hours = 0;

    call_text(call, TIMESTAMP_FORMAT, env, &format);
    call_number(call, TIMESTAMP_OFFSET, env, &hours);
    hours = fmax(-HOURS_MAX, fmin(HOURS_MAX, hours));
    int r = datetime_format(env->unix_ms, llrint(hours * 3600e3), format.data, &text);
    if (r == 0)
        call_give_text(call, env, &text, ret_value);
    else
        script_warn(env, "timestamp: %s",
                    r == -EINVAL ? "format is no format of a date"
                                 : "offsetHours leads out of the years 1 to 9999");
    buf_done(&format);
    buf_done(&text);
}

// --- guid, uuid, generateemail ---

// A UUID of version 4 (RFC 9562 section 5.4).
static void append_guid(struct script_random *random, struct buf *out)
{
    uint64_t a = script_random_next(random), b = script_random_next(random);

    a = (a & ~UINT64_C(0xf000)) | 0x4000;
    b = (b & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    buf_printf(out, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(a >> 32),
               (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xffff), (unsigned)(b >> 48),
               (unsigned long long)(b & 0xffffffffffff));
}

static void guid(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf text = {0};

    append_guid(env->random, &text);
    call_give_text(call, env, &text, ret_value);
}

static const struct method_param uuid_params[] = {
    {"prefix", METHOD_TEXT, false, "", "what comes before it"},
    {0},
};

static void uuid(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf text = {0};

    call_text(call, 0, env, &text);
    append_guid(env->random, &text);
    call_give_text(call, env, &text, ret_value);
}

enum { EMAIL_PREFIX, EMAIL_DOMAIN };

static const struct method_param email_params[] = {
    {"prefix", METHOD_TEXT, false, "user", "what it begins with"},
    {"domain", METHOD_TEXT, false, "example.com", "what comes behind the @"},
    {0},
};

static void email(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf text = {0};

    call_text(call, EMAIL_PREFIX, env, &text);
    buf_printf(&text, "-%08x@", (unsigned)(script_random_next(env->random) >> 32));
    call_text(call, EMAIL_DOMAIN, env, &text);
    call_give_text(call, env, &text, ret_value);
}

// --- counter ---

enum { COUNTER_START, COUNTER_RESET, COUNTER_STEP, COUNTER_NAME, COUNTER_UNIQUE };

static const char *const counter_aliases[] = {"iterate", "loopcounter", NULL};
static const struct method_param counter_params[] = {
    {"start", METHOD_INT, false, "0", "the first value"},
    {"reset", METHOD_INT, false, "100000", "past this it starts again"},
    {"step", METHOD_INT, false, "1", "from one value to the next"},
    {"name", METHOD_TEXT, false, "", "tells counters with the same start and reset apart"},
    {"unique", METHOD_BOOL, false, "false",
     "no client of any worker gets a value that another got; so it is with isGlobal=true"},
    {0},
};

static void counter(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct scope_counter c = {0};
    struct buf name = {0};

    call_int(call, COUNTER_START, env, &c.start);
    call_int(call, COUNTER_RESET, env, &c.reset);
    call_int(call, COUNTER_STEP, env, &c.step);
    call_text(call, COUNTER_NAME, env, &name);
    c.name = name.data;
    bool is_unique = call_bool(call, COUNTER_UNIQUE, env);
    bool is_shared = is_unique || env->session == NULL || call_is_global(call, env);
    value_set_int(ret_value, is_shared ? globals_count(env->globals, &c, env->part, env->n_parts)
                                       : scope_count(env->session, &c));
    buf_done(&name);
}

// --- randomItem ---

static const struct method_param random_item_params[] = {
    {"source", METHOD_TEXT, false, NULL, "a JSON array"},
    {0},
};

static void random_item(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf source = {0}, text = {0};

    call_text(call, 0, env, &source);
    json_t *array = json_loadb(source.data, source.len, JSON_ALLOW_NUL, NULL);
    size_t n = json_array_size(array);
    if (n > 0) {
        size_t i = (size_t)script_random_between(env->random, 0, (int64_t)n - 1);
        jpath_append_json(json_array_get(array, i), &text);
        call_give_text(call, env, &text, ret_value);
    } else {
        script_warn(env, "randomItem: source is %s",
                    json_is_array(array) ? "an empty array" : "no JSON array");
    }
    json_decref(array);
    buf_done(&source);
    buf_done(&text);
}

const struct method methods_make[] = {
    {
        .name = "random",
        .params = random_params,
        .run = random_text,
        .result = "text",
        .doc = "letters and digits of ASCII",
    },
    {
        .name = "randomnumber",
        .params = random_number_params,
        .run = random_number,
        .result = "int",
        .doc = "a whole number from min to max",
    },
    {
        .name = "timestamp",
        .aliases = timestamp_aliases,
        .params = timestamp_params,
        .run = timestamp,
        .result = "text",
        .doc = "now",
    },
    {
        .name = "guid",
        .run = guid,
        .result = "text",
        .doc = "a random UUID in lower case",
    },
    {
        .name = "uuid",
        .params = uuid_params,
        .run = uuid,
        .result = "text",
        .doc = "prefix and a random UUID",
    },
    {
        .name = "generateemail",
        .params = email_params,
        .run = email,
        .result = "text",
        .doc = "prefix-xxxxxxxx@domain, with eight random hex digits",
    },
    {
        .name = "counter",
        .aliases = counter_aliases,
        .params = counter_params,
        .run = counter,
        .result = "int",
        .doc = "start, then step by step; past reset it starts again. Each client has its own, but "
               "for unique=true and isGlobal=true",
    },
    {
        .name = "randomItem",
        .params = random_item_params,
        .is_positional = true,
        .run = random_item,
        .result = "text",
        .doc = "one element of an array, as compact JSON",
    },
};
const size_t n_methods_make = sizeof methods_make / sizeof *methods_make;
