/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files. What is accepted must be printed as a file that means the same. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "config/table.h"

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static enum err load(struct config *config, struct bytes text)
{
    struct why why = {.err = OK};
    memset(config, 0, sizeof(*config));
    config_table_set_defaults(config);
    enum err err = config_yaml_load(config, "lethe.yaml", text, &why);
    demand(err == OK || (err == ERR_BAD_CONFIG && why.err == err));
    if (err == OK) { /* what needs several options may refuse it, with a reason */
        enum err rules = config_rules_check(config, &why);
        demand(rules == OK || (rules == ERR_BAD_CONFIG && why.err == rules));
    }
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config, again;
    struct buf printed = BUF_INIT;
    enum err err = load(&config, bytes_of(data, size));
    if (err == OK) {
        config_print(&config, &printed);
        demand(load(&again, buf_bytes(&printed)) == OK);
        for (int i = 0; i < CONFIG_OPTIONS_COUNT; i++)
            demand(config_is_equal(&config, &again, (enum config_option)i));
        config_done(&again);
    }
    config_done(&config);
    buf_done(&printed);
    return 0;
}
