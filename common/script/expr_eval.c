#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/script/expr_impl.h"

#define FEW 16 // operands and items that need no allocation

// What the placeholders gave: operand i is the text up to end[i].
struct texts {
    struct buf bytes;
    size_t *end, few[FEW];
};

static int too_much(struct expr_run *run)
{
    struct expr_item whole = {0};

    return expr_complain(&run->complaint, &whole, "found texts of more than %d bytes",
                         EXPR_TEXT_MAX);
}

int expr_make_text(struct expr_run *run, size_t len, char **ret_text)
{
    if (len > EXPR_TEXT_MAX - run->bytes_made)
        return too_much(run);
    run->bytes_made += len;
    if (run->n_made == run->made_cap) {
        run->made_cap = run->made_cap == 0 ? 8 : 2 * run->made_cap;
        run->made = xreallocarray(run->made, run->made_cap, sizeof *run->made);
    }
    *ret_text = run->made[run->n_made++] = xcalloc(len + 1, 1);
    return 0;
}

void expr_set_int(struct expr_item *item, int64_t n)
{
    item->type = EXPR_INT;
    item->n = n;
}

void expr_set_double(struct expr_item *item, double x)
{
    item->type = EXPR_DOUBLE;
    item->x = x;
}

void expr_set_bool(struct expr_item *item, bool b)
{
    item->type = EXPR_BOOL;
    item->b = b;
}

void expr_set_text(struct expr_item *item, const char *text, size_t len)
{
    item->type = EXPR_TEXT;
    item->text = text;
    item->len = len;
}

int expr_to_text(struct expr_run *run, const struct expr_item *a, struct expr_item *ret)
{
    char number[VALUE_DOUBLE_SIZE] = "", *text;
    const char *from = number;

    if (a->type == EXPR_TEXT) {
        expr_set_text(ret, a->text, a->len);
        return 0;
    }
    if (a->type == EXPR_INT)
        snprintf(number, sizeof number, "%" PRId64, a->n);
    else if (a->type == EXPR_DOUBLE)
        value_format_double(a->x, number);
    else if (a->type == EXPR_BOOL)
        from = a->b ? "true" : "false";
    size_t len = strlen(from);
    int r = expr_make_text(run, len, &text);
    if (r < 0)
        return r;
    memcpy(text, from, len);
    expr_set_text(ret, text, len);
    return 0;
}

int expr_read_number(const char *text, size_t len, struct expr_item *ret)
{
    const char *p = text, *end = text + len;
    int64_t n = 0;
    double x;

    text_trim(&p, &end);
    bool is_negative = p < end && *p == '-', fits = true;
    const char *digits = p + is_negative, *q;
    // Downwards, as the least number has no positive counterpart.
    for (q = digits; q < end && *q >= '0' && *q <= '9'; q++)
        fits =
            fits && !__builtin_mul_overflow(n, 10, &n) && !__builtin_sub_overflow(n, *q - '0', &n);
    if (q == end && q > digits && fits && (is_negative || n != INT64_MIN)) {
        expr_set_int(ret, is_negative ? n : -n);
        return 0;
    }
    // A comma would be one of thousands there, and one of arguments here.
    if (memchr(text, ',', len) != NULL || value_parse_double(text, len, &x) < 0)
        return -EINVAL;
    expr_set_double(ret, x);
    return 0;
}

static int run_code(struct expr_run *run, const struct texts *texts, struct expr_item *ret);

// An operand's text that is no plain value: an expression, in which "$" means nothing, as what was
// substituted is not looked at again.
static int eval_text(struct expr_run *run, const char *text, size_t len, struct expr_item *ret)
{
    struct tmpl_error error;
    struct script_parse p = {.begin = text, .error = &error};
    struct expr_run outer = *run;
    struct expr_item whole;
    struct expr *e;
    char *copy;

    if (expr_compile_any(&p, text, len, &whole, &e) < 0)
        return -EINVAL;
    run->e = e;
    run->complaint = (struct expr_complaint){.source = e->source, .error = &error};
    int r = run_code(run, NULL, &whole);
    if (r == 0 && whole.type == EXPR_TEXT) {
        r = expr_make_text(run, whole.len, &copy);
        if (r == 0)
            whole.text = memcpy(copy, whole.text, whole.len);
    }
    expr_free(e);
    run->e = outer.e;
    run->complaint = outer.complaint;
    if (r == 0) {
        whole.from = ret->from;
        whole.to = ret->to;
        *ret = whole;
    }
    return r;
}

static int type_operand(struct expr_run *run, const char *text, size_t len, struct expr_item *ret)
{
    const char *end = text + len;

    text_trim(&text, &end);
    len = (size_t)(end - text);
    if (len == 0)
        return expr_complain(&run->complaint, ret, "found %.*s empty, expected a value",
                             (int)(ret->to - ret->from), run->e->source + ret->from);
    if (expr_read_number(text, len, ret) == 0)
        return 0;
    if (text_is(text, len, "true") || text_is(text, len, "false")) {
        expr_set_bool(ret, len == 4);
        return 0;
    }
    if (text_is(text, len, "null")) {
        ret->type = EXPR_NULL;
        return 0;
    }
    // The Q types put quotes around texts that may have some of their own.
    bool is_quoted = len >= 2 && *text == '"' && end[-1] == '"';
    if ((!is_quoted || memchr(text + 1, '"', len - 2) != NULL) &&
        eval_text(run, text, len, ret) == 0)
        return 0;
    if (!is_quoted)
        // Its text may be a secret.
        return expr_complain(&run->complaint, ret,
                             "found other text in %.*s, expected a number, true, false, null or a "
                             "text in quotes",
                             (int)(ret->to - ret->from), run->e->source + ret->from);
    expr_set_text(ret, text + 1, len - 2);
    return 0;
}

static int push_operand(struct expr_run *run, const struct texts *texts,
                        const struct expr_code *code, struct expr_item *ret)
{
    const struct tmpl *tmpl = run->e->operands[code->arg];
    const char *text;
    size_t len;

    if (tmpl_is_constant(tmpl)) {
        text = tmpl_text(tmpl, &len);
    } else {
        size_t from = code->arg == 0 ? 0 : texts->end[code->arg - 1];
        text = texts->bytes.data == NULL ? "" : texts->bytes.data + from;
        len = texts->end[code->arg] - from;
    }
    if (code->op == EXPR_OPERAND)
        return type_operand(run, text, len, ret);
    expr_set_text(ret, text, len);
    return 0;
}

static int add(struct expr_run *run, const struct expr_item *a, const struct expr_item *b,
               struct expr_item *ret)
{
    struct expr_item left, right;
    char *text;

    if (a->type != EXPR_TEXT && b->type != EXPR_TEXT)
        return expr_calculate(run, EXPR_ADD, a, b, ret);
    int r = expr_to_text(run, a, &left);
    if (r == 0)
        r = expr_to_text(run, b, &right);
    if (r == 0)
        r = expr_make_text(run, left.len + right.len, &text);
    if (r < 0)
        return r;
    memcpy(text, left.text, left.len);
    memcpy(text + left.len, right.text, right.len);
    expr_set_text(ret, text, left.len + right.len);
    return 0;
}

// Below, at or above 0 as a is beside b, which are of a kind.
static int order(const struct expr_item *a, const struct expr_item *b)
{
    if (a->type == EXPR_TEXT) {
        int d = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
        return d != 0 ? d : (a->len > b->len) - (a->len < b->len);
    }
    if (a->type == EXPR_BOOL)
        return a->b - b->b;
    if (a->type == EXPR_INT && b->type == EXPR_INT)
        return (a->n > b->n) - (a->n < b->n);
    double x = expr_as_double(a), y = expr_as_double(b);
    return (x > y) - (x < y);
}

static bool compare(enum expr_op op, const struct expr_item *a, const struct expr_item *b)
{
    bool is_null = a->type == EXPR_NULL || b->type == EXPR_NULL;
    int d = is_null ? a->type != b->type : order(a, b);

    switch (op) {
    case EXPR_EQUAL:
        return d == 0;
    case EXPR_NOT_EQUAL:
        return d != 0;
    case EXPR_LESS:
        return d < 0;
    case EXPR_MORE:
        return d > 0;
    case EXPR_AT_MOST:
        return d <= 0;
    default:
        return d >= 0;
    }
}

static int binary(struct expr_run *run, enum expr_op op, struct expr_item *a,
                  const struct expr_item *b)
{
    struct expr_item result = {.from = a->from, .to = b->to};
    enum expr_type ignored;

    int r = expr_check_binary(&run->complaint, op, a, b, &ignored);
    if (r < 0)
        return r;
    if (op == EXPR_ADD)
        r = add(run, a, b, &result);
    else if (op >= EXPR_SUBTRACT && op <= EXPR_POWER)
        r = expr_calculate(run, op, a, b, &result);
    else
        expr_set_bool(&result, op == EXPR_XOR ? a->b != b->b : compare(op, a, b));
    if (r == 0)
        *a = result;
    return r;
}

static int unary(struct expr_run *run, const struct expr_code *code, struct expr_item *a)
{
    struct expr_item zero = {.type = EXPR_INT};
    enum expr_type ignored;

    int r = expr_check_unary(&run->complaint, code->op, a, &ignored);
    if (r < 0)
        return r;
    if (code->op == EXPR_NEGATE && a->type == EXPR_INT)
        r = expr_calculate(run, EXPR_SUBTRACT, &zero, a, a);
    else if (code->op == EXPR_NEGATE)
        a->x = -a->x;
    else if (code->op == EXPR_NOT)
        a->b = !a->b;
    if (code->op != EXPR_CHECK)
        a->from = code->from;
    return r;
}

static int call(struct expr_run *run, const struct expr_code *code, struct expr_item *a)
{
    const struct expr_function *f = &expr_functions[code->arg];
    struct expr_item result = {.from = code->from, .to = code->to};

    int r = expr_function_check(&run->complaint, f, &result, a, code->n);
    if (r == 0)
        r = f->run(&(struct expr_invocation){run, f, a, code->n}, &result);
    if (r == 0)
        *a = result;
    return r;
}

// One instruction; *top is where the next item goes.
static int step(struct expr_run *run, const struct texts *texts, const struct expr_code *code,
                struct expr_item **top, size_t *pc)
{
    struct expr_item *last = *top - 1;
    int r = 0;

    switch (code->op) {
    case EXPR_CONST:
        *(*top)++ = run->e->consts[code->arg];
        return 0;
    case EXPR_OPERAND:
    case EXPR_QUOTED:
        **top = (struct expr_item){.from = code->from, .to = code->to};
        return push_operand(run, texts, code, (*top)++);
    case EXPR_NOT:
    case EXPR_NEGATE:
    case EXPR_CHECK:
        return unary(run, code, last);
    case EXPR_AND:
    case EXPR_OR:
    case EXPR_UNLESS: {
        enum expr_type ignored;
        r = expr_check_unary(&run->complaint, EXPR_NOT, last, &ignored);
        bool jumps = last->b == (code->op == EXPR_OR);
        if (!jumps || code->op == EXPR_UNLESS)
            --*top;
        if (jumps)
            *pc = code->arg;
        return r;
    }
    case EXPR_JUMP:
        *pc = code->arg;
        return 0;
    case EXPR_CALL:
        *top -= code->n - 1;
        return call(run, code, *top - 1);
    default:
        --*top;
        return binary(run, code->op, *top - 1, last);
    }
}

static int run_code(struct expr_run *run, const struct texts *texts, struct expr_item *ret)
{
    const struct expr *e = run->e;
    struct expr_item few[FEW], *stack = few, *top;
    int r = 0;

    if (e->height_max > FEW)
        stack = xcalloc(e->height_max, sizeof *stack);
    top = stack;
    for (size_t pc = 0; r == 0 && pc < e->n_code;) {
        const struct expr_code *code = &e->code[pc++];
        r = step(run, texts, code, &top, &pc);
    }
    if (r == 0)
        *ret = *stack;
    if (stack != few)
        free(stack);
    return r;
}

// Works out all placeholders, left to right.
static int render(struct expr_run *run, struct script_env *env, struct texts *texts)
{
    const struct expr *e = run->e;

    for (size_t i = 0; i < e->n_operands; i++) {
        if (!tmpl_is_constant(e->operands[i]))
            tmpl_render(e->operands[i], env, &texts->bytes);
        if (texts->bytes.len > EXPR_TEXT_MAX)
            return too_much(run);
        texts->end[i] = texts->bytes.len;
    }
    return 0;
}

int expr_eval(const struct expr *e, struct script_env *env, bool *ret_value,
              struct tmpl_error *ret_error)
{
    struct expr_run run = {.e = e, .complaint = {.source = e->source, .error = ret_error}};
    struct texts texts = {.end = texts.few};
    struct expr_item whole;

    if (e->n_operands > FEW)
        texts.end = xcalloc(e->n_operands, sizeof *texts.end);
    int r = render(&run, env, &texts);
    if (r == 0)
        r = run_code(&run, &texts, &whole);
    if (r == 0 && whole.type != EXPR_BOOL)
        r = expr_mismatch(&run.complaint, &whole, "true or false");
    if (r == 0)
        *ret_value = whole.b;
    for (size_t i = 0; i < run.n_made; i++)
        free(run.made[i]);
    free(run.made);
    if (texts.end != texts.few)
        free(texts.end);
    buf_done(&texts.bytes);
    return r;
}
