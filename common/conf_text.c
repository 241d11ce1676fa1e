#include "common/conf_text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/conf.h"
#include "common/str.h"

#define HOST_MAX   253 // RFC 1035 section 2.3.4, as text
#define HEADER_MAX 256

static bool has_only(const char *text, const char *also)
{
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && strchr(also, *text) == NULL)
            return false;
    return true;
}

bool conf_is_node_name(const char *text)
{
    return *text != '\0' && strlen(text) <= 64 && has_only(text, "._-");
}

bool conf_is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;

    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
    return strcasecmp(host, "localhost") == 0;
}

bool conf_text_is_address(const char *text)
{
    struct in6_addr address;

    return inet_pton(strchr(text, ':') != NULL ? AF_INET6 : AF_INET, text, &address) == 1;
}

bool conf_text_is_host(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > HOST_MAX)
        return false;
    if (strchr(text, ':') != NULL || strspn(text, "0123456789.") == len)
        return conf_text_is_address(text);
    return has_only(text, ".-_");
}

bool conf_text_is_proxy(const char *text)
{
    static const char scheme[] = "http://";
    uint64_t port;

    if (strncasecmp(text, scheme, strlen(scheme)) != 0)
        return false;
    const char *host = text + strlen(scheme), *colon = strrchr(host, ':');
    if (colon == NULL || colon == host || str_parse_u64(colon + 1, 1, 65535, &port) < 0)
        return false;
    bool is_literal = host[0] == '[' && colon[-1] == ']';
    char *bare = is_literal ? xstrndup(host + 1, (size_t)(colon - host) - 2)
                            : xstrndup(host, (size_t)(colon - host));
    bool ok = conf_text_is_host(bare) && is_literal == (strchr(bare, ':') != NULL);
    free(bare);
    return ok;
}

char **conf_list(const char *text, size_t *ret_n)
{
    char **list = NULL, *copy = text != NULL ? xstrdup(text) : NULL, *rest = copy, *entry;
    size_t n = 0;

    while ((entry = strsep(&rest, ",")) != NULL) {
        entry += strspn(entry, " \t");
        size_t len = strlen(entry);
        while (len > 0 && strchr(" \t", entry[len - 1]) != NULL)
            len--;
        list = xreallocarray(list, n + 1, sizeof *list);
        list[n++] = xstrndup(entry, len);
    }
    free(copy);
    *ret_n = n;
    return list;
}

void conf_list_free(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

static bool is_list(const char *text, bool (*is_entry)(const char *entry))
{
    size_t n;
    char **list = conf_list(text, &n);
    bool ok = n <= CONF_LIST_MAX;

    for (size_t i = 0; ok && i < n; i++)
        ok = is_entry(list[i]);
    conf_list_free(list, n);
    return ok;
}

bool conf_text_is_addresses(const char *text)
{
    return is_list(text, conf_text_is_address);
}

static bool is_host_or_suffix(const char *text)
{
    return strcmp(text, "*") == 0 || conf_text_is_host(text[0] == '.' ? text + 1 : text);
}

bool conf_text_is_no_proxy(const char *text)
{
    return is_list(text, is_host_or_suffix);
}

bool conf_text_is_header(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len <= HEADER_MAX && has_only(text, "!#$%&'*+-.^_`|~");
}
