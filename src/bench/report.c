/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/report.h"

#include "client/json.h"
#include "client/table.h"

#include <inttypes.h>

static const double percents[] = {50, 90, 99, 99.9, 99.99};

void report_run(const struct bench_options *options, const struct load_counts *counts,
                double seconds, struct buf *out)
{
    const struct histogram *latency = &counts->latency;
    char number[CLIENT_COUNT_SIZE];
    double rate = seconds > 0 ? (double)counts->requests / seconds : 0;
    double messages = seconds > 0 ? (double)counts->messages / seconds : 0;
    buf_printf(out, "%s: %" PRIu64 " clients, %" PRIu64 " bytes, %.1f s%s\n",
               bench_workload_name(options->workload), options->clients, options->size, seconds,
               options->rate != 0 ? ", fixed rate" : "");
    buf_printf(out, "  %12s requests/s", client_count_text((uint64_t)rate, number));
    buf_printf(out, "  (%s", client_count_text(counts->requests, number));
    buf_append_string(out, " in all)\n");
    if (counts->messages != 0) {
        buf_printf(out, "  %12s messages/s", client_count_text((uint64_t)messages, number));
        buf_printf(out, "  (%s", client_count_text(counts->messages, number));
        buf_append_string(out, " in all)\n");
    }
    if (counts->deleted != 0)
        buf_printf(out, "  %12s messages deleted\n", client_count_text(counts->deleted, number));
    buf_printf(out, "  latency ms: mean %.2f  min %.2f", histogram_mean(latency) / 1000,
               (double)latency->min / 1000);
    for (size_t i = 0; i < ARRAY_LEN(percents); i++)
        buf_printf(out, "  p%g %.2f", percents[i],
                   (double)histogram_percentile(latency, percents[i]) / 1000);
    buf_printf(out, "  max %.2f\n", (double)latency->max / 1000);
    if (counts->refused + counts->unknown + counts->failed + counts->broken + counts->unsent != 0)
        buf_printf(out,
                   "  refused %" PRIu64 ", outcome unknown %" PRIu64 ", failed %" PRIu64
                   ", broken connections %" PRIu64 ", never sent in time %" PRIu64 "\n",
                   counts->refused, counts->unknown, counts->failed, counts->broken,
                   counts->unsent);
    if (counts->duplicates != 0)
        buf_printf(out, "  %" PRIu64 " were there already (sent again)\n", counts->duplicates);
}

void report_verify_json(const struct verify_result *result, struct buf *out)
{
    buf_printf(out,
               "{\"channels\":%" PRIu64 ",\"acknowledged\":%" PRIu64 ",\"found\":%" PRIu64
               ",\"deleted\":%" PRIu64 ",\"unknown\":%" PRIu64 ",\"unknown_stored\":%" PRIu64
               ",\"foreign\":%" PRIu64,
               result->channels, result->acknowledged, result->found, result->deleted,
               result->unknown, result->unknown_stored, result->foreign);
    buf_printf(out,
               ",\"faults\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"stored_twice\":%" PRIu64
               ",\"wrong_payload\":%" PRIu64 ",\"wrong_place\":%" PRIu64 ",\"undeleted\":%" PRIu64
               ",\"refused_stored\":%" PRIu64 ",\"disordered\":%" PRIu64
               ",\"unexplained_holes\":%" PRIu64 ",\"unrecorded\":%" PRIu64 "}",
               verify_faults(result), result->lost, result->stored_twice, result->wrong_payload,
               result->wrong_place, result->undeleted, result->refused_stored, result->disordered,
               result->unexplained_holes, result->unrecorded);
}

void report_run_json(const struct bench_options *options, const struct load_counts *counts,
                     double seconds, const struct verify_result *verified, struct buf *out)
{
    const struct histogram *latency = &counts->latency;
    double rate = seconds > 0 ? (double)counts->requests / seconds : 0;
    double messages = seconds > 0 ? (double)counts->messages / seconds : 0;
    buf_printf(out,
               "{\"workload\":\"%s\",\"clients\":%" PRIu64 ",\"threads\":%" PRIu64
               ",\"size\":%" PRIu64 ",\"channels\":%" PRIu64 ",\"batch\":%" PRIu64
               ",\"rate\":%" PRIu64 ",\"seconds\":%.3f",
               bench_workload_name(options->workload), options->clients, options->threads,
               options->size, options->channels, options->batch, options->rate, seconds);
    buf_printf(out,
               ",\"requests\":%" PRIu64 ",\"requests_per_s\":%.1f,\"messages\":%" PRIu64
               ",\"messages_per_s\":%.1f,\"deleted\":%" PRIu64 ",\"duplicates\":%" PRIu64,
               counts->requests, rate, counts->messages, messages, counts->deleted,
               counts->duplicates);
    buf_printf(out, ",\"latency_us\":{\"mean\":%.1f,\"min\":%" PRIu64, histogram_mean(latency),
               latency->min);
    for (size_t i = 0; i < ARRAY_LEN(percents); i++)
        buf_printf(out, ",\"p%g\":%" PRIu64, percents[i],
                   histogram_percentile(latency, percents[i]));
    buf_printf(out, ",\"max\":%" PRIu64 "}", latency->max);
    buf_printf(out,
               ",\"refused\":%" PRIu64 ",\"unknown\":%" PRIu64 ",\"failed\":%" PRIu64
               ",\"broken\":%" PRIu64 ",\"unsent\":%" PRIu64,
               counts->refused, counts->unknown, counts->failed, counts->broken, counts->unsent);
    if (verified != NULL) {
        buf_append_string(out, ",\"verified\":");
        report_verify_json(verified, out);
    }
    buf_append_string(out, "}\n");
}

void report_verify(const char *label, const struct verify_result *result, struct buf *out)
{
    uint64_t faults = verify_faults(result);
    char number[CLIENT_COUNT_SIZE];
    buf_printf(out, "%s: %s acknowledged messages", label,
               client_count_text(result->acknowledged, number));
    buf_printf(out, ", %s found", client_count_text(result->found, number));
    buf_printf(out, ", %s deleted", client_count_text(result->deleted, number));
    buf_printf(out, "; %" PRIu64 " of unknown outcome, %" PRIu64 " of them stored", result->unknown,
               result->unknown_stored);
    if (result->foreign != 0)
        buf_printf(out, "; %" PRIu64 " not of this journal", result->foreign);
    if (faults == 0) {
        buf_append_string(out, "; nothing wrong\n");
        return;
    }
    buf_printf(out,
               "\n  %" PRIu64 " FAULTS: lost %" PRIu64 ", stored twice %" PRIu64
               ", wrong payload %" PRIu64 ", wrong place %" PRIu64 ", deleted but shown %" PRIu64,
               faults, result->lost, result->stored_twice, result->wrong_payload,
               result->wrong_place, result->undeleted);
    buf_printf(out,
               ", refused but stored %" PRIu64 ", out of order %" PRIu64
               ", channels with unexplained holes %" PRIu64 ", never sent %" PRIu64 "\n",
               result->refused_stored, result->disordered, result->unexplained_holes,
               result->unrecorded);
}
