#include "tests/bench/target.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"

#define DRIP_NS (100 * NS_PER_MS)

// --- Requests ---

static void take_field(struct request *r, const char *line, size_t len, bool *ret_bad)
{
    static const struct {
        const char *name;
        size_t len;
    } fields[] = {{"content-length:", 15}, {"connection:", 11}, {"transfer-encoding:", 18}};
    size_t i = 0;

    while (i < 3 && (len < fields[i].len || strncasecmp(line, fields[i].name, fields[i].len) != 0))
        i++;
    if (i == 3)
        return;
    const char *value = line + fields[i].len + strspn(line + fields[i].len, " \t");
    if (i == 0)
        r->body_left = strtoull(value, NULL, 10);
    else if (i == 1 && strncasecmp(value, "close", 5) == 0)
        r->closes = true;
    else if (i == 1 && strncasecmp(value, "keep-alive", 10) == 0)
        r->closes = false;
    else if (i == 2)
        *ret_bad = true;
}

// The target's path, without scheme and authority of a proxy's request, and without its query.
static bool take_target(struct request *r, const char *at)
{
    if (options.proxy && strncmp(at, "http://", 7) == 0) {
        r->proxied = true;
        at += 7;
        at += strcspn(at, "/ ?\r");
    }
    size_t len = strcspn(at, " ?\r\n");
    if (len == 0 && r->proxied)
        at = "/", len = 1;
    if (len >= TARGET_MAX)
        len = TARGET_MAX - 1;
    memcpy(r->target, at, len);
    r->target[len] = '\0';
    return r->connects || strcspn(r->target, "\"\\") == len; // it goes into JSON as it is
}

// A head that ends with an empty line, and is terminated.
static bool read_head(struct request *r, const char *head)
{
    const char *target = strchr(head, ' '), *line = strchr(head, '\n') + 1;
    bool bad = false;

    *r = (struct request){.is_head = strncmp(head, "HEAD ", 5) == 0,
                          .connects = strncmp(head, "CONNECT ", 8) == 0};
    if (target == NULL || target > line)
        return false;
    r->http10 = line - head > 10 && memcmp(line - 10, "HTTP/1.0\r\n", 10) == 0;
    r->closes = r->http10;
    if (!take_target(r, target + 1))
        return false;
    for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
        take_field(r, line, (size_t)(end - line), &bad);
    if (!r->connects && strcmp(r->target, "/count") != 0)
        r->arrival.path = stat_path(r->target);
    r->arrival.body_bytes = r->body_left;
    return !bad;
}

// Reads one head off in: 1; 0: incomplete; -1: bad.
static int take_head(struct conn *c)
{
    struct loop *l = c->loop;
    char *head = l->in + l->in_off;
    size_t len = l->in_len - l->in_off;

    if (l->known_head_len > 0 && len >= l->known_head_len &&
        memcmp(head, l->known_head, l->known_head_len) == 0) {
        c->request = l->known;
        l->in_off += l->known_head_len;
        return 1;
    }
    if (len == 0)
        return 0;
    if (head[0] < 'A' || head[0] > 'Z')
        return -1; // a TLS handshake at the plain port, most likely
    char *end = memmem(head, len, "\r\n\r\n", 4);
    if (end == NULL)
        return len == IN_MAX ? -1 : 0;
    size_t head_len = (size_t)(end - head) + 4;
    end[3] = '\0'; // of the empty line, its \r is left
    if (memchr(head, '\0', head_len - 1) != NULL || !read_head(&c->request, head))
        return -1;
    end[3] = '\n';
    c->request.arrival.bytes = head_len + c->request.body_left;
    l->in_off += head_len;
    if (head_len <= HEAD_KEPT && !c->request.connects) {
        memcpy(l->known_head, head, head_len);
        l->known_head_len = head_len;
        l->known = c->request;
    }
    return 1;
}

// A whole request is in: 1; 0: more bytes are needed; -1: bad.
static int take_request(struct conn *c)
{
    struct loop *l = c->loop;

    if (!c->in_body) {
        int rc = take_head(c);
        if (rc <= 0)
            return rc;
    }
    uint64_t have = l->in_len - l->in_off;
    uint64_t skip = c->request.body_left < have ? c->request.body_left : have;
    l->in_off += (size_t)skip;
    c->request.body_left -= skip;
    c->in_body = c->request.body_left > 0;
    return !c->in_body;
}

// --- Answers ---

static void put(struct loop *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct loop *l, const char *fmt, ...)
{
    va_list ap;
    size_t room = OUT_MAX - l->out_len;

    va_start(ap, fmt);
    int n = vsnprintf(l->out + l->out_len, room, fmt, ap);
    va_end(ap);
    l->out_len += n > 0 && (size_t)n < room ? (size_t)n : 0;
}

static void put_bytes(struct loop *l, const char *bytes, size_t n)
{
    memcpy(l->out + l->out_len, bytes, n);
    l->out_len += n;
}

// A block, repeated: beside the head if it is short, else behind all that is out.
static void put_tail(struct conn *c, const char *block, size_t size, uint64_t n)
{
    if (n <= INLINE_MAX) {
        put_bytes(c->loop, block, (size_t)n);
        return;
    }
    c->tail = block;
    c->tail_size = size;
    c->tail_off = 0;
    c->tail_left = n;
    c->is_answering = true;
}

static void put_head(struct conn *c, const struct reply *r, const char *type, uint64_t length)
{
    struct loop *l = c->loop;
    bool chunked = r->shape == SHAPE_CHUNKS || r->shape == SHAPE_TRAILERS;

    for (uint32_t i = 0; i < r->n_interim; i++)
        put(l, "HTTP/1.1 103 Early Hints\r\nLink: </%u>\r\n\r\n", i);
    put(l, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", r->status, r->status < 400 ? "Fine" : "Not so",
        type);
    if (chunked)
        put(l, "Transfer-Encoding: chunked\r\n%s",
            r->shape == SHAPE_TRAILERS ? "Trailer: X-Trailer\r\n" : "");
    else if (!reply_is_bodiless(r) && r->shape != SHAPE_HEADERS)
        put(l, "Content-Length: %llu\r\n", (unsigned long long)length);
    for (uint32_t i = 0; i < r->n_headers; i++)
        put(l, "X-%u: one more line of %u\r\n", i, r->n_headers);
    if (c->ending != END_KEEP && r->ending == END_KEEP)
        put(l, "Connection: close\r\n");
    else if (c->request.http10 && c->ending == END_KEEP)
        put(l, "Connection: keep-alive\r\n");
    if (r->shape != SHAPE_HEADERS)
        put(l, "\r\n");
}

static void put_last_chunk(struct conn *c)
{
    struct loop *l = c->loop;
    unsigned n = (unsigned)(c->reply.sent % CHUNK);

    if (n > 0)
        put(l, "%x\r\n%.*s\r\n", n, (int)n, block_fill);
    put(l, "0\r\n%s\r\n", c->reply.shape == SHAPE_TRAILERS ? "X-Trailer: behind it all\r\n" : "");
    c->is_chunked = false;
}

static void put_count(struct conn *c, const struct reply *r)
{
    static _Thread_local char text[JSON_MAX];
    size_t n = stat_json(text, sizeof text);

    put_head(c, r, "application/json", n);
    if (!c->request.is_head)
        put_bytes(c->loop, text, n);
}

static void on_due(struct wait *w)
{
    conn_run((struct conn *)((char *)w - offsetof(struct conn, wait)));
}

static void put_reply(struct conn *c)
{
    struct loop *l = c->loop;
    const struct reply *r = &c->reply;
    bool body = !c->request.is_head;

    if (r->shape != SHAPE_NOTHING)
        stat_answered(&c->request.arrival);
    switch (r->shape) {
    case SHAPE_COUNT:
        put_count(c, r);
        return;
    case SHAPE_RAW:
    case SHAPE_GARBAGE:
        put_bytes(l, r->raw, strlen(r->raw));
        return;
    case SHAPE_NOTHING:
        return;
    default:
        put_head(c, r, "text/plain", r->body);
    }
    if (r->shape == SHAPE_HEADERS) {
        put_tail(c, block_headers, sizeof block_headers, UINT64_MAX);
    } else if (r->shape == SHAPE_FILL && body) {
        put_tail(c, block_fill, sizeof block_fill, r->sent);
    } else if (r->shape == SHAPE_DRIP && body) {
        c->drip_left = (uint32_t)r->sent;
        c->is_answering = true;
        wait_start(l, &c->wait, DRIP_NS, on_due);
    } else if (body) {
        put_tail(c, block_chunks, sizeof block_chunks, r->sent / CHUNK * CHUNK_FRAMED);
        c->is_chunked = true;
        if (c->tail_left == 0)
            put_last_chunk(c);
    }
}

// The same answer as the last: one copy.
static bool answer_known(struct conn *c)
{
    struct loop *l = c->loop;
    const struct request *q = &c->request;

    if (q->arrival.path != l->known_path || l->known_path == NULL || q->closes || q->is_head ||
        q->http10)
        return false;
    stat_answered(&q->arrival);
    put_bytes(l, l->known_out, l->known_out_len);
    if (l->known_tail > 0)
        put_tail(c, block_fill, sizeof block_fill, l->known_tail);
    return true;
}

static void keep_answer(struct conn *c, size_t from)
{
    struct loop *l = c->loop;
    const struct request *q = &c->request;
    size_t n = l->out_len - from;

    if (!c->reply.fixed || q->arrival.path == NULL || q->closes || q->is_head || q->http10 ||
        n > sizeof l->known_out || strcmp(q->arrival.path->text, q->target) != 0)
        return;
    memcpy(l->known_out, l->out + from, n);
    l->known_out_len = n;
    l->known_tail = c->tail_left;
    l->known_path = q->arrival.path;
}

static void answer(struct conn *c)
{
    struct loop *l = c->loop;
    const struct request *q = &c->request;
    uint64_t nth = stat_arrived(l, &c->request.arrival, c->number);
    size_t from = l->out_len;

    if (q->proxied)
        stat_add(COUNT_PROXIED, 1);
    if (answer_known(c)) {
        c->served++;
        return;
    }
    c->reply = reply_to(q->target, c->served++, nth);
    c->ending = c->reply.ending != END_KEEP ? c->reply.ending : q->closes ? END_CLOSE : END_KEEP;
    c->is_answering = c->ending != END_KEEP;
    c->is_delayed = c->reply.delay_ns > 0;
    if (!c->is_delayed) {
        put_reply(c);
        keep_answer(c, from);
        return;
    }
    c->is_answering = true;
    wait_start(l, &c->wait, c->reply.delay_ns, on_due);
}

static void refuse(struct conn *c, int status)
{
    c->request = (struct request){.closes = true};
    c->reply = (struct reply){.status = status, .shape = SHAPE_FILL, .body = 12, .sent = 12};
    c->ending = END_CLOSE;
    c->is_answering = true;
    put_reply(c);
}

// What is left of the answer that is under way; false: nothing.
static bool answer_more(struct conn *c)
{
    struct loop *l = c->loop;

    if (c->is_delayed) {
        c->is_delayed = false;
        put_reply(c);
    } else if (c->is_chunked) {
        put_last_chunk(c);
    } else if (c->drip_left > 0) {
        put_bytes(l, block_fill, 1);
        if (--c->drip_left > 0)
            wait_start(l, &c->wait, DRIP_NS, on_due);
    } else {
        return false;
    }
    return true;
}

// Answers what is in, until an answer takes longer or there is enough to send.
static void answer_batch(struct conn *c)
{
    struct loop *l = c->loop;
    int rc = 0;

    while (!c->is_answering && l->out_len < OUT_BATCH && (rc = take_request(c)) > 0) {
        if (!c->request.connects)
            answer(c);
        else if (!options.proxy)
            refuse(c, 405);
        else if (!tunnel_open(c, c->request.target))
            refuse(c, 502);
        else
            return;
    }
    if (rc < 0)
        refuse(c, 400);
}

bool http1_run(struct conn *c)
{
    struct loop *l = c->loop;

    for (int turn = 0; turn < TURNS_MAX; turn++) {
        int rc = conn_flush(c);
        if (rc <= 0)
            return rc == 0;
        if (c->wait.at != 0)
            return !c->hung_up;
        if (c->is_answering && answer_more(c))
            continue;
        if (c->ending != END_KEEP)
            return false;
        c->is_answering = false;
        answer_batch(c);
        if (c->protocol == PROTO_TUNNEL)
            return true;
        if (l->out_len > 0 || c->tail_left > 0 || c->is_answering)
            continue;
        ssize_t n = conn_recv(c);
        if (n <= 0)
            return n == 0;
    }
    conn_later(c);
    return conn_flush(c) >= 0;
}
