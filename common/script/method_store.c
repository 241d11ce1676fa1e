#include <string.h>
#include <strings.h>

#include "common/script/method_groups.h"
#include "common/script/text.h"

// --- Reading ---

// Where the reading methods have what they share.
enum { READ_SOURCE, READ_PATH, READ_NAME, READ_ENCODING, READ__COUNT };

static void decode_utf16(const char *bytes, size_t len, bool is_big, struct buf *out)
{
    uint32_t high = 0; // half of a pair; 0: none

    for (size_t i = 0; i < len; i += 2) {
        unsigned char first = (unsigned char)bytes[i];
        unsigned char second = i + 1 < len ? (unsigned char)bytes[i + 1] : 0;
        uint32_t unit = is_big ? (uint32_t)first << 8 | second : (uint32_t)second << 8 | first;
        bool is_low = unit >= 0xdc00 && unit < 0xe000;
        if (i + 1 == len)
            unit = 0xfffd;
        if (high != 0 && is_low) {
            text_append_char(out, 0x10000 + ((high & 0x3ff) << 10 | (unit & 0x3ff)));
            high = 0;
            continue;
        }
        if (high != 0)
            text_append_char(out, 0xfffd);
        high = unit >= 0xd800 && unit < 0xdc00 ? unit : 0;
        if (high == 0)
            text_append_char(out, is_low ? 0xfffd : unit);
    }
    if (high != 0)
        text_append_char(out, 0xfffd);
}

// A byte order mark says more than what is asked for, and is no part of the text.
static void decode(const struct call *call, struct script_env *env, const char *encoding,
                   const char *bytes, size_t len, struct buf *out)
{
    bool is_utf8 = strcasecmp(encoding, "utf-8") == 0 || strcasecmp(encoding, "utf8") == 0;
    bool is_utf16 = strcasecmp(encoding, "utf-16") == 0 || strcasecmp(encoding, "unicode") == 0;
    bool is_ascii = strcasecmp(encoding, "ascii") == 0;

    if (!is_utf8 && !is_utf16 && !is_ascii)
        script_warn(env, "%s: encoding is none of utf-8, utf-16, ascii, and taken as utf-8",
                    call->method->name);
    if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        buf_append(out, bytes + 3, len - 3);
    else if (len >= 2 && memcmp(bytes, "\xff\xfe", 2) == 0)
        decode_utf16(bytes + 2, len - 2, false, out);
    else if (len >= 2 && memcmp(bytes, "\xfe\xff", 2) == 0)
        decode_utf16(bytes + 2, len - 2, true, out);
    else if (is_utf16)
        decode_utf16(bytes, len, false, out);
    else
        buf_append(out, bytes, len);
    for (size_t i = 0; is_ascii && i < out->len; i++)
        if ((unsigned char)out->data[i] >= 0x80)
            out->data[i] = '?';
}

static void read_bundled(const struct call *call, struct script_env *env, bool is_env,
                         const char *name, struct buf *out)
{
    struct buf encoding = {0};
    size_t len = 0;
    const char *bytes = env->read == NULL ? NULL : env->read(env->arg, is_env, name, &len);

    if (bytes == NULL) {
        script_warn(env, "%s: there is no %s \"%s\"", call->method->name,
                    is_env ? "environment variable" : "file", name);
        return;
    }
    if (is_env) {
        buf_append(out, bytes, len);
        return;
    }
    call_text(call, READ_ENCODING, env, &encoding);
    decode(call, env, encoding.data, bytes, len, out);
    buf_done(&encoding);
}

static void read_variable(const struct call *call, struct script_env *env, const char *name,
                          struct buf *out)
{
    struct value keep = {0};
    const struct value *v = script_variable(env, name, &keep);

    if (v != NULL)
        buf_append(out, v->text, v->len);
    else
        script_warn(env, "%s: there is no variable \"%s\"", call->method->name, name);
    value_done(&keep);
}

// Appends what is read; nothing, with a warning, where there is none.
static void read_source(const struct call *call, struct script_env *env, struct buf *out)
{
    struct buf source = {0}, name = {0};

    if (!call_text(call, READ_SOURCE, env, &source))
        buf_puts(&source, call->arg[READ_PATH] != NULL ? "file" : "variable");
    bool is_file = strcasecmp(source.data, "file") == 0;
    bool is_env = strcasecmp(source.data, "env") == 0;
    size_t param = is_file ? READ_PATH : READ_NAME;

    if (!is_file && !is_env && strcasecmp(source.data, "variable") != 0)
        script_warn(env, "%s: source is none of file, env, variable", call->method->name);
    else if (!call_text(call, param, env, &name) || name.len == 0)
        script_warn(env, "%s: %s is missing", call->method->name, call->method->params[param].name);
    else if (is_file || is_env)
        read_bundled(call, env, is_env, name.data, out);
    else
        read_variable(call, env, name.data, out);
    buf_append(out, "", 0); // ends with NUL even where nothing came
    buf_done(&source);
    buf_done(&name);
}

static const struct method_param read_params[] = {
    {"source", METHOD_TEXT, false, NULL, "file, env or variable; file where a path is given"},
    {"path", METHOD_FILE, false, NULL, "of the file, from where the plan was started"},
    {"name", METHOD_ENTRY, false, NULL, "of the environment variable or variable"},
    {"encoding", METHOD_TEXT, false, "utf-8", "of the file: utf-8, utf-16 or ascii"},
    {"as", METHOD_TYPE, false, "string", "type of what is stored"},
    {0},
};

static void read(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf text = {0};

    read_source(call, env, &text);
    call_give_text(call, env, &text, ret_value);
}

// --- Storing ---

// Gives the text, and stores it in the variable that parameter i names, of the type that as says.
static void give_and_store(const struct call *call, size_t i, size_t as, struct script_env *env,
                           struct buf *text, struct value *ret_value)
{
    struct value typed = {0};

    call_give_text(call, env, text, ret_value);
    call_set_as(&typed, call_type(call, as, env), ret_value->text, ret_value->len);
    call_store(call, call->arg[i], env, &typed);
    value_done(&typed);
}

enum {
    READIF_CONDITION = READ__COUNT,
    READIF_VARIABLE,
    READIF_DEFAULT,
    READIF_AS,
};

static const struct method_param readif_params[] = {
    {"source", METHOD_TEXT, false, NULL, "file, env or variable; file where a path is given"},
    {"path", METHOD_FILE, false, NULL, "of the file, from where the plan was started"},
    {"name", METHOD_ENTRY, false, NULL, "of the environment variable or variable"},
    {"encoding", METHOD_TEXT, false, "utf-8", "of the file: utf-8, utf-16 or ascii"},
    {"condition", METHOD_EXPR, true, NULL, "whether to read"},
    {"variable", METHOD_NAME, true, NULL, "where it goes"},
    {"default", METHOD_TEXT, false, NULL, "what goes there else; nothing where it is not given"},
    {"as", METHOD_TYPE, false, NULL, "type of what is stored"},
    {0},
};

static void readif(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf text = {0};

    if (call_condition(call, READIF_CONDITION, env))
        read_source(call, env, &text);
    else if (!call_text(call, READIF_DEFAULT, env, &text)) {
        buf_done(&text);
        return;
    }
    give_and_store(call, READIF_VARIABLE, READIF_AS, env, &text, ret_value);
}

enum { SET_VARIABLE, SET_VALUE, SET_AS };

static const struct method_param set_params[] = {
    {"variable", METHOD_NAME, true, NULL, "where it goes"},
    {"value", METHOD_TEXT, false, "", "what goes there; arithmetic where as is a number"},
    {"as", METHOD_TYPE, false, NULL, "type of what is stored"},
    {0},
};

static void setvariable(const struct call *call, struct script_env *env, struct value *ret_value)
{
    struct buf text = {0};

    call_text(call, SET_VALUE, env, &text);
    give_and_store(call, SET_VARIABLE, SET_AS, env, &text, ret_value);
}

enum { SETIF_VARIABLE, SETIF_CONDITION, SETIF_VALUE, SETIF_DEFAULT, SETIF_AS };

static const struct method_param setif_params[] = {
    {"variable", METHOD_NAME, true, NULL, "where it goes"},
    {"condition", METHOD_EXPR, true, NULL, "whether value goes there"},
    {"value", METHOD_TEXT, false, "", "what goes there; arithmetic where as is a number"},
    {"default", METHOD_TEXT, false, NULL, "what goes there else; nothing where it is not given"},
    {"as", METHOD_TYPE, false, NULL, "type of what is stored"},
    {0},
};

static void setvariableif(const struct call *call, struct script_env *env, struct value *ret_value)
{
    size_t which = call_condition(call, SETIF_CONDITION, env) ? SETIF_VALUE : SETIF_DEFAULT;
    struct value copy = {0};
    struct buf text = {0};

    if (call_text(call, which, env, &text)) {
        call_give_text(call, env, &text, ret_value);
        call_set_as(ret_value, call_type(call, SETIF_AS, env), ret_value->text, ret_value->len);
        value_copy(&copy, ret_value);
        call_store(call, call->arg[SETIF_VARIABLE], env, &copy);
        value_done(&copy);
    }
    buf_done(&text);
}

static const char *const set_aliases[] = {"set", NULL}, *const setif_aliases[] = {"setif", NULL};

const struct method methods_store[] = {
    {"read", NULL, read_params, false, read, "string",
     "a file, or a variable, of the environment or not"},
    {"readif", NULL, readif_params, false, readif, "string", "the same, on a condition"},
    {"setvariable", set_aliases, set_params, false, setvariable, "string",
     "sets a variable, and gives what it is set to"},
    {"setvariableif", setif_aliases, setif_params, false, setvariableif, "as the value is",
     "the same, on a condition"},
};
const size_t n_methods_store = sizeof methods_store / sizeof *methods_store;
