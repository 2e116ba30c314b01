# SPDX-License-Identifier: Apache-2.0
# What CI runs, as steps that are counted; see scripts/run-tests.
# The sanitizers' folders are named here: with BUILD= on make's own command line those steps would
# else find the plain objects up to date, and check nothing.
ASAN := SANITIZE=address,undefined BUILD=$(BUILD)-address-undefined
TSAN := SANITIZE=thread BUILD=$(BUILD)-thread
# RocksDB is not instrumented: what it does inside is not ours to judge.
TSAN_OPTIONS_OURS := halt_on_error=1 suppressions=$(CURDIR)/tests/lib/tsan.supp
THREADED_ROOMS := sys net node http
# Mostly single-threaded, and slow under TSan: of these the suite `threads` alone.
THREADED_SUITES := store msg

.PHONY: check test unit-threads help
check: ## under a minute: lint, unit, scenario, a short simulation
	$(Q)MAKE="$(MAKE)" scripts/run-tests lint "unit -j$(JOBS)" "scenario" "sim N=50"

test: ## all that CI runs; the last line is "N passed, N failed"
	$(Q)scripts/install-deps build lint fuzz test
	$(Q)scripts/install-deps ui || echo "no browser: ui-check will be skipped"
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all $(UNIT_ROOMS:%=$(BUILD)/unit/%)
	$(Q)MAKE="$(MAKE)" scripts/run-tests lint unit scenario "sim N=2000" "sim-rocks N=60" mutants-quick fuzz-replay fuzz-live valgrind api-check guide-check ops-check man-check install-check alerts-check ui-check cluster \
	    "$(ASAN) -j$(JOBS) unit" "$(ASAN) -j$(JOBS) scenario" "$(ASAN) -j$(JOBS) sim N=300" \
	    "$(TSAN) -j$(JOBS) unit-threads"

unit-threads: $(patsubst %,$(BUILD)/unit/%,$(filter $(THREADED_ROOMS),$(UNIT_ROOMS))) | $(THREADED_SUITES:%=$(BUILD)/unit/%)
	$(Q)TSAN_OPTIONS="$(TSAN_OPTIONS_OURS)" scripts/run-programs $(JOBS) $^
	$(Q)for room in $(THREADED_SUITES); do \
	    CK_RUN_SUITE=threads TSAN_OPTIONS="$(TSAN_OPTIONS_OURS)" $(BUILD)/unit/$$room || exit 1; \
	done

help: ## every target in one line
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile scripts/mk/*.mk | sort | expand -t 20
	@sed -n '4,13s/^#//p' Makefile
