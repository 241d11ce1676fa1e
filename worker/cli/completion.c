#include "worker/cli/completion.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker/cli/options.h"

static bool is_file(const struct options_row *row)
{
    return row->arg != NULL && (strcmp(row->arg, "FILE") == 0 || strcmp(row->arg, "PATH") == 0);
}

// All spellings of a command's options; those whose value is a file where only_files.
static void put_spellings(struct buf *out, enum options_command c, bool only_files,
                          const char *between)
{
    const char *before = "";

    for (enum options_id id = 1; id < OPTIONS__COUNT; id++) {
        const struct options_row *row = options_row(id);
        if (!options_is_shown(id, c) || (only_files && !is_file(row)))
            continue;
        for (size_t i = 0; i < OPTIONS_SPELLINGS_MAX && row->spelling[i] != NULL; i++) {
            // A '?' would be a pattern.
            if (strcmp(row->spelling[i], "-?") == 0)
                continue;
            buf_printf(out, "%s%s", before, row->spelling[i]);
            before = between;
        }
    }
}

// The words that may come first; the second ones after `first`.
static void put_words(struct buf *out, const char *first)
{
    size_t len = first != NULL ? strlen(first) : 0;
    const char *before = "";

    for (enum options_command c = OPTIONS_TEST + 1; c < OPTIONS_COMMAND__COUNT; c++) {
        const char *name = options_command_row(c)->name, *blank = strchr(name, ' ');
        if (first == NULL && blank != NULL)
            continue;
        if (first != NULL && (blank == NULL || strncmp(name, first, len) != 0 || name[len] != ' '))
            continue;
        buf_printf(out, "%s%s", before, first != NULL ? blank + 1 : name);
        before = " ";
    }
}

// What bash and zsh (which brings bash's functions along) run.
static void put_bash(struct buf *out)
{
    buf_puts(out, "_lps() {\n"
                  "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                  "    local command=${COMP_WORDS[1]} options='' files='' words=''\n"
                  "    [[ $COMP_CWORD -gt 2 ]] && command+=\" ${COMP_WORDS[2]}\"\n"
                  "    case $command in\n");
    // The names of two words first: they begin as others do.
    for (int n_words = 2; n_words >= 0; n_words--) {
        for (enum options_command c = OPTIONS_TEST; c < OPTIONS_COMMAND__COUNT; c++) {
            const struct options_command_row *row = options_command_row(c);
            int n = row->name[0] == '\0' ? 0 : strchr(row->name, ' ') != NULL ? 2 : 1;
            if (n != n_words)
                continue;
            if (n == 0)
                buf_puts(out, "    *)");
            else
                buf_printf(out, n == 2 ? "    \"%s\")" : "    %s|%s\\ *)", row->name, row->name);
            buf_puts(out, "\n        options='");
            put_spellings(out, c, false, " ");
            buf_puts(out, "'\n        files=' ");
            put_spellings(out, c, true, " ");
            buf_puts(out, " '\n        words='");
            if (n != 2)
                put_words(out, n == 0 ? NULL : row->name);
            if (row->arg != NULL && strcmp(row->arg, "SHELL") == 0)
                buf_puts(out, "bash zsh fish");
            buf_puts(out, "' ;;\n");
        }
    }
    buf_puts(out,
             "    esac\n"
             "    if [[ $cur == -* ]]; then\n"
             "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
             "    elif [[ $files == *\" $prev \"* ]]; then\n"
             "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
             "    elif [[ $COMP_CWORD -eq 1 ]]; then\n"
             "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
             "    else\n"
             "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\") $(compgen -f -- \"$cur\"))\n"
             "    fi\n"
             "}\n"
             "complete -o filenames -F _lps lps\n");
}

static void put_quoted(struct buf *out, const char *text)
{
    buf_puts(out, "'");
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            buf_puts(out, "\\");
        buf_append(out, text, 1);
    }
    buf_puts(out, "'");
}

static void put_fish_option(struct buf *out, const struct options_row *row, const char *condition)
{
    buf_printf(out, "complete -c lps -n %s", condition);
    for (size_t i = 0; i < OPTIONS_SPELLINGS_MAX && row->spelling[i] != NULL; i++) {
        const char *s = row->spelling[i];
        if (strcmp(s, "-?") == 0)
            continue;
        if (s[1] == '-')
            buf_printf(out, " -l %s", s + 2);
        else
            buf_printf(out, s[2] == '\0' ? " -s %s" : " -o %s", s + 1);
    }
    if (row->arg != NULL && row->kind != OPTIONS_FLAG)
        buf_puts(out, is_file(row) ? " -r -F" : " -x");
    buf_puts(out, " -d ");
    put_quoted(out, row->doc);
    buf_puts(out, "\n");
}

// Commands of two words are offered as a word after the first; options are those of the first.
static void put_fish(struct buf *out)
{
    for (enum options_command c = OPTIONS_TEST; c < OPTIONS_COMMAND__COUNT; c++) {
        const struct options_command_row *row = options_command_row(c);
        const char *blank = strchr(row->name, ' ');
        size_t len = blank != NULL ? (size_t)(blank - row->name) : strlen(row->name);
        char *first = xstrndup(row->name, len);
        char *condition = c == OPTIONS_TEST ? xstrdup("__fish_use_subcommand")
                                            : xasprintf("'__fish_seen_subcommand_from %s'", first);
        if (c != OPTIONS_TEST) {
            buf_printf(out, "complete -c lps -n %s -a %s -d ",
                       blank != NULL ? condition : "__fish_use_subcommand",
                       blank != NULL ? blank + 1 : row->name);
            put_quoted(out, row->doc);
            buf_puts(out, "\n");
        }
        for (enum options_id id = 1; id < OPTIONS__COUNT; id++)
            if (options_is_shown(id, c))
                put_fish_option(out, options_row(id), condition);
        free(condition);
        free(first);
    }
}

int completion_script(const char *shell, struct buf *out)
{
    if (strcmp(shell, "bash") == 0) {
        put_bash(out);
    } else if (strcmp(shell, "zsh") == 0) {
        buf_puts(out, "#compdef lps\nautoload -U +X bashcompinit && bashcompinit\n");
        put_bash(out);
    } else if (strcmp(shell, "fish") == 0) {
        put_fish(out);
    } else {
        return -EINVAL;
    }
    return 0;
}
