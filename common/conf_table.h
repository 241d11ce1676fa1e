// The rows behind common/conf.h: every section and key that a settings file may have. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_ROOT "LPSAppSettings" // the member that may hold all sections

enum conf_type {
    CONF_TYPE_UNDEFINED = 0,
    CONF_TEXT,
    CONF_HOST, // address or host name
    CONF_NODE, // node name
    CONF_TEXT_OR_NULL,
    CONF_PATH_OR_NULL,      // absolute
    CONF_PROXY_OR_NULL,     // "http://host:port"
    CONF_NO_PROXY_OR_NULL,  // hosts, ".suffix" or "*", separated by commas
    CONF_ADDRESSES_OR_NULL, // literal addresses, separated by commas
    CONF_HEADER_OR_NULL,    // a header's name
    CONF_BOOL,
    CONF_COUNT,   // uint64_t
    CONF_SECONDS, // uint64_t of milliseconds, a decimal number of seconds in the file
    CONF_LEVEL,   // int, a syslog priority; a word or its index in the file
    CONF_CHOICE,  // int, a word's index; the word or the index in the file
    CONF_TYPE__COUNT,
};

#define CONF_IGNORED SIZE_MAX // offset of what is checked and then has no effect

struct conf_row {
    const char *section, *name;
    const char *alias; // another spelling of name, or NULL
    enum conf_type type;
    size_t offset; // in struct conf
    uint64_t min, max;
    const char *range;
    const char *const *words; // CONF_LEVEL and CONF_CHOICE: ends with NULL
    const char *dflt;         // JSON; NULL: the host's name
    const char *doc;
    bool reloadable;
};

// NULL past the end.
const struct conf_row *conf_row_at(size_t i);
// By section and name or alias; NULL: none.
const struct conf_row *conf_row_find(const char *section, const char *key);
// The section of this name ("LPSDashboardConfiguration" is "Dashboard"); NULL: none.
const char *conf_section_find(const char *name);
