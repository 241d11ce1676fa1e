#include "common/script/env.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/str.h"

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void script_random_seed(struct script_random *r, uint64_t seed, uint64_t stream)
{
    // Mixed before they meet, so that neighbours in either have nothing in common.
    uint64_t state = splitmix64(&seed) ^ stream;

    for (size_t i = 0; i < 4; i++)
        r->s[i] = splitmix64(&state);
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t script_random_next(struct script_random *r)
{
    uint64_t *s = r->s, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

int64_t script_random_between(struct script_random *r, int64_t min, int64_t max)
{
    assert(min <= max);
    uint64_t n = (uint64_t)max - (uint64_t)min + 1, x;

    if (n == 0)
        return (int64_t)script_random_next(r);
    // Below 2^64 mod n, values would come once more often than the others.
    do
        x = script_random_next(r);
    while (x < -n % n);
    return (int64_t)((uint64_t)min + x % n);
}

void script_warn(struct script_env *env, const char *fmt, ...)
{
    char text[SCRIPT_WARNING_MAX];
    va_list ap;

    if (env->warn == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    env->warn(env->arg, text);
}

struct value *script_variable(struct script_env *env, const char *name, struct value *keep)
{
    struct value *found = env->session ? scope_find(env->session, name) : NULL;

    if (found != NULL)
        return found;
    return globals_get(env->globals, name, keep) ? keep : NULL;
}

void script_store(struct script_env *env, const char *name, bool is_global, struct value *v)
{
    bool is_kept = is_global || env->session == NULL ? globals_put(env->globals, name, v)
                                                     : scope_put(env->session, name, v);

    if (!is_kept)
        script_warn(env, "the variable \"%s\" is not kept: there are %d already", name,
                    SCOPE_VARIABLES_MAX);
}
