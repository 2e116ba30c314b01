# SPDX-License-Identifier: Apache-2.0
# The interface's description, from YAML to the JSON that the daemon serves. The tool runs on the
# machine that builds, whatever flags the product is built with.

$(BUILD)/tools/openapi-json: scripts/tools/openapi-json.c
	@mkdir -p $(@D)
	$(say) HOSTCC $<
	$(Q)$(CC) -std=gnu11 -O1 -Wall -Wextra -o $@ $< -lyaml

$(BUILD)/gen/openapi_json.h: api/openapi.yaml $(BUILD)/tools/openapi-json
	@mkdir -p $(@D)
	$(say) GEN $@
	$(Q)$(BUILD)/tools/openapi-json < $< > $@

$(BUILD)/src/http/health.o $(BUILD)/tests/unit/http/test_routes.o: $(BUILD)/gen/openapi_json.h

# The status page, as bytes.
UI_FILES := $(addprefix src/http/ui/,index.html app.css app.js icon.svg)
$(BUILD)/gen/ui_files.h: $(UI_FILES) scripts/tools/embed
	@mkdir -p $(@D)
	$(say) GEN $@
	$(Q)scripts/tools/embed ui $(UI_FILES) > $@

$(BUILD)/src/http/ui.o: $(BUILD)/gen/ui_files.h
