# SPDX-License-Identifier: Apache-2.0
# What a newcomer types first, and what puts the programs where they are used.
.PHONY: deps demo run install uninstall

deps: ## install the Debian packages for building, checking and testing
	$(Q)scripts/install-deps

demo: ## install, build, play the main job on real data, compare (NODES=1: one node)
	$(Q)scripts/install-deps build
	$(Q)$(MAKE) --no-print-directory -j $(JOBS) all
	$(Q)BIN=$(BUILD)/bin scripts/demo

run: all ## start one node here, on loopback, with its data in $(BUILD)/data
	$(Q)exec $(BUILD)/bin/lethed --data-dir $(BUILD)/data

install: all man completions ## copy programs, manual pages, completions and configuration below DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/lethe
	install -m 755 $(PROGRAMS:%=$(BUILD)/bin/%) $(DESTDIR)$(PREFIX)/bin
	install -m 644 conf/lethe.yaml conf/systemd/lethed.service $(DESTDIR)$(PREFIX)/share/lethe
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 $(filter %.1,$(MAN_PAGES))
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 $(filter %.8,$(MAN_PAGES))
	set -e; for file in $(COMPLETIONS); do \
	    install -D -m 644 $(BUILD)/completions/$${file##*/} $(DESTDIR)$(PREFIX)/share/$$file; done

uninstall: ## remove what install copied; data stays
	rm -f $(PROGRAMS:%=$(DESTDIR)$(PREFIX)/bin/%)
	rm -f $(DESTDIR)$(PREFIX)/share/lethe/lethe.yaml $(DESTDIR)$(PREFIX)/share/lethe/lethed.service
	rm -f $(foreach page,$(notdir $(MAN_PAGES)),$(DESTDIR)$(PREFIX)/share/man/man$(patsubst .%,%,$(suffix $(page)))/$(page))
	rm -f $(COMPLETIONS:%=$(DESTDIR)$(PREFIX)/share/%)
	-rmdir $(DESTDIR)$(PREFIX)/share/lethe

.PHONY: config-file
config-file: $(BUILD)/bin/lethed ## write conf/lethe.yaml anew from the table of options
	$(Q)$< --print-config --annotated >conf/lethe.yaml
