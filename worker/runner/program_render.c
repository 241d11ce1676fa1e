#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/runner/multipart.h"
#include "worker/runner/program_impl.h"

static bool is_fixed(const struct program_series *s, size_t i)
{
    return s->pieces[i] == NULL || tmpl_is_constant(s->pieces[i]);
}

// NUL-terminated, NULL: there is none.
static const char *piece(const struct program_series *s, const struct program_render *r, size_t i,
                         size_t *ret_len)
{
    *ret_len = 0;
    if (s->pieces[i] == NULL)
        return NULL;
    if (tmpl_is_constant(s->pieces[i]))
        return tmpl_text(s->pieces[i], ret_len);
    *ret_len = r->len[i];
    return r->text.data + r->at[i];
}

static void render_pieces(const struct program_series *s, struct script_env *env,
                          struct program_render *r)
{
    if (r->at == NULL) {
        r->at = xcalloc(s->n_pieces, sizeof *r->at);
        r->len = xcalloc(s->n_pieces, sizeof *r->len);
        r->fields = xcalloc(s->iteration->n_headers + 1, sizeof *r->fields);
    }
    r->text.len = 0;
    for (size_t i = 0; i < s->n_pieces; i++) {
        if (is_fixed(s, i))
            continue;
        r->at[i] = r->text.len;
        tmpl_render(s->pieces[i], env, &r->text);
        r->len[i] = r->text.len - r->at[i];
        buf_append(&r->text, "", 1);
    }
}

// RFC 3986 section 2; '%' and all that is reserved stay, but for '#'.
static bool has_place(unsigned char c)
{
    return c > ' ' && c < 0x7f && strchr("\"#<>\\^`{|}", c) == NULL;
}

static bool is_spelled(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!has_place((unsigned char)text[i]))
            return false;
    return len > 0 && text[0] == '/';
}

// In characters that URLs have, without its fragment.
static int take_target(const struct program_series *s, struct program_render *r,
                       const char **ret_target, char *why, size_t size)
{
    size_t len, begin;
    const char *text = piece(s, r, PROGRAM_TARGET, &len);

    if (is_spelled(text, len) && len <= PLAN_URL_MAX) {
        *ret_target = text;
        return 0;
    }
    if (len > 0 && strchr("/?#", text[0]) == NULL) {
        snprintf(why, size, "the URL is \"%.60s\" behind its host, which does not begin with /",
                 text);
        return -EINVAL;
    }
    buf_reserve(&r->text, 3 * len + 2); // the text may be in there, and stays where it is
    text = piece(s, r, PROGRAM_TARGET, &len);
    begin = r->text.len;
    if (len == 0 || text[0] != '/')
        buf_puts(&r->text, "/");
    for (size_t i = 0; i < len && text[i] != '#'; i++) {
        if (has_place((unsigned char)text[i]))
            buf_append(&r->text, &text[i], 1);
        else
            buf_printf(&r->text, "%%%02X", (unsigned char)text[i]);
    }
    *ret_target = r->text.data + begin;
    len = r->text.len - begin;
    if (len > PLAN_URL_MAX) {
        snprintf(why, size, "the URL has %zu bytes behind its host, at most %d are taken", len,
                 PLAN_URL_MAX);
        return -EINVAL;
    }
    return 0;
}

static int take_method(const struct program_series *s, const struct program_render *r,
                       const char **ret_method, char *why, size_t size)
{
    size_t len;
    const char *text = piece(s, r, PROGRAM_METHOD, &len);

    *ret_method = strlen(text) == len ? plan_method(text) : NULL;
    if (*ret_method != NULL)
        return 0;
    snprintf(why, size, "\"%.60s\" is no method", text);
    return -EINVAL;
}

// The value is not shown: it may be a secret.
static int check_field(const struct program_series *s, size_t i, const char *value, size_t len,
                       char *why, size_t size)
{
    for (size_t at = 0; at < len; at++) {
        if (value[at] != '\r' && value[at] != '\n' && value[at] != '\0')
            continue;
        snprintf(why, size, "header %s: byte %zu of its value is a %s",
                 s->iteration->headers[i].name, at + 1, value[at] == '\0' ? "NUL" : "line break");
        return -EINVAL;
    }
    return 0;
}

// type: of the body, NULL: as the plan says. One that is given replaces the plan's.
static int take_fields(const struct program_series *s, struct program_render *r, const char *type,
                       bool is_default, struct request_parts *parts, char *why, size_t size)
{
    const struct plan_iteration *it = s->iteration;
    size_t len, n = 0;

    for (size_t i = 0; i < it->n_headers; i++) {
        size_t at = PROGRAM_FIELDS + i;
        const char *value = piece(s, r, at, &len);
        if (!is_fixed(s, at) && check_field(s, i, value, len, why, size) < 0)
            return -EINVAL;
        if (type != NULL && strcasecmp(it->headers[i].name, "Content-Type") == 0) {
            if (!is_default)
                continue;
            type = NULL;
        }
        r->fields[n++] = (struct plan_header){it->headers[i].name, (char *)(uintptr_t)value};
    }
    if (type != NULL)
        r->fields[n++] = (struct plan_header){"Content-Type", (char *)(uintptr_t)type};
    parts->fields = r->fields;
    parts->n_fields = n;
    return 0;
}

static void make_multipart(const struct program_series *s, uint64_t seed, struct program_render *r)
{
    struct multipart_part parts[PLAN_PARTS_MAX];
    char boundary[MULTIPART_BOUNDARY_SIZE];
    const struct plan_iteration *it = s->iteration;

    for (size_t i = 0; i < it->n_parts; i++) {
        size_t at = s->payload + PROGRAM_PART__COUNT * i, len;
        const struct request_file *file = s->files[i];
        const char *value = piece(s, r, at + PROGRAM_PART_VALUE, &len);
        parts[i] = (struct multipart_part){
            .is_file = file != NULL,
            .content = file != NULL ? file->content : value,
            .len = file != NULL ? file->len : len,
        };
        parts[i].name = piece(s, r, at + PROGRAM_PART_NAME, &len);
        parts[i].content_type = piece(s, r, at + PROGRAM_PART_TYPE, &len);
        parts[i].path = parts[i].name;
    }
    multipart_boundary(parts, it->n_parts, seed, boundary);
    snprintf(r->boundary, sizeof r->boundary, "multipart/form-data; boundary=%s", boundary);
    r->body.len = 0;
    multipart_append(parts, it->n_parts, boundary, &r->body);
}

static void take_multipart(const struct program_series *s, const struct program *p,
                           struct program_render *r, struct request_parts *parts,
                           const char **ret_type)
{
    const struct program_render *body = s->has_fixed_body ? &s->fixed : r;

    if (!s->has_fixed_body)
        make_multipart(s, p->config.seed, r);
    parts->body = body->body.data;
    parts->body_len = body->body.len;
    *ret_type = body->boundary;
}

int program_render(const struct program_series *s, const struct program *p, struct script_env *env,
                   struct program_render *r, struct request_parts *ret_parts, char *why,
                   size_t size)
{
    struct request_parts parts = s->parts;
    enum plan_payload kind = s->iteration->payload_kind;
    const char *target, *type = NULL;

    render_pieces(s, env, r);
    // The target first: to spell it moves the text that the others are in.
    if (take_target(s, r, &target, why, size) < 0 ||
        take_method(s, r, &parts.method, why, size) < 0)
        return -EINVAL;
    parts.url.target = (char *)(uintptr_t)target;
    if (!request_takes_body(parts.method))
        kind = PLAN_PAYLOAD_NONE;
    if (kind == PLAN_PAYLOAD_RAW) {
        parts.body = piece(s, r, s->payload, &parts.body_len);
    } else if (kind == PLAN_PAYLOAD_FILE) {
        parts.body = s->files[0]->content;
        parts.body_len = s->files[0]->len;
        type = "application/octet-stream";
    } else if (kind == PLAN_PAYLOAD_MULTIPART) {
        take_multipart(s, p, r, &parts, &type);
    }
    if (take_fields(s, r, type, kind == PLAN_PAYLOAD_FILE, &parts, why, size) < 0)
        return -EINVAL;
    *ret_parts = parts;
    return 0;
}

void program_render_done(struct program_render *r)
{
    buf_done(&r->text);
    buf_done(&r->body);
    free(r->at);
    free(r->len);
    free(r->fields);
    *r = (struct program_render){0};
}

// What is fixed of a request that is not.
static int check_fixed(const struct program_series *s, struct program_render *r, char *why,
                       size_t size)
{
    const char *text;
    size_t len;

    for (size_t i = 0; i < s->iteration->n_headers; i++) {
        if (!is_fixed(s, PROGRAM_FIELDS + i))
            continue;
        text = piece(s, r, PROGRAM_FIELDS + i, &len);
        if (check_field(s, i, text, len, why, size) < 0)
            return -EINVAL;
    }
    if (is_fixed(s, PROGRAM_TARGET) && take_target(s, r, &text, why, size) < 0)
        return -EINVAL;
    return is_fixed(s, PROGRAM_METHOD) ? take_method(s, r, &text, why, size) : 0;
}

int program_render_fixed(struct program_series *s, const struct program *p, char *why, size_t size)
{
    if (check_fixed(s, &s->fixed, why, size) < 0)
        return -EINVAL;
    if (s->has_fixed_body)
        make_multipart(s, p->config.seed, &s->fixed);
    if (!s->is_constant)
        return 0;
    return program_render(s, p, NULL, &s->fixed, &s->parts, why, size);
}
