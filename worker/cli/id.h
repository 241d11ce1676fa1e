// Ids of submissions and local runs.
#pragma once

#define ID_LEN 36

// A random UUID in lower case.
void id_make(char out[ID_LEN + 1]);
