// A plan file: YAML or JSON, as its name ends. Main thread.
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "common/diag.h"
#include "common/str.h"
#include "common/yaml.h"

#define PLAN_FILE_MAX (16 * 1024 * 1024)

struct plan_file {
    bool is_yaml;
    json_t *json;
    struct buf text;       // data is not NULL
    struct places *places; // NULL: JSON
};

// Whether the name ends in .yaml or .yml, or in .json; else -EINVAL and an entry in d.
int plan_file_is_yaml(const char *path, struct diag *d, bool *ret_yaml);
// 0, -EINVAL with entries in d, -ENOENT or another -errno without; is_yaml is set also where there
// is no such file. Then plan_file_done.
int plan_file_read(const char *path, struct diag *d, struct plan_file *ret_file);
void plan_file_done(struct plan_file *f);
// Before it is written again: what YAML reads as a number or boolean and a plan as text (a header
// 1.10, a value TRUE) becomes the text that it was.
void plan_file_keep_texts(struct plan_file *f);
// Whole or not at all: a reader finds the old file or the new one. The keys are in the order of
// json. 0 or -errno.
int plan_file_write(const char *path, bool yaml, const json_t *json);
