# SPDX-License-Identifier: Apache-2.0
# Cluster tests: real daemons under faults, judged by checkers over the whole history.
#
#   make cluster                      what every CI run plays, about six minutes
#   make cluster ONLY=21 SEED=7       one test; `tests/cluster/run.py --list` names them
#   make soak                         all of them, longer
#   make soak HOURS=8                 half of the time one long life, watched for drift; then the others
#   LETHE_NO_SKIP=1 make cluster      a skip (no strace, no root) is a failure
ONLY ?=
CLUSTER_SEED = $(if $(filter command% environment%,$(origin SEED)),--seed $(SEED))
SOAK_FOR = $(if $(HOURS),$(shell expr $(HOURS) '*' 3600),$(if $(filter command%,$(origin SECONDS)),$(SECONDS),0))
CLUSTER_RUN = BUILD=$(BUILD) $(PYTHON) tests/cluster/run.py $(CLUSTER_SEED) $(if $(ONLY),--only $(ONLY))

# Edits rows of a stopped node's folder: for tests alone, installed nowhere.
$(BUILD)/tools/edit-rows: $(BUILD)/tests/tools/edit_rows.o $(call archives,store sys base)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(call libs,store sys base)

# Puts an entry of tomorrow into a stopped node's log.
$(BUILD)/tools/newer: $(BUILD)/tests/tools/newer.o $(call archives,store $(NEED_store) wire)
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(call libs,store $(NEED_store))

# Stands before the libraries of a daemon, whatever that is built with: its n-th call fails, its clock lies.
$(BUILD)/tools/preload.so: tests/tools/preload.c
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -fno-builtin -Wall -Wextra -Werror -fPIC -shared -o $@ $< -ldl

.PHONY: cluster soak cluster-checkers failpoints cluster-tools
cluster-tools: $(BUILD)/tools/edit-rows $(BUILD)/tools/newer $(BUILD)/tools/preload.so next

# What it compiles is told apart by its folder, as with sanitizers and mutants.
failpoints: ## the daemon with failpoints, in $(BUILD)-failpoints: LETHE_FAIL=list names them
	$(Q)$(MAKE) --no-print-directory FAILPOINTS=1 BUILD=$(BUILD)-failpoints $(BUILD)-failpoints/bin/lethed

cluster-checkers: ## the cluster tests' checkers refuse histories that break a rule
	$(Q)$(PYTHON) tests/cluster/test_checkers.py

cluster: all failpoints cluster-tools cluster-checkers ## real daemons under kills, cuts, damage: the CI set (ONLY= SEED=)
	$(Q)$(CLUSTER_RUN) --ci

soak: all failpoints cluster-tools cluster-checkers ## every cluster test, longer, then the CI set with sanitizers (HOURS=: so long, half of it one life watched for drift)
	$(Q)$(CLUSTER_RUN) --for $(SOAK_FOR)
	$(Q)$(MAKE) --no-print-directory soak-sanitized

SOAK_SANITIZED := soak-address,undefined soak-thread
.PHONY: soak-sanitized $(SOAK_SANITIZED)
soak-sanitized: $(SOAK_SANITIZED) ## the CI set of cluster tests under ASan and UBSan, then under TSan
soak-thread: soak-address,undefined # one after the other
$(SOAK_SANITIZED): soak-%:
	$(Q)TSAN_OPTIONS="$(TSAN_OPTIONS_OURS)" $(MAKE) --no-print-directory SANITIZE=$* cluster
