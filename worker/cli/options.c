#include "worker/cli/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/str.h"

#define ANY (~0u) // command

bool options_given(const struct options *o, enum options_id id)
{
    return o->value[id].spelling != NULL;
}

const char *options_text(const struct options *o, enum options_id id, const char *fallback)
{
    return o->value[id].n > 0 ? o->value[id].text[0] : fallback;
}

bool options_is_shown(enum options_id id, enum options_command command)
{
    const struct options_row *row = options_row(id);

    return row->doc != NULL && (row->commands & (1u << command)) != 0;
}

bool options_is_help(const struct options *o)
{
    return options_given(o, OPTIONS_HELP) || options_given(o, OPTIONS_VERSION) ||
           options_given(o, OPTIONS_HELP_METHODS) || options_given(o, OPTIONS_HELP_MDOC);
}

void options_done(struct options *o)
{
    for (size_t i = 0; i < OPTIONS__COUNT; i++) {
        free(o->value[i].spelling);
        free(o->value[i].text);
    }
    *o = (struct options){0};
}

static bool spelled(const struct options_row *row, const char *name, size_t len)
{
    for (size_t i = 0; i < OPTIONS_SPELLINGS_MAX && row->spelling[i] != NULL; i++) {
        const char *s = row->spelling[i];
        bool is_long = s[1] == '-';
        if (strlen(s) == len && (is_long ? strncasecmp(s, name, len) : strncmp(s, name, len)) == 0)
            return true;
    }
    return false;
}

// OPTIONS_UNDEFINED: no such option of any of these commands.
static enum options_id find(unsigned in_commands, const char *name, size_t len)
{
    for (enum options_id id = 1; id < OPTIONS__COUNT; id++)
        if ((options_row(id)->commands & in_commands) != 0 && spelled(options_row(id), name, len))
            return id;
    return OPTIONS_UNDEFINED;
}

static size_t name_len(const char *token)
{
    return strcspn(token, "=:");
}

static bool is_option(unsigned in_commands, const char *token)
{
    return token[0] == '-' && find(in_commands, token, name_len(token)) != OPTIONS_UNDEFINED;
}

static const char *name_of(enum options_command command)
{
    return options_command_row(command)->name;
}

static int unknown_option(enum options_command command, const char *token, struct diag *d)
{
    int len = (int)name_len(token);
    const char *candidate[OPTIONS__COUNT * OPTIONS_SPELLINGS_MAX];
    size_t n = 0;

    if (find(ANY, token, (size_t)len) != OPTIONS_UNDEFINED)
        return diag_add(d, 0, 0, "%.*s: not an option of \"lps%s%s\"", len, token,
                        command == OPTIONS_TEST ? "" : " ", name_of(command));
    for (enum options_id id = 1; id < OPTIONS__COUNT; id++) {
        const struct options_row *row = options_row(id);
        for (size_t i = 0; i < OPTIONS_SPELLINGS_MAX && row->spelling[i] != NULL; i++)
            if ((row->commands & (1u << command)) != 0)
                candidate[n++] = row->spelling[i];
    }
    char *typed = xstrndup(token, (size_t)len);
    const char *nearest = str_nearest(typed, candidate, n);
    diag_add(d, 0, 0, "%s: unknown option%s%s%s", typed, nearest ? ", did you mean " : "",
             nearest ? nearest : "; see lps --help", nearest ? "?" : "");
    free(typed);
    return -EINVAL;
}

static bool is_plan_name(const char *word)
{
    const char *dot = strrchr(word, '.');

    return dot != NULL && (strcasecmp(dot, ".yaml") == 0 || strcasecmp(dot, ".yml") == 0 ||
                           strcasecmp(dot, ".json") == 0);
}

static int unknown_command(const char *word, struct diag *d)
{
    const char *candidate[OPTIONS_COMMAND__COUNT];
    size_t n = 0;

    if (strstr(word, "://") == NULL && is_plan_name(word))
        return diag_add(d, 0, 0, "%s: unexpected, did you mean lps run %s?", word, word);
    if (strpbrk(word, ":/") != NULL)
        return diag_add(d, 0, 0, "%s: unexpected, did you mean --url %s?", word, word);
    for (enum options_command c = OPTIONS_TEST + 1; c < OPTIONS_COMMAND__COUNT; c++)
        candidate[n++] = name_of(c);
    const char *nearest = str_nearest(word, candidate, n);
    return diag_add(d, 0, 0, "%s: unknown command%s%s%s", word,
                    nearest ? ", did you mean lps " : "", nearest ? nearest : "; see lps --help",
                    nearest ? "?" : "");
}

// Words of argv that make up the command's name; 0: not this one.
static int match_command(const char *name, int argc, char *const *argv)
{
    int n = 0;

    while (*name != '\0') {
        size_t len = strcspn(name, " ");
        if (n == argc || strlen(argv[n]) != len || strncasecmp(argv[n], name, len) != 0)
            return 0;
        n++;
        name += len;
        name += *name == ' ';
    }
    return n;
}

// Where the first word is that is neither an option nor the value of one; argc: nowhere.
static int find_word(int argc, char *const *argv)
{
    bool ignored;
    int at = 0;

    while (at < argc && argv[at][0] == '-') {
        const char *token = argv[at++];
        size_t len = name_len(token);
        const struct options_row *row = options_row(find(ANY, token, len));
        if (token[len] != '\0' || at == argc)
            continue;
        if (row->kind == OPTIONS_FLAG ? str_parse_bool(argv[at], &ignored) == 0
                                      : row->arg != NULL && !is_option(ANY, argv[at]))
            at++;
    }
    return at;
}

// OPTIONS_TEST where no words name another one. The command's words are argv[*ret_at] and on.
static enum options_command find_command(int argc, char *const *argv, int *ret_at, int *ret_n_words)
{
    enum options_command command = OPTIONS_TEST;
    int at = find_word(argc, argv);

    *ret_at = at;
    *ret_n_words = 0;
    for (enum options_command c = OPTIONS_TEST + 1; c < OPTIONS_COMMAND__COUNT; c++) {
        int n = match_command(name_of(c), argc - at, argv + at);
        if (n > *ret_n_words) {
            *ret_n_words = n;
            command = c;
        }
    }
    return command;
}

bool options_parse_real(const char *text, double *ret_value)
{
    size_t whole = strspn(text, "0123456789");
    size_t fraction = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    size_t len = whole + (text[whole] == '.' ? 1 + fraction : 0);

    if (whole + fraction == 0 || len > 30 || text[len] != '\0')
        return false;
    *ret_value = strtod(text, NULL);
    return true;
}

static int parse_value(const struct options_row *row, struct options_value *v, const char *text,
                       struct diag *d)
{
    if (v->n == OPTIONS_REPEATS_MAX)
        return diag_add(d, 0, 0, "%s: given more than %d times", v->spelling, OPTIONS_REPEATS_MAX);
    switch (row->kind) {
    case OPTIONS_FLAG:
        if (str_parse_bool(text, &v->flag) < 0)
            return diag_add(d, 0, 0, "%s %s: found \"%s\", expected true or false", v->spelling,
                            text, text);
        break;
    case OPTIONS_COUNT:
        if (str_parse_u64(text, row->min, row->max, &v->count) < 0)
            return diag_add(d, 0, 0,
                            "%s %s: found \"%s\", expected a whole number from %" PRIu64
                            " to %" PRIu64,
                            v->spelling, text, text, row->min, row->max);
        break;
    case OPTIONS_REAL:
        if (!options_parse_real(text, &v->real) || v->real <= 0 || v->real > (double)row->max)
            return diag_add(d, 0, 0,
                            "%s %s: found \"%s\", expected a number above 0 and up to %" PRIu64,
                            v->spelling, text, text, row->max);
        break;
    default:
        break;
    }
    v->text = xreallocarray(v->text, v->n + 1, sizeof(*v->text));
    v->text[v->n++] = text;
    return 0;
}

// Takes the option at argv[*at] and its value, and moves *at behind them. An option that may
// repeat takes the words that follow, too.
static int take_option(struct options *o, int argc, char *const *argv, int *at, struct diag *d,
                       enum options_id *ret_id)
{
    const char *token = argv[(*at)++];
    size_t len = name_len(token);
    enum options_id id = find(1u << o->command, token, len);
    const struct options_row *row = options_row(id);
    struct options_value *v = &o->value[id];
    bool ignored;

    if (id == OPTIONS_UNDEFINED)
        return unknown_option(o->command, token, d);
    if (v->spelling != NULL && !row->repeatable)
        return diag_add(d, 0, 0, "%.*s: given twice", (int)len, token);
    *ret_id = id;
    free(v->spelling);
    v->spelling = xstrndup(token, len);
    v->flag = true;
    if (token[len] != '\0')
        return parse_value(row, v, token + len + 1, d);

    bool has_next = *at < argc && !is_option(1u << o->command, argv[*at]);
    if (row->kind == OPTIONS_FLAG && (!has_next || str_parse_bool(argv[*at], &ignored) < 0))
        return 0;
    if (!has_next)
        return diag_add(d, 0, 0, "%s: the value is missing, expected %s %s; see lps --help",
                        v->spelling, v->spelling, row->arg);
    return parse_value(row, v, argv[(*at)++], d);
}

// last: the option that the token follows, if one does.
static int take_argument(struct options *o, const char *token, enum options_id last, struct diag *d)
{
    const struct options_command_row *row = options_command_row(o->command);

    if (row->arg != NULL && o->argument == NULL) {
        o->argument = token;
        return 0;
    }
    if (options_row(last)->repeatable)
        return parse_value(options_row(last), &o->value[last], token, d);
    if (o->command == OPTIONS_TEST)
        return unknown_command(token, d);
    return diag_add(d, 0, 0, "%s: unexpected after \"lps %s\"", token, row->name);
}

static int check_required(const struct options *o, struct diag *d)
{
    const struct options_command_row *row = options_command_row(o->command);

    if (row->is_arg_required && o->argument == NULL)
        return diag_add(d, 0, 0, "%s: %s is missing, expected lps %s %s", row->name, row->arg,
                        row->name, row->arg);
    for (enum options_id id = 1; id < OPTIONS__COUNT; id++) {
        const struct options_row *option = options_row(id);
        if ((option->required & (1u << o->command)) != 0 && !options_given(o, id))
            return diag_add(d, 0, 0, "%s: found no %s, expected %s %s", row->name,
                            option->spelling[option->spelling[1] != NULL], option->spelling[0],
                            option->arg);
    }
    return 0;
}

static int check_together(const struct options *o, struct diag *d)
{
    static const enum options_id not_local[] = {OPTIONS_SOCKET, OPTIONS_WAIT, OPTIONS_DETACH,
                                                OPTIONS_QUEUE};

    if (o->command != OPTIONS_TEST && o->command != OPTIONS_RUN)
        return 0;
    bool local = o->value[OPTIONS_LOCAL].flag;
    for (size_t i = 0; local && i < sizeof(not_local) / sizeof(not_local[0]); i++)
        if (options_given(o, not_local[i]))
            return diag_add(d, 0, 0, "%s: cannot be used with --local",
                            o->value[not_local[i]].spelling);
    if (!local && options_given(o, OPTIONS_CONFIG))
        return diag_add(d, 0, 0, "%s: for a test only with --local",
                        o->value[OPTIONS_CONFIG].spelling);
    return 0;
}

int options_parse(int argc, char *const *argv, struct diag *d, struct options *ret_options)
{
    struct options *o = ret_options;
    enum options_id last = OPTIONS_UNDEFINED;
    int words_at, n_words, at = 0, r = 0;

    *o = (struct options){0};
    o->command = find_command(argc, argv, &words_at, &n_words);
    while (r == 0 && at < argc && !options_is_help(o)) {
        if (at == words_at && n_words > 0)
            at += n_words;
        else if (argv[at][0] == '-')
            r = take_option(o, argc, argv, &at, d, &last);
        else
            r = take_argument(o, argv[at++], last, d);
    }
    if (r == 0 && !options_is_help(o))
        r = check_together(o, d);
    if (r == 0 && !options_is_help(o))
        r = check_required(o, d);
    return r;
}
