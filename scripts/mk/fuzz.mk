# SPDX-License-Identifier: Apache-2.0
# Fuzzers: one program for each tests/fuzz/fuzz_<name>.c, with its kept inputs in
# tests/fuzz/corpus/<name>. Their sources are compiled straight with clang, into an archive: a fuzzer
# links what it needs.
#
#   make fuzz SECONDS=60          every fuzzer for so long, one after another
#   make fuzz FUZZ="frame call"   only these
#   make fuzz-replay              the kept inputs alone, with $(CC): needs no clang
#   make fuzz-seed                writes the kept inputs of binary forms again
#   make fuzz-live                a running node instead of a parser
#
# What a run finds on its way goes to $(BUILD)/fuzz/found, a crash to $(BUILD)/fuzz/crash-*:
# `$(BUILD)/fuzz/replay-<name> <file>` runs it again.
SECONDS ?= 10
FUZZ ?= $(sort $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
CLANG ?= $(firstword $(shell command -v clang-14 clang 2>/dev/null))
FUZZ_SANITIZE := address,undefined
FUZZ_SOURCES := $(wildcard src/base/*.c src/wire/*.c src/sys/*.c src/store/*.c src/config/*.c) \
                $(addprefix src/http/,base64.c cursor.c jvalue.c path.c query.c tokens.c) \
                src/msg/remote.c src/msg/remote_answer.c \
                tests/unit/wire/values.c tests/unit/wire/probe.c tests/unit/msg/remote_probe.c
FUZZ_CFLAGS := -std=gnu11 -g -O1 -fno-omit-frame-pointer $(WARN) -D_GNU_SOURCE -Isrc -I. -MMD -MP \
               -fno-sanitize-recover=all
FUZZ_LIBS := -Wl,--as-needed $(call libs,base sys store config) -ljansson -lgnutls
FUZZ_OBJECTS := $(FUZZ_SOURCES:%.c=$(BUILD)/fuzz/clang/%.o)
FUZZ_CC_OBJECTS := $(FUZZ_SOURCES:%.c=$(BUILD)/fuzz/cc/%.o)

$(BUILD)/fuzz/clang.a: $(FUZZ_OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/fuzz/cc.a: $(FUZZ_CC_OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/fuzz/clang/%.o: %.c
	@mkdir -p $(@D)
	$(say) CLANG $<
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZE) -c -o $@ $<

$(BUILD)/fuzz/fuzz-%: $(BUILD)/fuzz/clang/tests/fuzz/fuzz_%.o $(BUILD)/fuzz/clang.a
	$(say) LINK $@
	$(Q)$(CLANG) -fsanitize=fuzzer,$(FUZZ_SANITIZE) -o $@ $^ $(FUZZ_LIBS)

$(BUILD)/fuzz/cc/%.o: %.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(FUZZ_CFLAGS) -fsanitize=$(FUZZ_SANITIZE) -c -o $@ $<

$(BUILD)/fuzz/replay-%: $(BUILD)/fuzz/cc/tests/fuzz/fuzz_%.o $(BUILD)/fuzz/cc/tests/fuzz/standalone.o $(BUILD)/fuzz/cc.a
	$(say) LINK $@
	$(Q)$(CC) -fsanitize=$(FUZZ_SANITIZE) -o $@ $^ $(FUZZ_LIBS)

$(BUILD)/fuzz/seed: $(BUILD)/fuzz/cc/tests/fuzz/seed.o $(BUILD)/fuzz/cc.a
	$(say) LINK $@
	$(Q)$(CC) -fsanitize=$(FUZZ_SANITIZE) -o $@ $^ $(FUZZ_LIBS)

# With a running node: an address sanitizer's build is as good, LETHED= names any.
LIVE_SECONDS ?= 20
.PHONY: fuzz-live
fuzz-live: $(BUILD)/bin/lethed ## damaged requests and frames against a running node: LIVE_SECONDS= each, SEED=
	$(Q)for what in http peer; do \
	    LETHED=$(abspath $(BUILD))/bin/lethed $(PYTHON) tests/fuzz/live.py $$what --seconds $(LIVE_SECONDS) --seed $(SEED) || exit 1; \
	done

.PHONY: fuzz fuzz-replay fuzz-seed
ifeq ($(CLANG),)
fuzz:
	@echo "SKIP fuzz: no clang"
else
fuzz: $(FUZZ:%=$(BUILD)/fuzz/fuzz-%) ## every parser over its corpus and beyond (SECONDS= each, FUZZ= names)
	$(Q)set -e; for name in $(FUZZ); do \
	    mkdir -p $(BUILD)/fuzz/found/$$name; \
	    $(BUILD)/fuzz/fuzz-$$name -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 \
	        -max_len=4096 -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/crash-$$name- \
	        $(BUILD)/fuzz/found/$$name tests/fuzz/corpus/$$name \
	        >$(BUILD)/fuzz/$$name.log 2>&1 || { \
	        tail -40 $(BUILD)/fuzz/$$name.log; echo "FAIL fuzz $$name: replay the crash file"; exit 1; }; \
	    awk -v name=$$name '/cov:/ { for (i = 1; i < NF; i++) if ($$i == "cov:") cov = $$(i + 1) } \
	        /number_of_executed_units/ { runs = $$2 } /peak_rss_mb/ { rss = $$2 } \
	        END { printf "fuzz   %s: %s runs, %s edges, %s MiB, nothing found\n", name, runs, cov, rss }' \
	        $(BUILD)/fuzz/$$name.log; \
	done
endif

fuzz-replay: $(FUZZ:%=$(BUILD)/fuzz/replay-%) ## the fuzzers over their kept corpora, with any compiler
	$(Q)set -e; for name in $(FUZZ); do $(BUILD)/fuzz/replay-$$name tests/fuzz/corpus/$$name/*; done
	@echo "$(words $(FUZZ)) passed, 0 failed"

fuzz-seed: $(BUILD)/fuzz/seed ## write the corpora of the wire fuzzers again
	$(Q)$(BUILD)/fuzz/seed tests/fuzz/corpus
