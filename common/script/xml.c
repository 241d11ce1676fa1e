#include "common/script/xml.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/script/value.h"

#define WHAT_SIZE 100

static void on_entity_decl(void *arg, const xmlChar *name, int type, const xmlChar *public_id,
                           const xmlChar *system_id, xmlChar *content)
{
    xmlParserCtxt *ctxt = arg;
    bool *has_entities = ctxt->_private;

    (void)name;
    (void)type;
    (void)public_id;
    (void)system_id;
    (void)content;
    *has_entities = true;
    xmlStopParser(ctxt);
}

// libxml2 wants this to be over before threads meet in it.
static pthread_once_t libxml_is_ready = PTHREAD_ONCE_INIT;

xmlDoc *xml_parse(const char *text, size_t len, char *why, size_t size)
{
    pthread_once(&libxml_is_ready, xmlInitParser);
    xmlParserCtxt *ctxt = xmlNewParserCtxt();
    bool has_entities = false;

    assert(ctxt != NULL);
    ctxt->_private = &has_entities;
    ctxt->sax->entityDecl = on_entity_decl;
    xmlDoc *doc = xmlCtxtReadMemory(ctxt, text, (int)len, NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                        XML_PARSE_COMPACT);
    const xmlError *error = xmlCtxtGetLastError(ctxt);
    if (has_entities) {
        snprintf(why, size, "it declares entities, which are not accepted");
        xmlFreeDoc(doc);
        doc = NULL;
    } else if (doc == NULL) {
        const char *message = error == NULL || error->message == NULL ? "" : error->message;
        snprintf(why, size, "it is no XML: line %d: %.*s", error == NULL ? 0 : error->line,
                 (int)strcspn(message, "\n"), message);
    }
    xmlFreeParserCtxt(ctxt);
    return doc;
}

// A handler is told the code and the place; the message only the process would be.
static void on_xpath_error(void *arg, xmlError *error)
{
    char *what = arg;

    if (*what != '\0')
        return;
    switch (error->code - XML_XPATH_EXPRESSION_OK) {
    case XPATH_UNDEF_PREFIX_ERROR:
        strcpy(what, "a prefix that is not declared");
        break;
    case XPATH_UNKNOWN_FUNC_ERROR:
        strcpy(what, "a function that is not known");
        break;
    case XPATH_UNDEF_VARIABLE_ERROR:
        strcpy(what, "a variable");
        break;
    case XPATH_INVALID_OPERAND:
    case XPATH_INVALID_TYPE:
    case XPATH_INVALID_ARITY:
        strcpy(what, "operands that do not fit");
        break;
    case XPATH_STACK_ERROR:
    case XPATH_OP_LIMIT_EXCEEDED:
    case XPATH_RECURSION_LIMIT_EXCEEDED:
        strcpy(what, "more work than is allowed");
        break;
    default:
        snprintf(what, WHAT_SIZE, "an error at character %d", error->int1 + 1);
        break;
    }
}

// Some of it is printed beside.
static void on_generic_error(void *arg, const char *format, ...)
{
    (void)arg;
    (void)format;
}

xmlXPathContext *xml_xpath_new(xmlDoc *doc, unsigned long steps_max)
{
    xmlXPathContext *xpath = xmlXPathNewContext(doc);

    assert(xpath != NULL);
    xpath->error = on_xpath_error;
    xpath->opLimit = steps_max;
    return xpath;
}

xmlXPathObject *xml_xpath(xmlXPathContext *xpath, xmlNode *from, const char *path, char *why,
                          size_t size)
{
    char what[WHAT_SIZE] = "";

    xpath->userData = what;
    xpath->node = from;
    xpath->contextSize = xpath->proximityPosition = -1; // an error may leave others
    xmlSetGenericErrorFunc(NULL, on_generic_error);     // of this thread
    xmlXPathObject *found = xmlXPathEval((const xmlChar *)path, xpath);
    if (found == NULL)
        snprintf(why, size, "found %s, expected XPath 1.0", what);
    return found;
}

bool xml_append(const xmlXPathObject *found, struct buf *out)
{
    char number[VALUE_DOUBLE_SIZE];

    if (found->type == XPATH_NUMBER) {
        buf_puts(out, value_format_double(found->floatval, number));
        return true;
    }
    if (found->type == XPATH_NODESET && xmlXPathNodeSetIsEmpty(found->nodesetval))
        return false;
    xmlChar *text = found->type == XPATH_NODESET
                        ? xmlXPathCastNodeToString(found->nodesetval->nodeTab[0])
                        : xmlXPathCastToString((xmlXPathObject *)found);
    if (text != NULL)
        buf_puts(out, (const char *)text);
    xmlFree(text);
    return true;
}
