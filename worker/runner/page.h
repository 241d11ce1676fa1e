// The images, style sheets and scripts of a page, fetched as a browser would. The thread of its
// loop.
#pragma once

#include "worker/runner/client.h"
#include "worker/runner/resources.h"

// Zero-initialise, then page_done.
struct page {
    struct client *client;
    void (*on_done)(struct page *page); // all are over
    struct resources resources;
    struct request *requests;
    size_t n_left; // in flight
};

// What the HTML of an answer to parts names, all at once, in the series' name. False: there is
// nothing to wait for, and on_done does not come; else it comes later.
bool page_fetch(struct page *page, const struct request_parts *parts, uint32_t series,
                const char *html, size_t len);
// What is in flight is the client's to end, without a word.
void page_done(struct page *page);
