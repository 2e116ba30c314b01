# SPDX-License-Identifier: Apache-2.0

.PHONY: ui-check
ui-check: $(BUILD)/bin/lethed ## the status page in headless Chromium, against three nodes; SHOTS=dir keeps pictures
	$(Q)LETHED=$(abspath $(BUILD))/bin/lethed $(PYTHON) tests/ui/run.py
