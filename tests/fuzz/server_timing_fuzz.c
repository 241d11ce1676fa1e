// Times are within their limit, whatever the text; a bare number is a total and nothing else.
#include <assert.h>

#include "common/hist.h"
#include "worker/runner/server_timing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;

    for (int f = SERVER_TIMING_AUTO; f < SERVER_TIMING__COUNT; f++) {
        struct server_timing t = server_timing_parse((enum server_timing_format)f, text, size);
        assert(t.db_us <= HIST_MAX_US && t.cache_us <= HIST_MAX_US && t.app_us <= HIST_MAX_US);
        assert(t.total_us <= HIST_MAX_US);
        if (f == SERVER_TIMING_MILLISECONDS || f == SERVER_TIMING_SECONDS)
            assert(t.db_us == 0 && t.cache_us == 0 && t.app_us == 0);
    }
    return 0;
}
