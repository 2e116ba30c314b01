/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one fuzzer over the files it is given, without libFuzzer: to replay a find in a debugger,
 * and to replay the kept corpora with any compiler. Prints how many files ran. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX_BYTES = 16 * 1024 * 1024 };

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    uint8_t *whole = malloc(FILE_MAX_BYTES);
    size_t len = whole == NULL ? 0 : fread(whole, 1, FILE_MAX_BYTES, file);
    /* A copy of the exact size, so that a sanitizer sees the first byte behind it. */
    uint8_t *data = realloc(whole, len == 0 ? 1 : len);
    int failed = data == NULL || ferror(file);
    fclose(file);
    if (failed) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(data);
        return -1;
    }
    LLVMFuzzerTestOneInput(data, len);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (run_file(argv[i]) != 0)
            return 1;
    }
    printf("%s: %d files\n", argv[0], argc - 1);
    return argc > 1 ? 0 : 1;
}
