# SPDX-License-Identifier: Apache-2.0
# The load generator for the systems that Lethe is compared with, and the comparison itself.
PEER_BENCH_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/peers/*.c))
$(BUILD)/bin/peer-bench: $(PEER_BENCH_OBJECTS) $(call archives,bench)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ -levent_core

.PHONY: bench-compare bench-quick
bench-compare: all $(BUILD)/bin/peer-bench ## Lethe, etcd, NATS, Redis and RabbitMQ in turn on this machine; writes docs/benchmarks.md
	$(Q)$(PYTHON) scripts/bench-compare $(ARGS)

bench-quick: all ## two minutes: the main figures of Lethe alone, beside the stored ones
	$(Q)$(PYTHON) scripts/bench-compare --quick $(ARGS)
