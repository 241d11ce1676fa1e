// XML and XPath 1.0 by libxml2: bounded, nothing fetched, nothing printed. PURE.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "common/str.h"

// The document; the caller frees. NULL: into why (of size) what is wrong. A document that declares
// entities is refused, as a few bytes of these may stand for as many as they like.
xmlDoc *xml_parse(const char *text, size_t len, char *why, size_t size);
// For paths into the document, which take steps_max steps together; the caller frees.
xmlXPathContext *xml_xpath_new(xmlDoc *doc, unsigned long steps_max);
// What the path gives, seen from a node; the caller frees. NULL: into why (of size) what is wrong.
xmlXPathObject *xml_xpath(xmlXPathContext *xpath, xmlNode *from, const char *path, char *why,
                          size_t size);
// Appends it as text; of nodes the first. False: there is none.
bool xml_append(const xmlXPathObject *found, struct buf *out);
