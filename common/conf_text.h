// What the texts in settings may look like. PURE.
#pragma once

#include <stdbool.h>

// A literal address without brackets or port.
bool conf_text_is_address(const char *text);
// An address or a host name.
bool conf_text_is_host(const char *text);
// "http://host:port", an IPv6 address in brackets; no user, no path.
bool conf_text_is_proxy(const char *text);
// 1 to CONF_LIST_MAX addresses separated by commas.
bool conf_text_is_addresses(const char *text);
// The same of hosts, ".suffix" and "*" among them.
bool conf_text_is_no_proxy(const char *text);
// A header's name: a token (RFC 9110 section 5.6.2) of at most 256 characters.
bool conf_text_is_header(const char *text);
