#include "worker/runner/answer.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "worker/runner/decode.h"

// What a buffer may keep from one answer to the next: there may be as many as virtual users.
#define KEPT_MAX (64 * 1024)

void answer_done(struct answer *a)
{
    buf_done(&a->fields);
    buf_done(&a->body);
    decode_free(a->decode);
    *a = (struct answer){.wants_body = a->wants_body};
}

static struct buf emptied(struct buf b)
{
    if (b.cap > KEPT_MAX)
        buf_done(&b);
    b.len = 0;
    return b;
}

void answer_reset(struct answer *a)
{
    decode_free(a->decode);
    *a = (struct answer){
        .wants_body = a->wants_body,
        .fields = emptied(a->fields),
        .body = emptied(a->body),
    };
}

void answer_head(struct answer *a, unsigned status, const char *reason, size_t len)
{
    size_t n = len < sizeof a->reason ? len : sizeof a->reason - 1;

    a->status = status;
    memcpy(a->reason, reason, n);
    a->reason[n] = '\0';
}

// A NUL would end it: a blank, as RFC 9110 section 5.5 has it.
static void put(struct buf *b, const char *text, size_t len)
{
    size_t at = b->len;

    buf_append(b, text, len);
    for (; at < b->len; at++)
        if (b->data[at] == '\0')
            b->data[at] = ' ';
    buf_append(b, "", 1);
}

void answer_field(struct answer *a, const char *name, size_t name_len, const char *value,
                  size_t value_len)
{
    put(&a->fields, name, name_len);
    put(&a->fields, value, value_len);
    a->n_fields++;
}

// The value of the n-th field of that name, from 0.
static const char *find(const struct answer *a, const char *name, size_t n)
{
    const char *at = a->fields.data;

    for (size_t i = 0; i < a->n_fields; i++) {
        const char *value = at + strlen(at) + 1;
        if (strcasecmp(at, name) == 0 && n-- == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

const char *answer_find(const struct answer *a, const char *name)
{
    return find(a, name, 0);
}

static void begin_body(struct answer *a)
{
    // Several fields are one list (RFC 9110 section 5.3).
    bool several = find(a, "Content-Encoding", 1) != NULL;

    if (several || decode_new(find(a, "Content-Encoding", 0), ANSWER_BODY_MAX, &a->decode) != 0)
        a->problem = "unknown Content-Encoding";
}

void answer_body(struct answer *a, const char *bytes, size_t n)
{
    if (!a->wants_body || a->is_cut || a->problem != NULL)
        return;
    if (a->decode == NULL)
        begin_body(a);
    if (a->problem != NULL)
        return;
    int rc = decode_feed(a->decode, bytes, n, &a->body);
    if (rc == -EFBIG)
        a->is_cut = true;
    else if (rc < 0)
        a->problem = "the body is not in its Content-Encoding";
}

void answer_end(struct answer *a)
{
    if (a->decode != NULL && !a->is_cut && a->problem == NULL && decode_end(a->decode) < 0)
        a->problem = "the body ends within its Content-Encoding";
    decode_free(a->decode);
    a->decode = NULL;
}
