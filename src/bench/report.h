/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: figures as text and as JSON. Pure. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bench/load.h"
#include "bench/verify.h"

void report_run(const struct bench_options *options, const struct load_counts *counts,
                double seconds, struct buf *out);
void report_run_json(const struct bench_options *options, const struct load_counts *counts,
                     double seconds, const struct verify_result *verified, struct buf *out);
void report_verify(const char *label, const struct verify_result *result, struct buf *out);
void report_verify_json(const struct verify_result *result, struct buf *out);

#endif
