#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/runner/program_impl.h"

// What is compiled, for messages.
struct compile {
    const struct plan_iteration *it;
    char *why;
    size_t size;
};

static int compile_tmpl(const struct compile *c, const char *what, const char *text,
                        struct tmpl **ret_tmpl)
{
    struct tmpl_error error;

    if (text == NULL || tmpl_compile(text, strlen(text), ret_tmpl, &error) == 0)
        return 0;
    snprintf(c->why, c->size, "iteration \"%s\": %s: character %zu: %s", c->it->name, what,
             error.at + 1, error.text);
    return -EINVAL;
}

static int compile_expr(const struct compile *c, const char *what, const char *text,
                        struct expr **ret_expr)
{
    struct tmpl_error error;

    if (text == NULL || expr_compile(text, strlen(text), ret_expr, &error) == 0)
        return 0;
    snprintf(c->why, c->size, "iteration \"%s\": %s: character %zu: %s", c->it->name, what,
             error.at + 1, error.text);
    return -EINVAL;
}

static int compile_hooks(const struct compile *c, const char *what, char *const *texts, size_t n,
                         struct program_hooks *hooks)
{
    int r = 0;

    hooks->tmpls = xcalloc(n, sizeof(struct tmpl *));
    hooks->n = n;
    for (size_t i = 0; i < n && r == 0; i++)
        r = compile_tmpl(c, what, texts[i], &hooks->tmpls[i]);
    return r;
}

static int compile_conditions(const struct compile *c, struct program_series *s)
{
    const struct plan_iteration *it = c->it;
    int r = compile_expr(c, "skipIf", it->skip_if, &s->skip_if);

    if (r == 0)
        r = compile_expr(c, "httpRequest.skipIf", it->request_skip_if, &s->request_skip_if);
    if (r == 0 && it->retry != NULL)
        r = compile_expr(c, "retry.if", it->retry->condition, &s->retry_if);
    if (r == 0 && it->retry != NULL)
        r = compile_expr(c, "retry.stopIf", it->retry->stop, &s->retry_stop);
    return r;
}

static int compile_all_hooks(const struct compile *c, struct program_series *s)
{
    const struct plan_iteration *it = c->it;
    int r = compile_hooks(c, "before", it->before, it->n_before, &s->before);

    if (r == 0)
        r = compile_hooks(c, "after", it->after, it->n_after, &s->after);
    if (r == 0)
        r = compile_hooks(c, "httpRequest.before", it->request_before, it->n_request_before,
                          &s->request_before);
    if (r == 0)
        r = compile_hooks(c, "httpRequest.after", it->request_after, it->n_request_after,
                          &s->request_after);
    return r;
}

static int find_file(const struct compile *c, const struct program *p, const char *sha256,
                     const struct request_file **ret_file)
{
    *ret_file = program_file(p, sha256);
    if (*ret_file != NULL)
        return 0;
    snprintf(c->why, c->size, "iteration \"%s\": the payload file %s did not come with the plan",
             c->it->name, sha256);
    return -ENOENT;
}

static int compile_part(const struct compile *c, const struct program *p,
                        const struct plan_part *part, struct tmpl **pieces,
                        const struct request_file **ret_file)
{
    int r = compile_tmpl(c, "multipart name", part->name, &pieces[PROGRAM_PART_NAME]);

    if (r == 0)
        r = compile_tmpl(c, "multipart value", part->value, &pieces[PROGRAM_PART_VALUE]);
    if (r == 0)
        r = compile_tmpl(c, "multipart contentType", part->content_type,
                         &pieces[PROGRAM_PART_TYPE]);
    if (r == 0 && part->value == NULL)
        r = find_file(c, p, part->file, ret_file);
    return r;
}

static int compile_request(const struct compile *c, const struct program *p,
                           struct program_series *s)
{
    const struct plan_iteration *it = c->it;
    bool is_multipart = it->payload_kind == PLAN_PAYLOAD_MULTIPART;
    bool is_file = it->payload_kind == PLAN_PAYLOAD_FILE;

    s->payload = PROGRAM_FIELDS + it->n_headers;
    s->n_pieces = s->payload + (is_multipart ? PROGRAM_PART__COUNT * it->n_parts : 1);
    s->pieces = xcalloc(s->n_pieces, sizeof(struct tmpl *));
    s->n_files = is_multipart ? it->n_parts : is_file ? 1 : 0;
    s->files = xcalloc(s->n_files, sizeof(struct request_file *));
    int r = compile_tmpl(c, "url", it->url.target, &s->pieces[PROGRAM_TARGET]);
    if (r == 0)
        r = compile_tmpl(c, "method", it->method, &s->pieces[PROGRAM_METHOD]);
    for (size_t i = 0; i < it->n_headers && r == 0; i++)
        r = compile_tmpl(c, it->headers[i].name, it->headers[i].value,
                         &s->pieces[PROGRAM_FIELDS + i]);
    if (r == 0 && it->payload_kind == PLAN_PAYLOAD_RAW)
        r = compile_tmpl(c, "payload", it->payload, &s->pieces[s->payload]);
    if (r == 0 && is_file)
        r = find_file(c, p, it->payload_file, &s->files[0]);
    for (size_t i = 0; is_multipart && i < it->n_parts && r == 0; i++)
        r = compile_part(c, p, &it->parts[i], &s->pieces[s->payload + PROGRAM_PART__COUNT * i],
                         &s->files[i]);
    return r;
}

static int compile_regex(const struct compile *c, struct program_series *s)
{
    const struct plan_capture *capture = c->it->capture;
    char problem[120];

    if (capture == NULL || capture->regex == NULL ||
        regex_compile(capture->regex, problem, sizeof problem, &s->regex) == 0)
        return 0;
    snprintf(c->why, c->size, "iteration \"%s\": capture regex: %s", c->it->name, problem);
    return -EINVAL;
}

int program_series_init(struct program_series *s, const struct program *p,
                        const struct plan_iteration *it, char *why, size_t size)
{
    const struct compile c = {it, why, size};

    s->iteration = it;
    s->wants_answer = it->capture != NULL || it->save_response || it->with_resources;
    int r = compile_conditions(&c, s);
    if (r == 0)
        r = compile_all_hooks(&c, s);
    if (r == 0)
        r = compile_request(&c, p, s);
    if (r == 0)
        r = compile_regex(&c, s);
    return r;
}

static void hooks_done(struct program_hooks *hooks)
{
    for (size_t i = 0; i < hooks->n; i++)
        tmpl_free(hooks->tmpls[i]);
    free(hooks->tmpls);
}

void program_series_done(struct program_series *s)
{
    expr_free(s->skip_if);
    expr_free(s->request_skip_if);
    expr_free(s->retry_if);
    expr_free(s->retry_stop);
    hooks_done(&s->before);
    hooks_done(&s->after);
    hooks_done(&s->request_before);
    hooks_done(&s->request_after);
    for (size_t i = 0; i < s->n_pieces; i++)
        tmpl_free(s->pieces[i]);
    free(s->pieces);
    free(s->files);
    regex_free(s->regex);
    program_render_done(&s->fixed);
    free(s->save_directory);
}

static void each_of(struct tmpl *const *tmpls, size_t n, void (*on_tmpl)(struct tmpl *t, void *arg),
                    void *arg)
{
    for (size_t i = 0; i < n; i++)
        if (tmpls[i] != NULL)
            on_tmpl(tmpls[i], arg);
}

void program_each(const struct program_series *s, void (*on_tmpl)(struct tmpl *t, void *arg),
                  void (*on_expr)(struct expr *e, void *arg), void *arg)
{
    struct expr *const exprs[] = {s->skip_if, s->request_skip_if, s->retry_if, s->retry_stop};
    const struct program_hooks *const hooks[] = {&s->before, &s->after, &s->request_before,
                                                 &s->request_after};

    for (size_t i = 0; i < 4; i++) {
        if (exprs[i] != NULL)
            on_expr(exprs[i], arg);
        each_of(hooks[i]->tmpls, hooks[i]->n, on_tmpl, arg);
    }
    each_of(s->pieces, s->n_pieces, on_tmpl, arg);
}

static bool are_constant(const struct program_series *s, size_t from)
{
    for (size_t i = from; i < s->n_pieces; i++)
        if (s->pieces[i] != NULL && !tmpl_is_constant(s->pieces[i]))
            return false;
    return true;
}

static bool is_plain(const struct program_series *s)
{
    const struct plan_iteration *it = s->iteration;

    return s->is_constant && !s->wants_answer && it->retry == NULL && s->skip_if == NULL &&
           s->request_skip_if == NULL && s->before.n == 0 && s->after.n == 0 &&
           s->request_before.n == 0 && s->request_after.n == 0;
}

int program_series_settle(struct program_series *s, const struct program *p, char *why, size_t size)
{
    const struct plan_iteration *it = s->iteration;
    char problem[PROGRAM_WHY_SIZE / 2];

    s->parts = (struct request_parts){.method = "GET",
                                      .version = it->version,
                                      .url = it->url,
                                      .certificate = it->certificate,
                                      .password = it->certificate_password,
                                      .h2c = it->h2c};
    s->is_constant = are_constant(s, 0);
    s->has_fixed_body = it->payload_kind == PLAN_PAYLOAD_MULTIPART && are_constant(s, s->payload);
    if (program_render_fixed(s, p, problem, sizeof problem) < 0) {
        snprintf(why, size, "iteration \"%s\": %s", it->name, problem);
        return -EINVAL;
    }
    s->is_plain = is_plain(s);
    return 0;
}
