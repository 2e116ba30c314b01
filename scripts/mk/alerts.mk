# SPDX-License-Identifier: Apache-2.0
# What is watched: Prometheus' rules with promtool, the dashboard, and a live scrape of three nodes.
.PHONY: alerts-check
alerts-check: $(BUILD)/bin/lethed ## alert rules, dashboard, and that a live cluster tells all they use
	$(Q)LETHED=$(abspath $(BUILD))/bin/lethed $(PYTHON) tests/prometheus/run.py $(T)
