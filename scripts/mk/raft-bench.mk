# SPDX-License-Identifier: Apache-2.0
# The core alone: entries/s through three replicas, idle groups, bytes a group.
RAFT_BENCH_LIBS := $(call archives,raft base)
$(BUILD)/bin/bench-raft: $(BUILD)/tests/bench/raft.o $(BUILD)/tests/unit/raft/group.o $(RAFT_BENCH_LIBS)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(call libs,base)

.PHONY: bench-raft
bench-raft: $(BUILD)/bin/bench-raft ## the core alone: entries/s, cost and memory of idle groups
	$(Q)$<
