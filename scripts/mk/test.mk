# SPDX-License-Identifier: Apache-2.0
# What CI runs, as steps that are counted; see scripts/run-tests.
ASAN := SANITIZE=address,undefined
THREADED_ROOMS := sys store node http

.PHONY: check test unit-threads help
check: ## under a minute: lint, unit, scenario, a short simulation
	$(Q)MAKE="$(MAKE)" scripts/run-tests lint "unit -j$(JOBS)" "scenario" "sim N=50"

test: ## all that CI runs; the last line is "N passed, N failed"
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all $(UNIT_ROOMS:%=$(BUILD)/unit/%)
	$(Q)MAKE="$(MAKE)" scripts/run-tests lint unit scenario sim mutants-quick api-check cluster \
	    "$(ASAN) -j$(JOBS) unit" "$(ASAN) -j$(JOBS) scenario" "$(ASAN) -j$(JOBS) sim N=150" \
	    "SANITIZE=thread -j$(JOBS) unit-threads"

unit-threads: $(patsubst %,$(BUILD)/unit/%,$(filter $(THREADED_ROOMS),$(UNIT_ROOMS)))
	$(Q)for t in $^; do TSAN_OPTIONS="halt_on_error=1 $$TSAN_OPTIONS" $$t || exit 1; done

help: ## every target in one line
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile scripts/mk/*.mk | sort | expand -t 20
	@sed -n '4,12s/^#//p' Makefile
