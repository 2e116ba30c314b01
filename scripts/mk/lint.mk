# SPDX-License-Identifier: Apache-2.0
# Checks that need no running program, and the calls that must not compile. They look at objects and
# programs too, so everything is built first.
.PHONY: lint format

# What src/base/banned.h names is an error in everything under src/ and cmd/, tests may use it.
INCLUDE_src := -include src/base/banned.h
INCLUDE_cmd := -include src/base/banned.h

lint: all ## check includes, sizes, purity, format, headers, scripts, paths
	$(Q)scripts/lint $(BUILD)

format: ## rewrite all C files as clang-format 14 does
	$(Q)scripts/check-format --fix
