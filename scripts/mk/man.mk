# SPDX-License-Identifier: Apache-2.0
# Manual pages and completions, made from the programs' own tables.
MAN_PAGES := $(BUILD)/man/lethectl.1 $(BUILD)/man/lethe-bench.1 $(BUILD)/man/lethed.8

$(BUILD)/man/lethectl.1: $(BUILD)/bin/lethectl
	@mkdir -p $(@D)
	$(say) MAN $@
	$(Q)$< help man >$@

$(BUILD)/man/lethe-bench.1: $(BUILD)/bin/lethe-bench scripts/tools/help-to-man
	@mkdir -p $(@D)
	$(say) MAN $@
	$(Q)$< --help | scripts/tools/help-to-man lethe-bench 1 $(VERSION) "put load on a Lethe cluster, and verify it" >$@

$(BUILD)/man/lethed.8: $(BUILD)/bin/lethed scripts/tools/help-to-man
	@mkdir -p $(@D)
	$(say) MAN $@
	$(Q)$< --help | scripts/tools/help-to-man lethed 8 $(VERSION) "one node of a Lethe cluster" >$@

# Where each shell looks for them, below share.
COMPLETIONS := bash-completion/completions/lethectl zsh/site-functions/_lethectl \
               fish/vendor_completions.d/lethectl.fish

.PHONY: completions
completions: $(BUILD)/bin/lethectl
	@mkdir -p $(BUILD)/completions
	$(Q)$< completion bash >$(BUILD)/completions/lethectl
	$(Q)$< completion zsh >$(BUILD)/completions/_lethectl
	$(Q)$< completion fish >$(BUILD)/completions/lethectl.fish

.PHONY: man man-check
man: $(MAN_PAGES) ## the manual pages, in $(BUILD)/man

man-check: $(MAN_PAGES) ## every command and flag is in the pages and completions, and they are well-formed
	$(Q)BUILD=$(BUILD) tests/ops/man.sh
