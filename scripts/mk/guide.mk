# SPDX-License-Identifier: Apache-2.0
# What the pages tell people to type, typed.
.PHONY: guide-check
guide-check: all ## the commands of README and docs/api-guide.md against real nodes, and what they print (T= pages)
	$(Q)LETHED=$(abspath $(BUILD))/bin/lethed $(PYTHON) tests/guide/run.py $(T)
