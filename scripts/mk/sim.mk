# SPDX-License-Identifier: Apache-2.0
# Scenarios and simulators. UPDATE=1 rewrites golden transcripts; SEED= N= choose simulated runs.
SEED ?= 1
N ?= 400

SIM_SHARED := language scenario simulate
SIM_CORE := core_model core_disk core_checks core_backend core_expect
SIM_NODE := node_world node_network node_time node_witness node_clients node_checks node_expect \
            node_converge node_members node_damage node_backend
sim_objs = $(patsubst %,$(BUILD)/tests/sim/%.o,$(1))
SIM_CORE_LIBS := $(call archives,raft base)
SIM_NODE_LIBS := $(call archives,node $(NEED_node))
SCENARIOS := $(sort $(wildcard tests/scenario/*.txt))

$(BUILD)/sim/scenario: $(call sim_objs,run $(SIM_SHARED) $(SIM_CORE) $(SIM_NODE)) $(SIM_NODE_LIBS)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(call libs,node $(NEED_node))

$(BUILD)/sim/sim-core: $(call sim_objs,sim_core $(SIM_SHARED) $(SIM_CORE)) $(SIM_CORE_LIBS)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(call libs,base)

.PHONY: scenario sim sim-core
scenario: $(BUILD)/sim/scenario
	$(Q)$< $(if $(UPDATE),--rewrite) $(if $(T),$(T),$(SCENARIOS))

sim-core: $(BUILD)/sim/sim-core
	$(Q)$< --seed $(SEED) --count $(N) --out $(BUILD)/found

# Whole nodes.
SIM_NODE_OBJS := $(call sim_objs,sim_node $(SIM_SHARED) $(SIM_NODE))
SIM_NODE_PROGRAMS := $(BUILD)/sim/sim-node

$(BUILD)/sim/sim-node: $(SIM_NODE_OBJS) $(SIM_NODE_LIBS)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(call libs,node $(NEED_node))

.PHONY: sim-node sim-rocks
sim-node: $(BUILD)/sim/sim-node
	$(Q)$< --seed $(SEED) --count $(N) --out $(BUILD)/found

# The same seeds on real RocksDB, in temporary folders: its iterators, snapshots, range tombstones
# and recovery in place of ours. A crash is a close: disks neither fail nor forget there.
ROCKS_TMP := $(if $(TMPDIR),$(TMPDIR),$(if $(wildcard /dev/shm/.),/dev/shm,/tmp))
sim-rocks: $(BUILD)/sim/sim-node ## whole nodes on real RocksDB from one seed: SEED= N=
	$(Q)TMPDIR=$(ROCKS_TMP) $< --seed $(SEED) --count $(N) --cluster store=rocks --out $(BUILD)/found

sim: sim-core sim-node ## the simulators, from one seed each: SEED= N=

# The rules that can be taken out: tests/mutants.txt. All, or those CI runs, or M="name name".
.PHONY: mutants mutants-quick
MUTANT_NEEDS := $(BUILD)/sim/scenario $(BUILD)/sim/sim-core $(SIM_NODE_PROGRAMS) \
                $(UNIT_ROOMS:%=$(BUILD)/unit/%)
mutants: $(MUTANT_NEEDS) $(BUILD)/bin/lethed failpoints cluster-tools ## take each safety rule out: which test fails; M=name for one
	$(Q)BUILD=$(BUILD) MAKE="$(MAKE)" scripts/mutants $(M)

mutants-quick: $(MUTANT_NEEDS)
	$(Q)BUILD=$(BUILD) MAKE="$(MAKE)" scripts/mutants --quick
