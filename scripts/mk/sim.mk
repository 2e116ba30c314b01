# SPDX-License-Identifier: Apache-2.0
# Scenarios and simulators. UPDATE=1 rewrites golden transcripts; SEED= N= choose simulated runs.
SEED ?= 1
N ?= 400

SIM_SHARED := language scenario simulate
SIM_CORE := core_model core_checks core_backend core_expect
sim_objs = $(patsubst %,$(BUILD)/tests/sim/%.o,$(1))
SIM_CORE_LIBS := $(call archives,raft base)
SCENARIOS := $(sort $(wildcard tests/scenario/*.txt))

$(BUILD)/sim/scenario: $(call sim_objs,run $(SIM_SHARED) $(SIM_CORE)) $(SIM_CORE_LIBS)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(call libs,base)

$(BUILD)/sim/sim-core: $(call sim_objs,sim_core $(SIM_SHARED) $(SIM_CORE)) $(SIM_CORE_LIBS)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(call libs,base)

.PHONY: scenario sim sim-core
scenario: $(BUILD)/sim/scenario
	$(Q)$< $(if $(UPDATE),--rewrite) $(if $(T),$(T),$(SCENARIOS))

sim-core: $(BUILD)/sim/sim-core
	$(Q)$< --seed $(SEED) --count $(N) --out $(BUILD)/found

sim: sim-core

# The rules that can be taken out: tests/mutants.txt. All, or those CI runs, or M="name name".
.PHONY: mutants mutants-quick
MUTANT_NEEDS := $(BUILD)/sim/scenario $(BUILD)/sim/sim-core $(SIM_NODE_PROGRAMS) \
                $(UNIT_ROOMS:%=$(BUILD)/unit/%)
mutants: $(MUTANT_NEEDS) ## take each safety rule out: which test fails; M=name for one
	$(Q)BUILD=$(BUILD) MAKE="$(MAKE)" scripts/mutants $(M)

mutants-quick: $(MUTANT_NEEDS)
	$(Q)BUILD=$(BUILD) MAKE="$(MAKE)" scripts/mutants --quick
