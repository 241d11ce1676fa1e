// A metric, its codes and a span, a line each: what is accepted prints as a rule that is the same.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rule(const char *metric, const char *codes)
{
    char why[200] = "";
    struct rule rule, again;
    struct rule_codes parsed;

    if (rule_parse(metric, &rule, why, sizeof why) < 0) {
        assert(strncmp(why, "found ", 6) == 0);
        return;
    }
    if (rule_parse_codes(codes, &parsed, why, sizeof why) < 0)
        assert(strncmp(why, "found ", 6) == 0);
    else
        rule.codes = parsed;
    char *text = rule_format(&rule), *bracket = strstr(text, " [codes ");
    char *copy = strdup(text);
    if (bracket != NULL) {
        *bracket = '\0';
        bracket += strlen(" [codes ");
        bracket[strlen(bracket) - 1] = '\0';
    }
    assert(rule_parse(text, &again, why, sizeof why) == 0);
    assert(rule_parse_codes(bracket, &again.codes, why, sizeof why) == 0);
    assert(again.what == rule.what && again.latency == rule.latency && again.stat == rule.stat);
    assert(again.percentile == rule.percentile && again.op == rule.op);
    assert(again.a == rule.a && again.b == rule.b && again.codes.op == rule.codes.op);
    assert(again.codes.a == rule.codes.a && again.codes.b == rule.codes.b);
    char *text_again = rule_format(&again);
    assert(strcmp(copy, text_again) == 0);
    free(text_again);
    free(copy);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size), *line[3] = {text, "", ""};
    char why[16];
    int64_t ms = -1;

    for (int i = 1; i < 3; i++) {
        char *end = strchr(line[i - 1], '\n');
        if (end == NULL)
            break;
        *end = '\0';
        line[i] = end + 1;
    }
    check_rule(line[0], line[1]);
    if (rule_parse_span(line[2], &ms, why, sizeof why) == 0)
        assert(ms >= 0 && ms <= RULE_SPAN_MAX_MS);
    else
        assert(strncmp(why, "found ", 6) == 0);
    free(text);
    return 0;
}
