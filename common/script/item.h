// References to `item`, an element of JSON, in the conditions and results of searches: item,
// item.a.b, item[0].c, item['a b']. PURE.
//
// The word stands for the element wherever it is a word, in quotes too. A name with "(" behind it
// is a member of the text before: item.n.Contains("x").
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "common/script/tmpl.h"
#include "common/script/value.h"

struct item_where;

// A condition. Text is taken as it is: "$" means nothing. 0, or -EINVAL and *ret_error.
int item_where_compile(const char *text, size_t len, struct item_where **ret_where,
                       struct tmpl_error *ret_error);
void item_where_free(struct item_where *w); // NULL is fine
// References are numbers, true, false or texts, as the JSON has them; nothing and null are "", and
// objects and arrays their compact JSON. One thread at a time. 0, or -EINVAL and *ret_error.
int item_where_eval(struct item_where *w, json_t *item, bool *ret_value,
                    struct tmpl_error *ret_error);

struct item_select;

// What is made of an element. 0, or -EINVAL and *ret_error.
int item_select_compile(const char *text, size_t len, struct item_select **ret_select,
                        struct tmpl_error *ret_error);
void item_select_free(struct item_select *s); // NULL is fine
// One reference and nothing else: the JSON there, with its type. Other text: with the references
// put in as text, or as JSON where it begins with { or [; the type is inferred then.
// ret_value empty: nothing is there, or null.
void item_select_apply(const struct item_select *s, json_t *item, struct value *ret_value);

void item_set(struct value *v, const json_t *node);             // empty for null and NULL
void item_infer(struct value *v, const char *text, size_t len); // as value_infer, JSON compact
