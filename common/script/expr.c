#include "common/script/expr.h"

#include <errno.h>
#include <stdlib.h>

#include "common/script/expr_impl.h"

// Returns where the code stands, for jumps that are known later.
size_t expr_emit(struct expr *e, enum expr_op op, size_t arg, size_t n,
                 const struct expr_item *item)
{
    if (e->n_code == e->code_cap) {
        e->code_cap = e->code_cap == 0 ? 16 : 2 * e->code_cap;
        e->code = xreallocarray(e->code, e->code_cap, sizeof *e->code);
    }
    e->code[e->n_code] = (struct expr_code){
        .op = op, .arg = (uint32_t)arg, .n = (uint32_t)n, .from = item->from, .to = item->to};
    if (op == EXPR_CONST || op == EXPR_OPERAND || op == EXPR_QUOTED)
        e->height++;
    else if (op == EXPR_CALL)
        e->height -= n - 1;
    else if (op != EXPR_NOT && op != EXPR_NEGATE && op != EXPR_CHECK && op != EXPR_JUMP)
        e->height--;
    if (e->height > e->height_max)
        e->height_max = e->height;
    return e->n_code++;
}

void expr_emit_const(struct expr *e, const struct expr_item *item)
{
    if (e->n_consts == e->consts_cap) {
        e->consts_cap = e->consts_cap == 0 ? 4 : 2 * e->consts_cap;
        e->consts = xreallocarray(e->consts, e->consts_cap, sizeof *e->consts);
    }
    e->consts[e->n_consts] = *item;
    expr_emit(e, EXPR_CONST, e->n_consts++, 0, item);
}

void expr_emit_operand(struct expr *e, enum expr_op op, struct tmpl *tmpl,
                       const struct expr_item *item)
{
    if (e->n_operands == e->operands_cap) {
        e->operands_cap = e->operands_cap == 0 ? 4 : 2 * e->operands_cap;
        e->operands = xreallocarray(e->operands, e->operands_cap, sizeof *e->operands);
    }
    e->operands[e->n_operands] = tmpl;
    expr_emit(e, op, e->n_operands++, 0, item);
}

void expr_free(struct expr *e)
{
    if (e == NULL)
        return;
    for (size_t i = 0; i < e->n_operands; i++)
        tmpl_free(e->operands[i]);
    free(e->operands);
    free(e->consts);
    free(e->code);
    free(e->source);
    free(e);
}

int expr_compile(const char *text, size_t len, struct expr **ret_expr, struct tmpl_error *ret_error)
{
    struct script_parse p = {.begin = text, .error = ret_error, .has_placeholders = true};

    return expr_compile_part(&p, text, len, ret_expr);
}

bool expr_is_true(const struct expr *e, struct script_env *env)
{
    struct tmpl_error error;
    bool is = false;

    if (expr_eval(e, env, &is, &error) < 0) {
        script_warn(env, "\"%.100s\", character %zu: %s; taken as false", e->source, error.at + 1,
                    error.text);
        return false;
    }
    return is;
}

void expr_fold(struct expr *e, struct scope *constants)
{
    for (size_t i = 0; i < e->n_operands; i++)
        tmpl_fold(e->operands[i], constants);
}

void expr_each_name(const struct expr *e,
                    void (*fn)(void *arg, const char *name, bool is_store, bool is_global),
                    void *arg)
{
    for (size_t i = 0; i < e->n_operands; i++)
        tmpl_each_name(e->operands[i], fn, arg);
}

void expr_each_source(const struct expr *e, void (*fn)(void *arg, bool is_env, const char *name),
                      void *arg)
{
    for (size_t i = 0; i < e->n_operands; i++)
        tmpl_each_source(e->operands[i], fn, arg);
}

void expr_each_call(const struct expr *e, void (*fn)(void *arg, const struct call *call), void *arg)
{
    for (size_t i = 0; i < e->n_operands; i++)
        tmpl_each_call(e->operands[i], fn, arg);
}
