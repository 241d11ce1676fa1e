#include "worker/runner/http1.h"

#include <string.h>
#include <strings.h>

static enum http1_result fail(struct http1 *p, enum metrics_error error, const char *why)
{
    p->error = error;
    p->why = why;
    return HTTP1_FAILED;
}

static enum http1_result bad(struct http1 *p, const char *why)
{
    return fail(p, METRICS_ERROR_PROTOCOL, why);
}

static enum http1_wants wants(const struct http1 *p)
{
    return p->ops != NULL ? p->ops->wants : HTTP1_WANTS_NOTHING;
}

void http1_start(struct http1 *p, bool head_request, struct http1_known *known,
                 const struct http1_ops *ops)
{
    struct buf partial = p->partial;

    partial.len = 0;
    *p = (struct http1){.state = HTTP1_STATUS_LINE,
                        .head_request = head_request,
                        .partial = partial,
                        .known = known,
                        .ops = ops};
    if (wants(p) >= HTTP1_WANTS_HEAD)
        p->known = NULL;
}

void http1_done(struct http1 *p)
{
    buf_done(&p->partial);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// No interim response.
static bool is_final(const struct http1 *p)
{
    return p->status >= 200 || p->status == 101;
}

// The head: each line comes without its end.

static enum http1_result status_line(struct http1 *p, const char *s, size_t len)
{
    // "HTTP/1.1 200" and then nothing or a blank and the reason phrase.
    if (len < 12 || memcmp(s, "HTTP/1.", 7) != 0 || !is_digit(s[7]) || s[8] != ' ')
        return bad(p, "no HTTP/1 status line");
    if (!is_digit(s[9]) || !is_digit(s[10]) || !is_digit(s[11]) || (len > 12 && s[12] != ' '))
        return bad(p, "no status code of three digits");
    p->minor = (uint8_t)(s[7] - '0');
    p->status = (uint16_t)((s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0'));
    if (p->status < 100 || p->status > 599)
        return bad(p, "status code outside 100 to 599");
    if (wants(p) >= HTTP1_WANTS_HEAD && is_final(p))
        p->ops->on_head(p, p->status, len > 13 ? s + 13 : "", len > 13 ? len - 13 : 0);
    p->state = HTTP1_FIELDS;
    return HTTP1_MORE;
}

static enum http1_result content_length(struct http1 *p, const char *s, size_t len)
{
    // A list is what a recipient makes of repeated fields: "5, 5".
    for (size_t i = 0;;) {
        uint64_t value = 0;
        size_t first;

        while (i < len && is_blank(s[i]))
            i++;
        for (first = i; i < len && is_digit(s[i]); i++) {
            if (value > (INT64_MAX - 9) / 10)
                return bad(p, "Content-Length too large");
            value = value * 10 + (uint64_t)(s[i] - '0');
        }
        bool empty = i == first;
        while (i < len && is_blank(s[i]))
            i++;
        if (empty || (i < len && s[i] != ','))
            return bad(p, "Content-Length is no number");
        if (p->has_length && p->left != value)
            return bad(p, "contradicting Content-Length");
        p->has_length = true;
        p->left = value;
        if (i++ == len)
            return HTTP1_MORE;
    }
}

// The next element of a comma-separated list, without blanks and parameters; false at its end.
static bool next_token(const char **s, size_t *len, const char **ret_token, size_t *ret_len)
{
    while (*len > 0 && (is_blank(**s) || **s == ','))
        (*s)++, (*len)--;
    if (*len == 0)
        return false;
    const char *comma = memchr(*s, ',', *len);
    size_t n = comma != NULL ? (size_t)(comma - *s) : *len;
    const char *params = memchr(*s, ';', n);
    size_t token_len = params != NULL ? (size_t)(params - *s) : n;

    while (token_len > 0 && is_blank((*s)[token_len - 1]))
        token_len--;
    *ret_token = *s;
    *ret_len = token_len;
    *s += n, *len -= n;
    return true;
}

static bool same(const char *s, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(s, word, len) == 0;
}

static enum http1_result transfer_encoding(struct http1 *p, const char *s, size_t len)
{
    const char *token;
    size_t n;

    p->te_other = true;
    while (next_token(&s, &len, &token, &n)) {
        if (p->chunked)
            return bad(p, "a transfer coding after chunked");
        p->chunked = same(token, n, "chunked");
    }
    return HTTP1_MORE;
}

static enum http1_result connection(struct http1 *p, const char *s, size_t len)
{
    const char *token;
    size_t n;

    while (next_token(&s, &len, &token, &n)) {
        p->says_close |= same(token, n, "close");
        p->says_keep_alive |= same(token, n, "keep-alive");
    }
    return HTTP1_MORE;
}

static bool is_noted(const char *s, size_t len)
{
    return (len == 8 && strncasecmp(s, "Location", 8) == 0) ||
           (len == 10 && strncasecmp(s, "Set-Cookie", 10) == 0);
}

static void hand_out_field(struct http1 *p, const char *name, size_t name_len, const char *value,
                           size_t value_len)
{
    if (wants(p) == HTTP1_WANTS_NOTED && !is_noted(name, name_len))
        return;
    while (value_len > 0 && is_blank(*value))
        value++, value_len--;
    while (value_len > 0 && is_blank(value[value_len - 1]))
        value_len--;
    p->has_noted = true;
    p->ops->on_field(p, name, name_len, value, value_len);
}

static enum http1_result field_line(struct http1 *p, const char *s, size_t len)
{
    if (is_blank(s[0]))
        return p->framing_field ? bad(p, "folded framing field") : HTTP1_MORE;
    const char *colon = memchr(s, ':', len);
    if (colon == NULL || colon == s)
        return bad(p, "field line without a name");
    size_t name_len = (size_t)(colon - s);
    if (is_blank(colon[-1]))
        return bad(p, "blank before the colon of a field");
    const char *value = colon + 1;
    size_t value_len = len - name_len - 1;

    if (wants(p) != HTTP1_WANTS_NOTHING && is_final(p))
        hand_out_field(p, s, name_len, value, value_len);
    p->framing_field = true;
    // By length first: most fields are none of these.
    if (name_len == 14 && strncasecmp(s, "Content-Length", 14) == 0)
        return content_length(p, value, value_len);
    if (name_len == 17 && strncasecmp(s, "Transfer-Encoding", 17) == 0)
        return transfer_encoding(p, value, value_len);
    if (name_len == 10 && strncasecmp(s, "Connection", 10) == 0)
        return connection(p, value, value_len);
    p->framing_field = false;
    return HTTP1_MORE;
}

static void start_interim(struct http1 *p)
{
    uint32_t head_len = p->head_len; // endless interim responses are an endless head

    http1_start(p, p->head_request, NULL, p->ops);
    p->head_len = head_len;
}

static enum http1_result over(struct http1 *p)
{
    p->state = HTTP1_OVER;
    return HTTP1_DONE;
}

// RFC 9112 section 6.3, in its order.
static enum http1_result head_end(struct http1 *p)
{
    if (!is_final(p)) {
        start_interim(p);
        return HTTP1_MORE;
    }
    if (p->head_request || p->status == 101 || p->status == 204 || p->status == 304)
        return over(p);
    if (p->te_other) {
        p->state = p->chunked ? HTTP1_CHUNK_SIZE : HTTP1_BODY_CLOSE;
        return HTTP1_MORE;
    }
    if (!p->has_length) {
        p->state = HTTP1_BODY_CLOSE;
        return HTTP1_MORE;
    }
    if (p->left == 0)
        return over(p);
    p->state = HTTP1_BODY_LENGTH;
    return HTTP1_MORE;
}

// The chunked coding (RFC 9112 section 7.1)

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum http1_result chunk_size(struct http1 *p, const char *s, size_t len)
{
    uint64_t size = 0;
    size_t i = 0;

    for (int digit; i < len && (digit = hex_digit(s[i])) >= 0; i++) {
        if (size > INT64_MAX >> 4)
            return bad(p, "chunk too large");
        size = size << 4 | (uint64_t)digit;
    }
    if (i == 0 || (i < len && s[i] != ';' && !is_blank(s[i])))
        return bad(p, "no chunk size");
    p->left = size;
    p->state = size > 0 ? HTTP1_CHUNK_DATA : HTTP1_TRAILERS;
    return HTTP1_MORE;
}

static enum http1_result line(struct http1 *p, const char *s, size_t len)
{
    if (len > 0 && s[len - 1] == '\r')
        len--;
    switch (p->state) {
    case HTTP1_STATUS_LINE:
        return status_line(p, s, len);
    case HTTP1_FIELDS:
        return len > 0 ? field_line(p, s, len) : head_end(p);
    case HTTP1_CHUNK_SIZE:
        return chunk_size(p, s, len);
    case HTTP1_CHUNK_END:
        p->state = HTTP1_CHUNK_SIZE;
        return len == 0 ? HTTP1_MORE : bad(p, "chunk longer than its size");
    default:
        return len > 0 ? HTTP1_MORE : over(p); // trailers
    }
}

// n bytes of which at came before.
static bool may_be_status_line(size_t at, const char *bytes, size_t n)
{
    static const char begin[] = "HTTP/1.";
    size_t most = sizeof begin - 1;

    return at >= most || memcmp(bytes, begin + at, n < most - at ? n : most - at) == 0;
}

// Takes whole lines of a head from where one begins: most of all bytes that are looked at.
static enum http1_result feed_head(struct http1 *p, const char *bytes, size_t n, size_t *used)
{
    enum http1_result result = HTTP1_MORE;
    size_t room = HTTP1_HEAD_MAX - p->head_len;
    const char *s = bytes, *end = bytes + (n < room ? n : room), *lf;

    while (result == HTTP1_MORE && (p->state == HTTP1_FIELDS || p->state == HTTP1_STATUS_LINE) &&
           (lf = memchr(s, '\n', (size_t)(end - s))) != NULL) {
        size_t len = (size_t)(lf - s);

        if (len > 0 && lf[-1] == '\r')
            len--;
        if (p->state == HTTP1_STATUS_LINE)
            result = status_line(p, s, len);
        else
            result = len > 0 ? field_line(p, s, len) : head_end(p);
        s = lf + 1;
    }
    p->head_len += (uint32_t)(s - bytes);
    *used += (size_t)(s - bytes);
    return result;
}

// Takes one line, or what there is of it, from bytes.
static enum http1_result feed_line(struct http1 *p, const char *bytes, size_t n, size_t *used)
{
    const char *lf = memchr(bytes, '\n', n);
    size_t take = lf != NULL ? (size_t)(lf - bytes) + 1 : n;

    // What is no HTTP is found out before a line ends, which it may never do.
    if (p->state == HTTP1_CHUNK_END && p->partial.len + take > 2)
        return bad(p, "chunk longer than its size");
    if (p->state == HTTP1_STATUS_LINE && !may_be_status_line(p->partial.len, bytes, take))
        return bad(p, "no HTTP/1 status line");
    // A chunk size line is bounded, but does not use up the room of the head.
    bool in_chunks = p->state == HTTP1_CHUNK_SIZE || p->state == HTTP1_CHUNK_END;
    size_t so_far = in_chunks ? p->partial.len : p->head_len;
    if (take > HTTP1_HEAD_MAX - so_far)
        return fail(p, METRICS_ERROR_TOO_LARGE, "head larger than 64 KiB");
    if (!in_chunks)
        p->head_len += (uint32_t)take;
    *used += take;
    if (lf != NULL && p->partial.len == 0)
        return line(p, bytes, take - 1);
    buf_append(&p->partial, bytes, take);
    if (lf == NULL)
        return HTTP1_MORE;
    size_t len = p->partial.len - 1;
    p->partial.len = 0;
    return line(p, p->partial.data, len);
}

uint64_t http1_discardable(const struct http1 *p)
{
    switch (p->state) {
    case HTTP1_BODY_LENGTH:
    case HTTP1_CHUNK_DATA:
        return p->left;
    case HTTP1_BODY_CLOSE:
        return UINT64_MAX;
    default:
        return 0;
    }
}

enum http1_result http1_discarded(struct http1 *p, uint64_t n)
{
    p->body_len += n;
    if (p->state == HTTP1_BODY_CLOSE)
        return HTTP1_MORE;
    p->left -= n;
    if (p->left > 0)
        return HTTP1_MORE;
    if (p->state == HTTP1_BODY_LENGTH)
        return over(p);
    p->state = HTTP1_CHUNK_END;
    return HTTP1_MORE;
}

static bool is_known(const struct http1 *p, const char *bytes, size_t n)
{
    const struct http1_known *known = p->known;

    return known != NULL && p->head_len == 0 && known->len > 0 && known->len <= n &&
           known->after.head_request == p->head_request && known->after.ops == p->ops &&
           memcmp(known->bytes, bytes, known->len) == 0;
}

static void take_known(struct http1 *p)
{
    struct buf partial = p->partial;

    *p = p->known->after;
    p->partial = partial;
}

static void make_known(const struct http1 *p, const char *bytes)
{
    struct http1_known *known = p->known;

    known->len = p->head_len;
    memcpy(known->bytes, bytes, known->len);
    known->after = *p;
}

// Takes a whole head, or what there is of it.
static enum http1_result begin_head(struct http1 *p, const char *bytes, size_t n, size_t *used)
{
    if (is_known(p, bytes, n)) {
        take_known(p);
        *used = p->head_len;
        return p->state == HTTP1_OVER ? HTTP1_DONE : HTTP1_MORE;
    }
    enum http1_result result = feed_head(p, bytes, n, used);
    bool is_whole =
        result != HTTP1_FAILED && p->state != HTTP1_STATUS_LINE && p->state != HTTP1_FIELDS;
    if (is_whole && p->known != NULL && !p->has_noted && *used == p->head_len &&
        *used <= HTTP1_KNOWN_MAX)
        make_known(p, bytes);
    return result;
}

enum http1_result http1_feed(struct http1 *p, const char *bytes, size_t n, size_t *ret_used)
{
    enum http1_result result = p->state == HTTP1_OVER ? HTTP1_DONE : HTTP1_MORE;
    size_t used = 0;

    if (p->state == HTTP1_STATUS_LINE && p->partial.len == 0)
        result = begin_head(p, bytes, n, &used);
    while (result == HTTP1_MORE && used < n) {
        uint64_t body = http1_discardable(p);
        if (body == 0) {
            result = feed_line(p, bytes + used, n - used, &used);
            continue;
        }
        size_t take = body < n - used ? (size_t)body : n - used;
        if (wants(p) == HTTP1_WANTS_ALL)
            p->ops->on_body(p, bytes + used, take);
        used += take;
        result = http1_discarded(p, take);
    }
    *ret_used = used;
    return result;
}

enum http1_result http1_end(struct http1 *p)
{
    if (p->state == HTTP1_BODY_CLOSE)
        return over(p);
    if (p->state == HTTP1_STATUS_LINE && p->head_len == 0)
        return fail(p, METRICS_ERROR_CLOSED, "closed by the peer before any answer");
    if (p->state == HTTP1_STATUS_LINE || p->state == HTTP1_FIELDS)
        return fail(p, METRICS_ERROR_CLOSED, "closed by the peer within the head");
    return fail(p, METRICS_ERROR_CLOSED, "closed by the peer within the body");
}

bool http1_is_reusable(const struct http1 *p)
{
    if (p->state != HTTP1_OVER || p->status == 101 || p->says_close)
        return false;
    // A body that only the close ended; a message framed twice; chunks in a version without them.
    if (!p->head_request && p->status != 204 && p->status != 304) {
        if (p->te_other ? !p->chunked || p->has_length || p->minor == 0 : !p->has_length)
            return false;
    }
    return p->minor > 0 || p->says_keep_alive;
}
