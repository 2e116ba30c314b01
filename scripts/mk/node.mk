# SPDX-License-Identifier: Apache-2.0
# What node's tests link beside their own files, and the room's bench.
$(BUILD)/unit/node: $(BUILD)/tests/lib/fakeworld.o

# Single node, 256 calls outstanding, RocksDB under $TMPDIR: appends/s and reads/s.
$(BUILD)/bin/bench-node: $(BUILD)/tests/bench/node.o $(call archives,node $(NEED_node))
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(call libs,node $(NEED_node)) -lpthread

.PHONY: bench-node
bench-node: $(BUILD)/bin/bench-node
	$(Q)$<
