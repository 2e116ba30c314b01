# SPDX-License-Identifier: Apache-2.0

.PHONY: api-check
api-check: $(BUILD)/bin/lethed ## the HTTP contract: a real daemon, its replies and api/openapi.yaml
	$(Q)LETHED=$(abspath $(BUILD))/bin/lethed $(PYTHON) tests/api/run.py $(T)
