#include "common/script/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

void text_trim(const char **begin, const char **end)
{
    while (*begin < *end && text_is_blank(**begin))
        ++*begin;
    while (*begin < *end && text_is_blank((*end)[-1]))
        --*end;
}

bool text_is(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(text, word, len) == 0;
}

// Beyond ASCII: upper case letters first..last, each step-th, and how far behind them their lower
// case is (UnicodeData.txt, simple mappings that lead there and back).
static const struct {
    uint16_t first, last;
    uint8_t step;
    int16_t to_lower;
} letters[] = {
    {0xc0, 0xd6, 1, 32},     {0xd8, 0xde, 1, 32},     {0x100, 0x12e, 2, 1},
    {0x132, 0x136, 2, 1},    {0x139, 0x147, 2, 1},    {0x14a, 0x176, 2, 1},
    {0x178, 0x178, 1, -121}, {0x179, 0x17d, 2, 1},    {0x186, 0x186, 1, 206},
    {0x18f, 0x18f, 1, 202},  {0x190, 0x190, 1, 203},  {0x1a0, 0x1a4, 2, 1},
    {0x1af, 0x1af, 1, 1},    {0x1cd, 0x1db, 2, 1},    {0x1de, 0x1ee, 2, 1},
    {0x1f8, 0x21e, 2, 1},    {0x222, 0x232, 2, 1},    {0x386, 0x386, 1, 38},
    {0x388, 0x38a, 1, 37},   {0x38c, 0x38c, 1, 64},   {0x38e, 0x38f, 1, 63},
    {0x391, 0x3a1, 1, 32},   {0x3a3, 0x3ab, 1, 32},   {0x400, 0x40f, 1, 80},
    {0x410, 0x42f, 1, 32},   {0x460, 0x480, 2, 1},    {0x48a, 0x4be, 2, 1},
    {0x4c0, 0x4c0, 1, 15},   {0x4c1, 0x4cd, 2, 1},    {0x4d0, 0x52e, 2, 1},
    {0x531, 0x556, 1, 48},   {0x1e00, 0x1e94, 2, 1},  {0x1ea0, 0x1efe, 2, 1},
    {0x1f08, 0x1f0f, 1, -8}, {0x1f18, 0x1f1d, 1, -8}, {0x1f28, 0x1f2f, 1, -8},
    {0x1f38, 0x1f3f, 1, -8}, {0x1f48, 0x1f4d, 1, -8}, {0x1f68, 0x1f6f, 1, -8},
    {0xff21, 0xff3a, 1, 32},
};

static uint32_t map_case(uint32_t c, bool is_upper)
{
    if (c < 0x80)
        return (uint32_t)(is_upper ? toupper((int)c) : tolower((int)c));
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        int64_t shift = is_upper ? letters[i].to_lower : 0;
        int64_t upper = (int64_t)c - shift;
        if (upper >= letters[i].first && upper <= letters[i].last &&
            (upper - letters[i].first) % letters[i].step == 0)
            return (uint32_t)(is_upper ? upper : upper + letters[i].to_lower);
    }
    return c;
}

size_t text_put_char(char out[4], uint32_t c)
{
    size_t n = 0;

    if (c < 0x80) {
        out[n++] = (char)c;
    } else if (c < 0x800) {
        out[n++] = (char)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        out[n++] = (char)(0xe0 | c >> 12);
        out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    } else {
        out[n++] = (char)(0xf0 | c >> 18);
        out[n++] = (char)(0x80 | (c >> 12 & 0x3f));
        out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80)
        out[n++] = (char)(0x80 | (c & 0x3f));
    return n;
}

void text_append_char(struct buf *out, uint32_t c)
{
    char bytes[4];

    buf_append(out, bytes, text_put_char(bytes, c));
}

// The character of n bytes, 1 to 4.
static uint32_t read_char(const char *p, size_t n)
{
    uint32_t c = n == 1 ? (unsigned char)*p : (unsigned char)*p & (0x7fU >> n);

    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    return c;
}

void text_append_case(struct buf *out, const char *text, size_t len, bool is_upper)
{
    buf_reserve(out, len);
    for (const char *p = text, *end = text + len; p < end;) {
        size_t n = str_printable(p);
        uint32_t c = n == 0 ? 0 : read_char(p, n), mapped = map_case(c, is_upper);
        n = n == 0 ? 1 : n;
        if (mapped != c)
            text_append_char(out, mapped);
        else
            buf_append(out, p, n);
        p += n;
    }
    buf_append(out, "", 0); // ends with NUL even where nothing came
}

void text_unquote(const char **text, size_t *len)
{
    if (*len < 2 || **text != '"' || (*text)[*len - 1] != '"')
        return;
    ++*text;
    *len -= 2;
}

bool text_list_open(struct text_list *list, const char *text, size_t len)
{
    const char *end = text + len;

    text_trim(&text, &end);
    bool has_brackets = end - text >= 2 && *text == '[' && end[-1] == ']';
    if (has_brackets) {
        text++;
        end--;
        text_trim(&text, &end);
    }
    *list = (struct text_list){text < end ? text : NULL, end};
    return has_brackets;
}

static const char *skip_blanks(const char *p, const char *end)
{
    text_trim(&p, &end);
    return p;
}

static const char *item_end(const char *p, const char *end)
{
    const char *first = skip_blanks(p, end), *q;

    if (first < end && *first == '"') {
        for (q = first + 1; q < end && *q != '"'; q++)
            q += *q == '\\' && q + 1 < end;
        const char *next = q < end ? skip_blanks(q + 1, end) : NULL;
        if (next != NULL && (next == end || *next == ','))
            return next;
    }
    const char *comma = memchr(p, ',', (size_t)(end - p));
    return comma != NULL ? comma : end;
}

bool text_list_next(struct text_list *list, const char **ret_item, size_t *ret_len)
{
    if (list->at == NULL)
        return false;
    const char *begin = list->at, *end = item_end(begin, list->end);
    list->at = end < list->end ? end + 1 : NULL;
    text_trim(&begin, &end);
    *ret_item = begin;
    *ret_len = (size_t)(end - begin);
    text_unquote(ret_item, ret_len);
    return true;
}
