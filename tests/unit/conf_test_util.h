// Texts of settings, and what becomes of them.
#pragma once

#include "common/conf.h"

struct conf *accepts(const char *text);
// The only complaint, at this place, begins so.
void refuses(const char *text, int line, int column, const char *begin);
// One key of a section with this value (JSON); the complaint is at the value, and after the key's
// name.
struct conf *accepts_key(const char *section, const char *key, const char *value);
void refuses_key(const char *section, const char *key, const char *value, const char *begin);

void assert_same_conf(const struct conf *a, const struct conf *b);
char *read_text(const char *path); // the caller frees
