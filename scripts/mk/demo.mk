# SPDX-License-Identifier: Apache-2.0
# What a newcomer types first.
.PHONY: deps demo run

deps: ## install the Debian packages for building, checking and testing
	$(Q)scripts/install-deps

demo: ## install, build, play the main job on real data, compare (NODES=1: one node)
	$(Q)scripts/install-deps build
	$(Q)$(MAKE) --no-print-directory -j $(JOBS) all
	$(Q)BIN=$(BUILD)/bin scripts/demo

run: all ## start one node here, on loopback, with its data in $(BUILD)/data
	$(Q)exec $(BUILD)/bin/lethed --data-dir $(BUILD)/data

.PHONY: config-file
config-file: $(BUILD)/bin/lethed ## write conf/lethe.yaml anew from the table of options
	$(Q)$< --print-config --annotated >conf/lethe.yaml
