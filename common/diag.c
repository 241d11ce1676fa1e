#include "common/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "common/str.h"

int diag_add(struct diag *d, int line, int column, const char *fmt, ...)
{
    if (d->n < DIAG_MAX) {
        va_list ap;
        va_start(ap, fmt);
        d->entry[d->n] = (struct diag_entry){line, column, xvasprintf(fmt, ap)};
        va_end(ap);
    }
    d->n++;
    return -EINVAL;
}

char *diag_format(const struct diag *d)
{
    struct buf out = {0};

    for (size_t i = 0; i < d->n && i < DIAG_MAX; i++) {
        const struct diag_entry *e = &d->entry[i];
        if (d->file != NULL)
            buf_printf(&out, "%s:", d->file);
        if (e->line > 0)
            buf_printf(&out, "%d:%d:", e->line, e->column);
        buf_printf(&out, "%s%s\n", out.len > 0 && out.data[out.len - 1] == ':' ? " " : "", e->text);
    }
    if (d->n > DIAG_MAX)
        buf_printf(&out, "and %zu more\n", d->n - DIAG_MAX);
    return buf_take(&out);
}

void diag_done(struct diag *d)
{
    for (size_t i = 0; i < d->n && i < DIAG_MAX; i++)
        free(d->entry[i].text);
    d->n = 0;
}
