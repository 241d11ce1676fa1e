// Memory for OpenSSL, which takes and gives back two buffers of the size of a record with each
// request: the last few that a thread gave back are kept for its next ones.
#pragma once

// Before any other use of OpenSSL in the process.
void tls_memory_init(void);
