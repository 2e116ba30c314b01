# SPDX-License-Identifier: Apache-2.0
# What is looked at beside tests that pass: lines that no test reaches, memory that nobody frees.
COVERED_ROOMS := raft wire msg
.PHONY: coverage valgrind
coverage: ## lines of raft, wire and msg that their tests never reach
	$(Q)$(MAKE) --no-print-directory CFLAGS=--coverage LDFLAGS=--coverage BUILD=$(BUILD)-coverage WERROR=0 \
	    $(COVERED_ROOMS:%=$(BUILD)-coverage/unit/%) $(BUILD)-coverage/sim/scenario \
	    $(BUILD)-coverage/sim/sim-core $(BUILD)-coverage/sim/sim-node
	$(Q)find $(BUILD)-coverage -name '*.gcda' -delete
	$(Q)set -e; for room in $(COVERED_ROOMS); do CK_DEFAULT_TIMEOUT=300 $(BUILD)-coverage/unit/$$room; done
	$(Q)$(BUILD)-coverage/sim/scenario $(SCENARIOS)
	$(Q)$(BUILD)-coverage/sim/sim-core --seed $(SEED) --count $(N) --out $(BUILD)/found
	$(Q)$(BUILD)-coverage/sim/sim-node --seed $(SEED) --count $(N) --out $(BUILD)/found
	$(Q)$(PYTHON) scripts/coverage $(BUILD)-coverage $(COVERED_ROOMS)

valgrind: $(BUILD)/bin/lethed ## one start, a few writes and a stop under memcheck: nothing lost, nothing misread
	$(Q)BUILD=$(BUILD) $(PYTHON) scripts/valgrind-lethed
