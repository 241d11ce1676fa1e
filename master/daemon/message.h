// What a worker may send: limits and shapes that protobuf does not know. PURE.
#pragma once

#include <stdint.h>

#include "lps.pb-c.h"

#include "master/daemon/cluster.h"
#include "master/daemon/run.h"

#define MESSAGE_FAILURE_MAX 500  // bytes kept of a FIN's failure
#define MESSAGE_RUNS_MAX    1000 // of one list

// NULL, or how the message breaks the protocol. Windows and totals are checked by wire_*_decode.
const char *message_check(const Lps__V1__WorkerMessage *msg);

void message_facts(const Lps__V1__Hello *hello, struct cluster_facts *ret_facts);
// 0, or -EBADMSG: the totals do not fit a plan of n_series. The caller frees failure.
int message_fin(const Lps__V1__Fin *msg, uint32_t n_series, struct run_fin *ret_fin);
// Requests in a window of a run that is not known here.
uint64_t message_requests(const Lps__V1__Window *msg);
