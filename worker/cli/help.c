#include "worker/cli/help.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH      80
#define DOC_INDENT 8

// text in lines of at most WIDTH columns, each after indent blanks.
static void put_wrapped(struct buf *out, int indent, const char *text)
{
    while (*text != '\0') {
        size_t room = (size_t)(WIDTH - indent), len = strlen(text);
        if (len > room) {
            len = room;
            while (len > 0 && text[len] != ' ')
                len--;
            if (len == 0)
                len = strcspn(text, " ");
        }
        buf_printf(out, "%*s%.*s\n", indent, "", (int)len, text);
        text += len;
        text += strspn(text, " ");
    }
}

// Range and default of an option, in brackets; empty where there is neither.
static char *limits(const struct options_row *row)
{
    struct buf b = {0};

    if (row->kind == OPTIONS_COUNT)
        buf_printf(&b, "%" PRIu64 " to %" PRIu64, row->min, row->max);
    else if (row->kind == OPTIONS_REAL)
        buf_printf(&b, "up to %" PRIu64, row->max);
    if (row->dflt != NULL)
        buf_printf(&b, "%sdefault: %s", b.len > 0 ? "; " : "", row->dflt);
    return buf_take(&b);
}

// The caller frees.
static char *doc_of(const struct options_row *row, enum options_command command)
{
    return xasprintf("%s%s", row->doc, (row->required & (1u << command)) != 0 ? " Required." : "");
}

// " FILE" or " [FILE]" or nothing; the caller frees.
static char *argument_of(const struct options_command_row *row)
{
    if (row->arg == NULL)
        return xstrdup("");
    return xasprintf(row->is_arg_required ? " %s" : " [%s]", row->arg);
}

static void put_option(struct buf *out, const struct options_row *row, enum options_command command)
{
    buf_puts(out, "  ");
    for (size_t i = 0; i < OPTIONS_SPELLINGS_MAX && row->spelling[i] != NULL; i++)
        buf_printf(out, "%s%s", i > 0 ? ", " : "", row->spelling[i]);
    if (row->arg != NULL)
        buf_printf(out, row->kind == OPTIONS_FLAG ? " [%s]" : " %s", row->arg);
    buf_puts(out, "\n");

    char *range = limits(row), *text = doc_of(row, command);
    char *doc = xasprintf(range[0] != '\0' ? "%s (%s)" : "%s%s", text, range);
    put_wrapped(out, DOC_INDENT, doc);
    free(doc);
    free(text);
    free(range);
}

// Each with the first sentence about it.
static void put_commands(struct buf *out)
{
    buf_puts(out, "\nCommands:\n");
    for (enum options_command c = OPTIONS_TEST + 1; c < OPTIONS_COMMAND__COUNT; c++) {
        const struct options_command_row *row = options_command_row(c);
        char *argument = argument_of(row);
        buf_printf(out, "  %s%s\n", row->name, argument);
        const char *end = strstr(row->doc, ". ");
        char *sentence = xstrndup(row->doc, end != NULL ? (size_t)(end - row->doc) + 1 : SIZE_MAX);
        put_wrapped(out, DOC_INDENT, sentence);
        free(sentence);
        free(argument);
    }
}

void help_command(enum options_command command, struct buf *out)
{
    const struct options_command_row *row = options_command_row(command);
    char *argument = argument_of(row);

    if (command == OPTIONS_TEST)
        buf_puts(out, "Usage: lps --url URL [option ...]\n       lps COMMAND [option ...]\n\n");
    else
        buf_printf(out, "Usage: lps %s%s [option ...]\n\n", row->name, argument);
    free(argument);
    put_wrapped(out, 0, row->doc);
    if (command == OPTIONS_TEST)
        put_commands(out);
    buf_puts(out, "\nOptions:\n");
    for (enum options_id id = 1; id < OPTIONS__COUNT; id++)
        if (options_is_shown(id, command))
            put_option(out, options_row(id), command);
    if (command == OPTIONS_TEST)
        buf_puts(out,
                 "\nA value follows its option, or an = or : in the same word. Long options may "
                 "be\nwritten in any case. See lps(1).\n");
}

void help_short(struct buf *out)
{
    buf_puts(out,
             "Usage: lps --url URL [option ...]      test URL from every worker of the cluster\n"
             "       lps --local --url URL ...       the same from this host alone\n"
             "       lps run FILE [option ...]           test what a plan file says\n"
             "       lps COMMAND ...                     lps --help names them\n"
             "\n"
             "For example: lps --local --url http://127.0.0.1:8080/ --requestCount 700\n"
             "All options: lps --help\n"
             "Of a command: lps COMMAND --help\n");
}

// Each sentence on lines of its own, so that the formatter sets the space between them.
static void put_mdoc_text(struct buf *out, const char *text)
{
    while (*text != '\0') {
        const char *end = strstr(text, ". ");
        size_t len = end != NULL ? (size_t)(end - text) + 1 : strlen(text);
        char *sentence = xstrndup(text, len);
        put_wrapped(out, 0, sentence);
        free(sentence);
        text += len;
        text += *text == ' ';
    }
}

static void put_mdoc_option(struct buf *out, const struct options_row *row,
                            enum options_command command)
{
    buf_puts(out, ".It");
    for (size_t i = 0; i < OPTIONS_SPELLINGS_MAX && row->spelling[i] != NULL; i++)
        buf_printf(out, "%s Fl %s%s", i > 0 ? " ," : "", row->spelling[i][1] == '?' ? "\\&" : "",
                   row->spelling[i] + 1);
    if (row->arg != NULL)
        buf_printf(out, row->kind == OPTIONS_FLAG ? " Op Ar %s" : " Ar %s", row->arg);
    buf_puts(out, "\n");
    char *range = limits(row), *text = doc_of(row, command);
    put_mdoc_text(out, text);
    free(text);
    if (range[0] != '\0') {
        buf_puts(out, ".Pq ");
        put_mdoc_text(out, range);
    }
    free(range);
}

void help_mdoc(struct buf *out)
{
    for (enum options_command c = OPTIONS_TEST; c < OPTIONS_COMMAND__COUNT; c++) {
        const struct options_command_row *row = options_command_row(c);
        buf_printf(out, ".Ss %s%s", c == OPTIONS_TEST ? "The test" : "lps ", row->name);
        if (row->arg != NULL)
            buf_printf(out, " %sAr %s", row->is_arg_required ? "" : "Op ", row->arg);
        buf_puts(out, "\n");
        put_mdoc_text(out, row->doc);
        buf_puts(out, ".Bl -tag -width Ds\n");
        for (enum options_id id = 1; id < OPTIONS__COUNT; id++)
            if (options_is_shown(id, c))
                put_mdoc_option(out, options_row(id), c);
        buf_puts(out, ".El\n");
    }
}
