# SPDX-License-Identifier: Apache-2.0
# Lethe: one Makefile, not recursive; everything made goes to $(BUILD).
#
#   V=1                       show the commands
#   DEBUG=1                   -O0 for a debugger
#   WERROR=0                  warnings do not stop the build
#   SANITIZE=address|thread|undefined|address,undefined
#   MUTANT=name               a build without one safety rule (tests only)
#   FAILPOINTS=1              a build that ends, waits or fails on order (tests only; LETHE_FAIL=list)
#   FEATURE_LEVEL=n           a build that can apply what level n brought, no more (tests only)
#   BUILD=dir                 where products go (default: build, or build-<sanitizer>)
#   T=room                    with `make unit`: only that room's tests

empty :=
comma := ,
SUFFIX := $(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))$(if $(MUTANT),-mutant-$(MUTANT))$(if $(FAILPOINTS),-failpoints)$(if $(FEATURE_LEVEL),-level-$(FEATURE_LEVEL))
BUILD ?= build$(SUFFIX)
VERSION := $(shell cat VERSION)
CC ?= gcc
PYTHON ?= python3
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '%-6s %s\n'
endif

# ---- rooms: each may use only those it names; the linker sees nothing else --------------------
ROOMS := base sys raft wire store msg net node http client ctl bench config rescue
NEED_base :=
NEED_sys := base
NEED_raft := base
NEED_wire := raft base
NEED_store := base sys
NEED_msg := store sys wire raft base
NEED_net := wire sys raft base
NEED_node := net msg store raft wire sys base
NEED_http := node net msg store raft wire sys base
NEED_client := sys base
NEED_ctl := client sys base
NEED_bench := client sys base
NEED_config := sys base
NEED_rescue := msg store wire raft sys base

LIBS_base := -lz -lxxhash
LIBS_sys := -lpthread
LIBS_store := -lrocksdb
LIBS_net := -levent_core -levent_pthreads -levent_openssl -lssl -lcrypto
LIBS_http := -lmicrohttpd -ljansson -lgnutls
LIBS_client := -lcurl -ljansson
LIBS_bench := -levent_core -levent_extra -lssl -lcrypto
LIBS_config := -lyaml
LIBS_rescue := -ljansson

PROGRAMS := lethed lethectl lethe-bench
NEED_lethed := config rescue http $(NEED_http)
NEED_lethectl := ctl $(NEED_ctl)
NEED_lethe-bench := bench $(NEED_bench)

libs = $(sort $(foreach r,$(1),$(LIBS_$(r))))
archives = $(foreach r,$(1),$(BUILD)/lib/$(r).a)

# ---- flags ------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
        -Wvla -Wundef -Wswitch-enum -Wformat=2 -Wno-format-nonliteral -Wimplicit-fallthrough
ifneq ($(WERROR),0)
WARN += -Werror
endif
OPT := -O2 -fno-omit-frame-pointer
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -fPIE
LINK_HARDEN := -pie -Wl,-z,relro,-z,now,-z,noexecstack
ifeq ($(DEBUG),1)
OPT := -O0
HARDEN :=
endif
ifneq ($(SANITIZE),)
OPT := -O1 -fno-omit-frame-pointer
HARDEN := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
LINK_HARDEN := -fsanitize=$(SANITIZE)
endif
ifneq ($(MUTANT),)
MUTANT_FLAGS := -DLETHE_MUTANT_$(MUTANT)=1 -DLETHE_MUTANT_BUILD=1
endif
ifneq ($(FAILPOINTS),)
MUTANT_FLAGS += -DLETHE_FAILPOINTS=1
endif
ifneq ($(FEATURE_LEVEL),)
MUTANT_FLAGS += -DLETHE_FEATURE_LEVEL=$(FEATURE_LEVEL)
endif
CFLAGS_ALL := -std=gnu11 -g $(OPT) $(WARN) $(HARDEN) -D_GNU_SOURCE -DLETHE_VERSION='"$(VERSION)"' \
              $(MUTANT_FLAGS) -iquote src -iquote $(BUILD)/gen -MMD -MP $(CFLAGS)
LDFLAGS_ALL := $(LINK_HARDEN) $(LDFLAGS)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all
all: $(PROGRAMS:%=$(BUILD)/bin/%) ## the three programs, in $(BUILD)/bin
	@echo "built $^; try: make check"

# ---- compile, archive, link -------------------------------------------------------------------
sources = $(wildcard src/$(1)/*.c) $(wildcard src/$(1)/*/*.c)
define room_rules
$(BUILD)/lib/$(1).a: $$(patsubst %.c,$(BUILD)/%.o,$$(call sources,$(1)))
	@mkdir -p $$(@D)
	$$(say) AR $$@
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach room,$(ROOMS),$(eval $(call room_rules,$(room))))

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CFLAGS_ALL) $(INCLUDE_$(firstword $(subst /, ,$*))) -c -o $@ $<

INCLUDE_tests := -iquote tests/lib -iquote tests/sim -iquote .

define program_rules
$(BUILD)/bin/$(1): $$(patsubst %.c,$(BUILD)/%.o,$$(wildcard cmd/$(1)/*.c)) $$(call archives,$$(NEED_$(1)))
	@mkdir -p $$(@D)
	$$(say) LINK $$@
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ -Wl,--start-group $$^ -Wl,--end-group $$(call libs,$$(NEED_$(1)))
endef
$(foreach program,$(PROGRAMS),$(eval $(call program_rules,$(program))))

# ---- unit tests: one Check program a room -----------------------------------------------------
UNIT_ROOMS := $(notdir $(patsubst %/,%,$(wildcard tests/unit/*/)))
TESTLIB_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/lib/unit*.c))
define unit_rules
$(BUILD)/unit/$(1): $$(patsubst %.c,$(BUILD)/%.o,$$(wildcard tests/unit/$(1)/*.c)) $$(TESTLIB_OBJS) $$(call archives,$(1) $$(NEED_$(1)))
	@mkdir -p $$(@D)
	$$(say) LINK $$@
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ -Wl,--start-group $$^ -Wl,--end-group $$(call libs,$(1) $$(NEED_$(1))) -lcheck -lsubunit -lrt -lm -lpthread
endef
$(foreach room,$(UNIT_ROOMS),$(eval $(call unit_rules,$(room))))

.PHONY: unit
unit: $(if $(T),$(BUILD)/unit/$(firstword $(subst /, ,$(T))),$(UNIT_ROOMS:%=$(BUILD)/unit/%)) ## Check suites, one program a room: T=raft or T=raft/log
	$(Q)$(if $(T),$^,scripts/run-programs $(JOBS) $^)

# What each kind of test and job adds, one file each, so that this file stays short.
include $(sort $(wildcard scripts/mk/*.mk))

.PHONY: clean
clean: ## removes what was built
	rm -rf build build-*

-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)
