#include "worker/runner/cookies.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/http_date.h"

struct cookie {
    char *name; // one block with what follows
    const char *value, *domain, *path;
    size_t path_len;
    int64_t expires_s; // INT64_MAX: with the jar
    uint64_t last_use;
    bool is_secure, is_host_only;
};

struct span {
    const char *p;
    size_t len;
};

// A Set-Cookie field taken apart (RFC 6265 section 5.2).
struct set {
    struct span name, value, domain, path;
    bool has_max_age, is_secure;
    int64_t max_age_s, expires_s;
};

void cookies_done(struct cookies *jar)
{
    for (size_t i = 0; i < jar->n; i++)
        free(jar->list[i].name);
    free(jar->list);
    *jar = (struct cookies){0};
}

static struct span trim(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (p < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct span){p, (size_t)(end - p)};
}

static bool is_word(struct span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.p, word, s.len) == 0;
}

// Section 5.2.2; what is no number is ignored, what is too large is for ever.
static void read_max_age(struct set *set, struct span value)
{
    bool negative = value.len > 0 && value.p[0] == '-';
    size_t i = negative ? 1 : 0;
    int64_t n = 0;

    if (i == value.len)
        return;
    for (; i < value.len; i++) {
        if (!isdigit((unsigned char)value.p[i]))
            return;
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, value.p[i] - '0', &n))
            n = INT64_MAX / 10;
    }
    set->has_max_age = true;
    set->max_age_s = negative ? 0 : n;
}

static void read_attribute(struct set *set, struct span name, struct span value)
{
    if (is_word(name, "Expires")) {
        http_date_parse(value.p, value.len, &set->expires_s);
    } else if (is_word(name, "Max-Age")) {
        read_max_age(set, value);
    } else if (is_word(name, "Domain") && value.len > 0 &&
               value.len <= COOKIES_ATTRIBUTE_BYTES_MAX) {
        bool has_dot = value.p[0] == '.';
        set->domain = (struct span){value.p + has_dot, value.len - has_dot};
    } else if (is_word(name, "Path") && value.len <= COOKIES_ATTRIBUTE_BYTES_MAX) {
        set->path = value;
    } else if (is_word(name, "Secure")) {
        set->is_secure = true;
    }
}

// "name=value" or "name"; false: there is no '='.
static bool split(const char *p, const char *end, struct span *ret_name, struct span *ret_value)
{
    const char *equals = memchr(p, '=', (size_t)(end - p));

    *ret_name = trim(p, equals != NULL ? equals : end);
    *ret_value = equals != NULL ? trim(equals + 1, end) : (struct span){end, 0};
    return equals != NULL;
}

static int parse(const char *field, size_t len, struct set *ret_set)
{
    struct set set = {.expires_s = INT64_MAX};
    const char *p = field, *end = field + len;

    // They would be sent back.
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)field[i] < ' ' && field[i] != '\t') || field[i] == 0x7f)
            return -EINVAL;
    for (bool is_first = true; p < end || is_first; is_first = false) {
        const char *semicolon = memchr(p, ';', (size_t)(end - p));
        const char *stop = semicolon != NULL ? semicolon : end;
        struct span name, value;
        bool has_value = split(p, stop, &name, &value);
        if (!is_first) {
            read_attribute(&set, name, value);
        } else if (!has_value || name.len == 0 || name.len + value.len > COOKIES_BYTES_MAX) {
            return -EINVAL;
        } else {
            set.name = name;
            set.value = value;
        }
        p = semicolon != NULL ? semicolon + 1 : end;
    }
    *ret_set = set;
    return 0;
}

static bool is_address(const char *host)
{
    struct in_addr v4;

    return strchr(host, ':') != NULL || inet_pton(AF_INET, host, &v4) == 1;
}

// Section 5.1.3; domain is not empty.
static bool domain_fits(struct span domain, const char *host)
{
    size_t host_len = strlen(host);

    if (domain.len > host_len ||
        strncasecmp(host + host_len - domain.len, domain.p, domain.len) != 0)
        return false;
    return domain.len == host_len || (host[host_len - domain.len - 1] == '.' && !is_address(host));
}

static struct span path_of(const struct plan_url *url)
{
    return (struct span){url->target, strcspn(url->target, "?")};
}

// Section 5.1.4.
static struct span default_path(const struct plan_url *url)
{
    struct span path = path_of(url);

    while (path.len > 1 && path.p[path.len - 1] != '/')
        path.len--;
    return (struct span){path.p, path.len > 1 ? path.len - 1 : 1};
}

// Section 5.1.4.
static bool path_fits(const struct cookie *c, struct span path)
{
    if (path.len < c->path_len || memcmp(path.p, c->path, c->path_len) != 0)
        return false;
    return path.len == c->path_len || c->path[c->path_len - 1] == '/' || path.p[c->path_len] == '/';
}

static void remove_at(struct cookies *jar, size_t i)
{
    free(jar->list[i].name);
    memmove(&jar->list[i], &jar->list[i + 1], (--jar->n - i) * sizeof *jar->list);
}

static void drop_expired(struct cookies *jar, int64_t now_s)
{
    for (size_t i = jar->n; i-- > 0;)
        if (jar->list[i].expires_s <= now_s)
            remove_at(jar, i);
}

static void make_room(struct cookies *jar)
{
    size_t oldest = 0;

    if (jar->n == jar->cap) {
        jar->cap = jar->cap == 0 ? 4 : 2 * jar->cap;
        jar->list = xreallocarray(jar->list, jar->cap, sizeof *jar->list);
    }
    for (size_t i = 1; i < jar->n; i++)
        if (jar->list[i].last_use < jar->list[oldest].last_use)
            oldest = i;
    if (jar->n == COOKIES_MAX)
        remove_at(jar, oldest);
}

// Name, value, domain and path in one block, each with its NUL.
static char *join(const struct span part[4])
{
    struct buf b = {0};

    for (int i = 0; i < 4; i++) {
        buf_append(&b, part[i].p, part[i].len);
        buf_append(&b, "", 1);
    }
    return buf_take(&b);
}

static struct cookie make(const struct set *set, const struct plan_url *url, int64_t now_s)
{
    bool has_path = set->path.len > 0 && set->path.p[0] == '/';
    bool has_domain = set->domain.len > 0;
    const struct span part[4] = {
        set->name,
        set->value,
        has_domain ? set->domain : (struct span){url->host, strlen(url->host)},
        has_path ? set->path : default_path(url),
    };
    struct cookie c = {
        .name = join(part),
        .path_len = part[3].len,
        .expires_s = set->expires_s,
        .is_secure = set->is_secure,
        .is_host_only = !has_domain,
    };

    c.value = c.name + part[0].len + 1;
    c.domain = c.value + part[1].len + 1;
    c.path = c.domain + part[2].len + 1;
    for (size_t i = 0; i < part[2].len; i++)
        c.name[part[0].len + part[1].len + 2 + i] = (char)tolower((unsigned char)part[2].p[i]);
    // Section 5.3 step 3: Max-Age wins.
    if (set->has_max_age && set->max_age_s <= 0)
        c.expires_s = INT64_MIN;
    else if (set->has_max_age && __builtin_add_overflow(now_s, set->max_age_s, &c.expires_s))
        c.expires_s = INT64_MAX;
    return c;
}

// Longer paths go first, of equal ones the older cookie (section 5.4).
static void insert(struct cookies *jar, const struct cookie *c)
{
    size_t i = 0;

    make_room(jar);
    while (i < jar->n && jar->list[i].path_len >= c->path_len)
        i++;
    memmove(&jar->list[i + 1], &jar->list[i], (jar->n++ - i) * sizeof *jar->list);
    jar->list[i] = *c;
}

void cookies_set(struct cookies *jar, const struct plan_url *url, const char *field, size_t len,
                 int64_t now_s)
{
    struct set set;

    if (parse(field, len, &set) < 0 || (set.domain.len > 0 && !domain_fits(set.domain, url->host)))
        return;
    drop_expired(jar, now_s);
    struct cookie c = make(&set, url, now_s);
    size_t i = 0;
    while (i < jar->n &&
           (strcmp(jar->list[i].name, c.name) != 0 || strcmp(jar->list[i].domain, c.domain) != 0 ||
            strcmp(jar->list[i].path, c.path) != 0))
        i++;
    bool is_known = i < jar->n;
    c.last_use = ++jar->n_uses;
    if (c.expires_s <= now_s) {
        free(c.name);
        if (is_known)
            remove_at(jar, i);
    } else if (is_known) {
        // It keeps its place, as it keeps its time of creation (section 5.3 step 11).
        free(jar->list[i].name);
        jar->list[i] = c;
    } else {
        insert(jar, &c);
    }
}

static bool fits(const struct cookie *c, const struct plan_url *url)
{
    bool fits_host = c->is_host_only
                         ? strcmp(c->domain, url->host) == 0
                         : domain_fits((struct span){c->domain, strlen(c->domain)}, url->host);

    return fits_host && (!c->is_secure || url->tls) && path_fits(c, path_of(url));
}

bool cookies_append(struct cookies *jar, const struct plan_url *url, int64_t now_s, struct buf *out)
{
    bool any = false;

    drop_expired(jar, now_s);
    jar->n_uses++;
    for (size_t i = 0; i < jar->n; i++) {
        struct cookie *c = &jar->list[i];
        if (!fits(c, url))
            continue;
        buf_puts(out, any ? "; " : "");
        buf_puts(out, c->name);
        buf_puts(out, "=");
        buf_puts(out, c->value);
        c->last_use = jar->n_uses;
        any = true;
    }
    return any;
}
