/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzzer defines: libFuzzer calls it, or standalone.c with the content of files. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
