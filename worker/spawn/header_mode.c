#include "worker/spawn/header_mode.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "common/http_date.h"

// Forms of values, of RFC 9110 where nothing else is said.
enum form {
    FORM_ANY = 0,
    FORM_LIST,        // "a, b;q=0.5", "max-age=0, no-cache"
    FORM_MEDIA,       // "text/html; charset=utf-8"
    FORM_MEDIA_LIST,  // "text/*;q=0.3, */*"
    FORM_DATE,        // section 5.6.7
    FORM_NUMBER,      // digits
    FORM_TAGS,        // "*", or entity tags: "\"a\", W/\"b\""
    FORM_TAG_OR_DATE, // If-Range
    FORM_CREDENTIALS, // "Basic YTpi"
    FORM_RANGE,       // "bytes=0-9,20-"
    FORM_URI,         // without blanks
};

static const struct {
    const char *name;
    enum form form;
} known[] = {
    {"Accept", FORM_MEDIA_LIST},
    {"Accept-Charset", FORM_LIST},
    {"Accept-Encoding", FORM_LIST},
    {"Accept-Language", FORM_LIST},
    {"Allow", FORM_LIST},
    {"Authorization", FORM_CREDENTIALS},
    {"Cache-Control", FORM_LIST},
    {"Content-Disposition", FORM_LIST},
    {"Content-Encoding", FORM_LIST},
    {"Content-Language", FORM_LIST},
    {"Content-Location", FORM_URI},
    {"Content-MD5", FORM_ANY},
    {"Content-Range", FORM_ANY},
    {"Content-Type", FORM_MEDIA},
    {"Date", FORM_DATE},
    {"Expect", FORM_LIST},
    {"Expires", FORM_DATE},
    {"From", FORM_ANY},
    {"If-Match", FORM_TAGS},
    {"If-Modified-Since", FORM_DATE},
    {"If-None-Match", FORM_TAGS},
    {"If-Range", FORM_TAG_OR_DATE},
    {"If-Unmodified-Since", FORM_DATE},
    {"Last-Modified", FORM_DATE},
    {"Max-Forwards", FORM_NUMBER},
    {"Pragma", FORM_LIST},
    {"Proxy-Authorization", FORM_CREDENTIALS},
    {"Range", FORM_RANGE},
    {"Referer", FORM_URI},
    {"Referrer", FORM_URI}, // goes out as Referer
    {"Trailer", FORM_LIST},
    {"User-Agent", FORM_ANY},
    {"Via", FORM_ANY},
    {"Warning", FORM_ANY},
};

// Of HTTP itself: they say how bytes lie on the connection.
static const char *const of_connection[] = {
    "Connection", "Content-Length", "TE", "Transfer-Encoding", "Upgrade", NULL,
};

static const char *const tolerated[] = {"Cookie", "Origin", "Traceparent", "Tracestate", NULL};

static const char *const tolerated_begins[] = {
    "X-", "CF-", "Fastly-", "Akamai-", NULL, // X- has that of Amazon, Microsoft and Google
};

// --- Values ---

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool take_token(const char **at)
{
    const char *begin = *at;

    while (is_token_char(**at))
        ++*at;
    return *at > begin;
}

static bool take_quoted(const char **at)
{
    if (**at != '"')
        return false;
    for (++*at; **at != '\0' && **at != '"'; ++*at)
        if (**at == '\\' && *++*at == '\0')
            return false;
    return **at == '"' && *(*at)++ == '"';
}

static bool take_char(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

static void take_blanks(const char **at)
{
    *at += strspn(*at, " \t");
}

// "name", "name=token" or "name="quoted"".
static bool take_pair(const char **at)
{
    if (!take_token(at))
        return false;
    return !take_char(at, '=') || take_token(at) || take_quoted(at);
}

static bool take_item(const char **at, bool is_media)
{
    bool ok = is_media ? take_token(at) && take_char(at, '/') && take_token(at) : take_pair(at);

    for (take_blanks(at); ok && take_char(at, ';'); take_blanks(at)) {
        take_blanks(at);
        ok = take_pair(at);
    }
    return ok;
}

static bool is_items(const char *at, bool is_media, bool may_be_many)
{
    do {
        take_blanks(&at);
        if (!take_item(&at, is_media))
            return false;
    } while (may_be_many && take_char(&at, ','));
    return *at == '\0';
}

static bool is_tags(const char *at)
{
    if (strcmp(at, "*") == 0)
        return true;
    do {
        take_blanks(&at);
        if (strncmp(at, "W/", 2) == 0)
            at += 2;
        if (!take_quoted(&at))
            return false;
        take_blanks(&at);
    } while (take_char(&at, ','));
    return *at == '\0';
}

static bool take_digits(const char **at)
{
    size_t n = strspn(*at, "0123456789");

    *at += n;
    return n > 0;
}

static bool is_number(const char *at)
{
    return take_digits(&at) && *at == '\0';
}

static bool is_range(const char *at)
{
    if (!take_token(&at) || !take_char(&at, '='))
        return false;
    do {
        take_blanks(&at);
        bool has_first = take_digits(&at);
        if (!take_char(&at, '-') || (!take_digits(&at) && !has_first))
            return false;
        take_blanks(&at);
    } while (take_char(&at, ','));
    return *at == '\0';
}

static bool is_credentials(const char *at)
{
    return take_token(&at) && (*at == '\0' || (take_char(&at, ' ') && *at != '\0'));
}

static bool is_date(const char *at)
{
    int64_t ignored;

    return http_date_parse(at, strlen(at), &ignored) == 0;
}

static bool has_form(enum form form, const char *value)
{
    switch (form) {
    case FORM_LIST:
        return is_items(value, false, true);
    case FORM_MEDIA:
        return is_items(value, true, false);
    case FORM_MEDIA_LIST:
        return is_items(value, true, true);
    case FORM_DATE:
        return is_date(value);
    case FORM_NUMBER:
        return is_number(value);
    case FORM_TAGS:
        return is_tags(value);
    case FORM_TAG_OR_DATE:
        return is_date(value) || (strcmp(value, "*") != 0 && is_tags(value));
    case FORM_CREDENTIALS:
        return is_credentials(value);
    case FORM_RANGE:
        return is_range(value);
    case FORM_URI:
        return *value != '\0' && strpbrk(value, " \t\"<>") == NULL;
    case FORM_ANY:
        break;
    }
    return true;
}

// --- Names ---

static bool is_listed(const char *name, const char *const *list)
{
    while (*list != NULL && strcasecmp(name, *list) != 0)
        list++;
    return *list != NULL;
}

static bool begins_as_listed(const char *name, const char *const *list)
{
    while (*list != NULL && strncasecmp(name, *list, strlen(*list)) != 0)
        list++;
    return *list != NULL;
}

const char *header_mode_refuses(enum conf_headers mode, bool allow_host, const char *name,
                                const char *value)
{
    if (mode == CONF_HEADERS_RAW)
        return NULL;
    if (is_listed(name, of_connection))
        return "belongs to the connection";
    if (strcasecmp(name, "Host") == 0)
        return mode == CONF_HEADERS_LENIENT && allow_host
                   ? NULL
                   : "is the target's own, see AllowHostOverride";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcasecmp(name, known[i].name) != 0)
            continue;
        bool ok = mode == CONF_HEADERS_LENIENT || value == NULL || has_form(known[i].form, value);
        return ok ? NULL : "has a value that is none for it";
    }
    if (mode == CONF_HEADERS_LENIENT &&
        (is_listed(name, tolerated) || begins_as_listed(name, tolerated_begins)))
        return NULL;
    return "is not a known header";
}

static void check_iteration(enum conf_headers mode, bool allow_host, const struct plan_round *round,
                            const struct plan_iteration *it, struct diag *d)
{
    for (size_t i = 0; i < it->n_headers; i++) {
        const struct plan_header *header = &it->headers[i];
        const char *value = plan_has_placeholder(header->value) ? NULL : header->value;
        const char *problem = header_mode_refuses(mode, allow_host, header->name, value);
        if (problem != NULL)
            diag_add(d, 0, 0,
                     "round \"%.48s\", iteration \"%.48s\": the header %.48s %s "
                     "(HeaderValidationMode %s)",
                     round->name, it->name, header->name, problem,
                     mode == CONF_HEADERS_STRICT ? "Strict" : "Lenient");
    }
}

int header_mode_check(enum conf_headers mode, bool allow_host, const struct plan *plan,
                      struct diag *d)
{
    const struct plan_round *round;
    const struct plan_iteration *it;
    size_t n_before = d->n;

    for (uint32_t id = 0; id < plan_n_series(plan); id++) {
        plan_series(plan, id, &round, &it);
        check_iteration(mode, allow_host, round, it, d);
    }
    return d->n > n_before ? -EINVAL : 0;
}
