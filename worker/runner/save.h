// Answers saved as files, now and then one of a series: below the working directory,
// "ROUND.ITERATION.Resources/URL_TIME.EXTENSION". Any thread.
#pragma once

#include "worker/runner/answer.h"
#include "worker/runner/program_impl.h"

#define SAVE_PERIOD_NS NS_PER_S // of a series, from one to the next
#define SAVE_URL_MAX   150      // bytes of it in a file's name

// The answer to a request made of parts, where it is the series' turn at now_ns. The first that
// cannot be saved is a warning, the others are not.
void save_answer(const struct program *p, struct program_series *s,
                 const struct request_parts *parts, const struct answer *answer, int64_t now_ns);
