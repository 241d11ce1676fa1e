#include <errno.h>
#include <string.h>

#include "common/jtext.h"
#include "common/script/value_impl.h"

#define STEPS_MAX 16
#define DEPTH_MAX 500
#define ASIDE     SIZE_MAX // what no step leads to

struct step {
    const char *name; // NULL: an index
    size_t len;
    size_t index;
};

struct scan {
    const char *p, *end;
    struct step steps[STEPS_MAX];
    size_t n_steps;
    unsigned depth;
    const char *found; // NULL: not yet
    size_t found_len;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// ".name", "[0]", "['name']"; NULL: it is something else.
static const char *parse_step(const char *p, bool is_first, struct step *step)
{
    *step = (struct step){0};
    if (*p == '.') {
        step->name = p + 1;
        step->len = strcspn(step->name, ".[]");
        bool is_special = *step->name == '*' || (is_first && *step->name == '$');
        return step->len == 0 || is_special ? NULL : step->name + step->len;
    }
    if (*p++ != '[')
        return NULL;
    if (*p == '\'' || *p == '"') {
        char close[3] = {*p, ']', '\0'};
        step->name = p + 1;
        step->len = strcspn(step->name, "'\"\\");
        p = step->name + step->len;
        return strncmp(p, close, 2) == 0 ? p + 2 : NULL;
    }
    const char *digits = p;
    for (; is_digit(*p) && p - digits < 9; p++)
        step->index = step->index * 10 + (size_t)(*p - '0');
    return p > digits && *p == ']' ? p + 1 : NULL;
}

static bool parse_path(const char *path, struct scan *s)
{
    while (path != NULL && *path != '\0' && s->n_steps < STEPS_MAX) {
        path = parse_step(path, s->n_steps == 0, &s->steps[s->n_steps]);
        s->n_steps++;
    }
    return path != NULL && *path == '\0';
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

static bool next_is(struct scan *s, char c)
{
    skip_space(s);
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

// Length of the escape at p; 0: none that is simple.
static size_t escape_length(const char *p)
{
    if (p[1] != 'u')
        return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL ? 2 : 0;
    bool is_surrogate = (p[2] == 'd' || p[2] == 'D') && p[3] >= '8';
    return strspn(p + 2, "0123456789abcdefABCDEF") >= 4 && !is_surrogate ? 6 : 0;
}

// The text ends with a NUL, which nothing in here passes.
static bool scan_string(struct scan *s)
{
    const char *p = s->p + 1;

    for (;;) {
        while (*p >= ' ' && *p < 0x7f && *p != '"' && *p != '\\')
            p++;
        if (*p == '"')
            break;
        size_t n = *p == '\\' ? escape_length(p) : str_printable(p);
        if (n == 0)
            return false;
        p += n;
    }
    s->p = p + 1;
    return true;
}

static bool is_word_byte(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '.' || c == '-' || c == '+' || c == 'E';
}

static bool scan_word(struct scan *s)
{
    const char *first = s->p;
    bool is_whole;

    while (is_word_byte(*s->p))
        s->p++;
    size_t len = (size_t)(s->p - first);
    return jtext_is_number(first, len, &is_whole) || (len == 4 && memcmp(first, "true", 4) == 0) ||
           (len == 4 && memcmp(first, "null", 4) == 0) ||
           (len == 5 && memcmp(first, "false", 5) == 0);
}

static bool scan_value(struct scan *s, size_t at);

// The step that leads on from here; NULL: none.
static const struct step *next_step(const struct scan *s, size_t at)
{
    return at < s->n_steps ? &s->steps[at] : NULL;
}

static bool scan_object(struct scan *s, size_t at)
{
    const struct step *step = next_step(s, at);

    if (next_is(s, '}'))
        return true;
    do {
        skip_space(s);
        const char *key = s->p + 1;
        if (*s->p != '"' || !scan_string(s))
            return false;
        size_t len = (size_t)(s->p - key) - 1;
        bool is_it = step != NULL && step->name != NULL && step->len == len &&
                     memcmp(step->name, key, len) == 0;
        if (is_it)
            s->found = NULL; // of several the last counts
        if (memchr(key, '\\', len) != NULL || !next_is(s, ':') ||
            !scan_value(s, is_it ? at + 1 : ASIDE))
            return false;
    } while (next_is(s, ','));
    return next_is(s, '}');
}

static bool scan_array(struct scan *s, size_t at)
{
    const struct step *step = next_step(s, at);
    size_t i = 0;

    if (next_is(s, ']'))
        return true;
    do {
        bool is_it = step != NULL && step->name == NULL && step->index == i++;
        if (!scan_value(s, is_it ? at + 1 : ASIDE))
            return false;
    } while (next_is(s, ','));
    return next_is(s, ']');
}

// After the first `at` steps of the path, or ASIDE.
static bool scan_value(struct scan *s, size_t at)
{
    skip_space(s);
    const char *first = s->p;
    bool is_good;
    if (*first == '{' || *first == '[') {
        if (++s->depth > DEPTH_MAX)
            return false;
        s->p++;
        is_good = *first == '{' ? scan_object(s, at) : scan_array(s, at);
        s->depth--;
    } else {
        is_good = *first == '"' ? scan_string(s) : scan_word(s);
    }
    if (is_good && at == s->n_steps) {
        s->found = first;
        s->found_len = (size_t)(s->p - first);
    }
    return is_good;
}

int value_scan(const char *text, size_t len, const char *path, const char **ret_at, size_t *ret_len)
{
    struct scan s = {.p = text, .end = text + len};

    if (!parse_path(path, &s) || !scan_value(&s, 0))
        return -EAGAIN;
    skip_space(&s);
    if (s.p < s.end)
        return -EAGAIN;
    if (s.found == NULL)
        return -ENOENT;
    *ret_at = s.found;
    *ret_len = s.found_len;
    return 0;
}
