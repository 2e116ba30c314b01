# SPDX-License-Identifier: Apache-2.0
# The container image and its test, and the test of the scripts for operators.
#
#   make docker BASE=lethe-base:bookworm TAG=lethe:mine     without a registry: scripts/base-image first
BASE ?= debian:12-slim
TAG ?= lethe:$(VERSION)

.PHONY: docker docker-check ops-check
docker: ## the container image (BASE= what it stands on, TAG= its name)
	$(Q)docker build --build-arg BASE=$(BASE) --build-arg VERSION=$(VERSION) \
	    --build-arg REVISION=$(shell git rev-parse --short HEAD 2>/dev/null) -t $(TAG) .

docker-check: ## image and compose set for real: kill, cut off, restart; skips where no engine runs
	$(Q)$(PYTHON) tests/docker/run.py

ops-check: all $(BUILD)/next/bin/lethed ## scripts/ops and lethectl against three nodes on this machine
	$(Q)LETHED=$(abspath $(BUILD))/bin/lethed NEXT_LETHED=$(abspath $(BUILD))/next/bin/lethed \
	    $(PYTHON) tests/ops/run.py
	$(Q)LETHED=$(abspath $(BUILD))/bin/lethed LETHECTL=$(abspath $(BUILD))/bin/lethectl \
	    $(PYTHON) tests/ops/ctl.py
