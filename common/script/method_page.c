#include "common/script/method_page.h"

#include <ctype.h>

#include "common/script/method.h"

static const char intro[] =
    "# Methods\n"
    "\n"
    "Placeholders that make or change a value: `$random(length=6)`, `${counter(start=1)}`. Made "
    "from the\n"
    "table that the programs use. docs/plan.md has where placeholders may stand.\n"
    "\n"
    "- Names of methods may be written in any letter case, those of parameters as they are here.\n"
    "- A value goes up to the next comma that is in no brackets and no double quotes. It may have\n"
    "  placeholders of its own.\n"
    "- A parameter without a default is left out, or, where it says so, required. Where the method "
    "shows\n"
    "  its first parameter without a name, that one may be given so: `$length(${list})`.\n"
    "- Each method takes `variable=name`, which stores the result for the client, and "
    "`isGlobal=true`,\n"
    "  which stores it for the whole process.\n"
    "- `as` is the type of what is stored, not of the text that comes out: `string`, `int`, "
    "`double`,\n"
    "  `decimal`, `bool`, `json`, `xml`, `csv`, or `auto`: by what the text is. A number may be "
    "arithmetic,\n"
    "  such as `2*(3+4)`. What does not fit is stored as a string.\n"
    "- What is wrong when a method runs is a warning, and the result is empty where nothing else "
    "is said.\n";

static const char *const kinds[] = {
    [METHOD_TEXT] = "text",          [METHOD_INT] = "whole number", [METHOD_NUMBER] = "number",
    [METHOD_BOOL] = "true or false", [METHOD_TYPE] = "type",        [METHOD_EXPR] = "condition",
    [METHOD_NAME] = "variable",      [METHOD_WHERE] = "condition",  [METHOD_LIST] = "list",
    [METHOD_FILE] = "file",          [METHOD_ENTRY] = "name",
};

static void append_call(const struct method *m, const char *name, struct buf *out)
{
    buf_printf(out, "`$%s(", name);
    for (const struct method_param *p = m->params; p != NULL && p->name != NULL; p++)
        buf_printf(out, "%s%s%s", p > m->params ? ", " : "", p->name,
                   p == m->params && m->is_positional ? "" : "=");
    buf_puts(out, ")`");
}

static void append_param(const struct method_param *p, struct buf *out)
{
    buf_printf(out, "| `%s` | %s | ", p->name, kinds[p->kind]);
    if (p->is_required)
        buf_puts(out, "required");
    else if (p->dflt != NULL && *p->dflt == '\0')
        buf_puts(out, "empty");
    else if (p->dflt != NULL)
        buf_printf(out, "`%s`", p->dflt);
    buf_printf(out, " | %s |\n", p->doc);
}

static void append_method(const struct method *m, struct buf *out)
{
    buf_printf(out, "\n### %s\n\n", m->name);
    append_call(m, m->name, out);
    for (const char *const *alias = m->aliases; alias != NULL && *alias != NULL; alias++)
        buf_printf(out, "%s `%s`", alias == m->aliases ? ", also" : ",", *alias);
    buf_printf(out, "\n\n%c%s. Result: %s.\n", toupper((unsigned char)*m->doc), m->doc + 1,
               m->result);
    if (m->params == NULL || m->params->name == NULL)
        return;
    buf_puts(out, "\n| parameter | takes | default | |\n|---|---|---|---|\n");
    for (const struct method_param *p = m->params; p->name != NULL; p++)
        append_param(p, out);
}

void method_page(struct buf *out)
{
    const char *heading = "", *last = NULL;
    const struct method *m;

    buf_puts(out, intro);
    for (size_t i = 0; (m = method_at(i, &heading)) != NULL; i++) {
        if (heading != last)
            buf_printf(out, "\n## %s\n", heading);
        last = heading;
        append_method(m, out);
    }
}
