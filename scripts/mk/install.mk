# SPDX-License-Identifier: Apache-2.0
# What puts the programs where they are used, and the Debian package.
#
#   make install                          below /usr/local; configuration in /etc/lethe
#   make install PREFIX=/usr DESTDIR=dir  for packaging: below dir as if it were /
#   make uninstall                        what install copied; data and changed configuration stay
#   make deb                              $(BUILD)/deb/lethe_VERSION_ARCHITECTURE.deb
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
INSTALL_BIN = $(DESTDIR)$(PREFIX)/bin
INSTALL_SHARE = $(DESTDIR)$(PREFIX)/share
INSTALL_CONFIG = $(DESTDIR)$(SYSCONFDIR)/lethe/lethe.yaml

# All but the configuration, as "source below share", a line's mode by its kind.
INSTALL_OPS := $(filter-out %.md,$(wildcard scripts/ops/*))
INSTALL_DOCS := README.md ARCHITECTURE.md CHANGELOG.md LICENSE api/openapi.yaml $(filter-out docs/README.md,$(wildcard docs/*.md))
INSTALL_MAN = $(foreach page,$(notdir $(MAN_PAGES)),man/man$(patsubst .%,%,$(suffix $(page)))/$(page))
INSTALL_SAMPLES := conf/lethe.yaml conf/prometheus/lethe.rules.yml conf/prometheus/prometheus.yml conf/grafana/lethe.json

.PHONY: install install-programs uninstall install-check
install-programs: all
	install -d $(INSTALL_BIN)
	install -m 755 $(PROGRAMS:%=$(BUILD)/bin/%) $(INSTALL_BIN)

# The data folder of a service is a path of its own; a configuration that is there is somebody's work.
$(BUILD)/install/lethe.yaml: conf/lethe.yaml
	@mkdir -p $(@D)
	$(Q)sed 's|^  data_dir: .*|  data_dir: "/var/lib/lethe"|' $< >$@
	$(Q)grep -q '^  data_dir: "/var/lib/lethe"$$' $@

install: install-programs man completions $(BUILD)/install/lethe.yaml ## copy all below DESTDIR and PREFIX (/usr/local): programs, pages, unit, samples, docs
	install -D -m 644 -t $(INSTALL_SHARE)/man/man1 $(filter %.1,$(MAN_PAGES))
	install -D -m 644 -t $(INSTALL_SHARE)/man/man8 $(filter %.8,$(MAN_PAGES))
	set -e; for file in $(COMPLETIONS); do \
	    install -D -m 644 $(BUILD)/completions/$${file##*/} $(INSTALL_SHARE)/$$file; done
	install -D -m 644 -t $(INSTALL_SHARE)/lethe $(INSTALL_SAMPLES)
	install -D -m 755 -t $(INSTALL_SHARE)/lethe/ops $(INSTALL_OPS)
	install -D -m 644 -t $(INSTALL_SHARE)/doc/lethe $(INSTALL_DOCS)
	install -D -m 644 conf/systemd/lethe.sysusers $(DESTDIR)$(SYSUSERSDIR)/lethe.conf
	install -d $(DESTDIR)$(UNITDIR) $(dir $(INSTALL_CONFIG))
	sed -e 's|/usr/local/|$(PREFIX)/|' -e 's|/etc/lethe/|$(SYSCONFDIR)/lethe/|' conf/systemd/lethed.service \
	    >$(DESTDIR)$(UNITDIR)/lethed.service
	test -e $(INSTALL_CONFIG) || install -m 644 $(BUILD)/install/lethe.yaml $(INSTALL_CONFIG)

uninstall: $(BUILD)/install/lethe.yaml ## remove what install copied; data, and configuration that was changed, stay
	rm -f $(PROGRAMS:%=$(INSTALL_BIN)/%) $(INSTALL_MAN:%=$(INSTALL_SHARE)/%) $(COMPLETIONS:%=$(INSTALL_SHARE)/%)
	rm -f $(foreach file,$(INSTALL_SAMPLES),$(INSTALL_SHARE)/lethe/$(notdir $(file)))
	rm -f $(foreach file,$(INSTALL_OPS),$(INSTALL_SHARE)/lethe/ops/$(notdir $(file)))
	rm -f $(foreach file,$(INSTALL_DOCS),$(INSTALL_SHARE)/doc/lethe/$(notdir $(file)))
	rm -f $(DESTDIR)$(UNITDIR)/lethed.service $(DESTDIR)$(SYSUSERSDIR)/lethe.conf
	if cmp -s $(BUILD)/install/lethe.yaml $(INSTALL_CONFIG); then rm -f $(INSTALL_CONFIG); fi
	-rmdir $(INSTALL_SHARE)/lethe/ops $(INSTALL_SHARE)/lethe $(INSTALL_SHARE)/doc/lethe
	if [ -d $(dir $(INSTALL_CONFIG)) ]; then rmdir --ignore-fail-on-non-empty $(dir $(INSTALL_CONFIG)); fi

install-check: all man completions ## install into an empty folder, use what is there, uninstall: nothing is left
	$(Q)BUILD=$(BUILD) MAKE="$(MAKE)" tests/package/install.sh

# ---- another version of the same source, for upgrades: only what knows its version or
# its feature level (one higher, so that its orders are new to the other one) is compiled anew ----
NEXT_VERSION ?= $(VERSION)+next
NEXT_FEATURE_LEVEL ?= $(shell expr $$(sed -n 's/.*NODE_FEATURE_LEVEL = \([0-9]*\).*/\1/p' src/node/node.h) + 1)
NEXT_FILES := $(shell grep -lE 'LETHE_(VERSION|FEATURE_LEVEL)' src/*/*.c cmd/*/*.c)
next_needs = $(foreach file,$(NEXT_FILES),$(if $(filter $(firstword $(subst /, ,$(patsubst src/%,%,$(file)))),$(NEED_$(1))),$(file))) \
             $(wildcard cmd/$(1)/*.c)
NEXT_PROGRAMS := $(PROGRAMS:%=$(BUILD)/next/bin/%)

$(BUILD)/next/%.o: %.c VERSION
	@mkdir -p $(@D)
	$(say) CC "$< ($(NEXT_VERSION))"
	$(Q)$(CC) $(CFLAGS_ALL) -ULETHE_VERSION -DLETHE_VERSION='"$(NEXT_VERSION)"' \
	    -ULETHE_FEATURE_LEVEL -DLETHE_FEATURE_LEVEL=$(NEXT_FEATURE_LEVEL) $(INCLUDE_$(firstword $(subst /, ,$*))) -c -o $@ $<

$(BUILD)/next/src/http/health.o: $(BUILD)/gen/openapi_json.h

# An object that is named defines what the archives' own would have: these are not taken.
define next_rules
$(BUILD)/next/bin/$(1): $$(patsubst %.c,$(BUILD)/next/%.o,$$(call next_needs,$(1))) $$(call archives,$$(NEED_$(1)))
	@mkdir -p $$(@D)
	$$(say) LINK $$@
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ -Wl,--start-group $$^ -Wl,--end-group $$(call libs,$$(NEED_$(1)))
endef
$(foreach program,$(PROGRAMS),$(eval $(call next_rules,$(program))))

.PHONY: next
next: $(NEXT_PROGRAMS) ## the same programs under another version, in $(BUILD)/next/bin, for testing upgrades (NEXT_VERSION= NEXT_FEATURE_LEVEL=)

# ---- the Debian package -----------------------------------------------------------------------
ARCHITECTURE = $(shell dpkg --print-architecture)
.PHONY: deb deb-next deb-check
deb: ## the Debian package, in $(BUILD)/deb
	$(Q)rm -rf $(BUILD)/deb/tree && mkdir -p $(BUILD)/deb
	$(Q)$(MAKE) --no-print-directory install DESTDIR=$(abspath $(BUILD))/deb/tree PREFIX=/usr SYSCONFDIR=/etc >$(BUILD)/deb.log
	$(Q)scripts/make-deb $(BUILD)/deb/tree $(VERSION) $(BUILD)/deb/lethe_$(VERSION)_$(ARCHITECTURE).deb

# What an upgrade goes to in the tests.
deb-next: deb next
	$(Q)cp $(NEXT_PROGRAMS) $(BUILD)/deb/tree/usr/bin
	$(Q)scripts/make-deb $(BUILD)/deb/tree $(NEXT_VERSION) $(BUILD)/deb/lethe_$(NEXT_VERSION)_$(ARCHITECTURE).deb

deb-check: deb-next ## the package for real, with systemd in a container: install, run, upgrade, remove, purge; skips where no engine runs
	$(Q)BUILD=$(BUILD) $(PYTHON) tests/package/run.py
