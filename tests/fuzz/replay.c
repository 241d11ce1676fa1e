// Runs a fuzz target over the files of its corpus: replay DIR. TAP, one line for all.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    int n = 0;

    if (dir == NULL) {
        fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
        return 2;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        FILE *f = fopen(path, "rb");
        if (f == NULL)
            continue;
        char *text = NULL;
        size_t cap = 0, len = 0, got;
        do {
            text = realloc(text, cap += 65536);
            got = fread(text + len, 1, cap - len, f);
            len += got;
        } while (got > 0 && len == cap);
        fclose(f);
        uint8_t *exact = malloc(len ? len : 1); // so that a sanitizer sees one byte too far
        memcpy(exact, text, len);
        free(text);
        LLVMFuzzerTestOneInput(exact, len);
        free(exact);
        n++;
    }
    closedir(dir);
    printf("1..1\n%s 1 - %d corpus files replayed from %s\n", n > 0 ? "ok" : "not ok", n, argv[1]);
    return n > 0 ? 0 : 1;
}
