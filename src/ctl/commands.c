/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/command.h"

/* clang-format off */
const struct ctl_command ctl_commands[] = {
    {"status", "", 0, 0, " ", "the cluster in a few lines: nodes, slots, who is ready", ctl_run_status},
    {"send", "TYPE/ID TEXT|-", 2, 2, " from-uid client-msg-no expected-last-seq encoding ",
     "store one message; - reads it from standard input", ctl_run_send},
    {"ls", "", 0, 0, " prefix type slot limit ", "list channels", ctl_run_ls},
    {"get", "TYPE/ID [SEQ]", 1, 2,
     " limit from-seq to-seq after-seq before-seq order consistency raw wide ",
     "show messages, the newest when no end is named", ctl_run_get},
    {"delete", "TYPE/ID [SEQ|START-END ...]", 1, CTL_WORDS_MAX,
     " through keep before seqs all clamp reason operator dry-run yes ",
     "delete messages for ever; shows what would go, then asks", ctl_run_delete},
    {"deletes", "[TYPE/ID|DELETE_ID]", 0, 1, " slot since-index limit operator reason ",
     "the delete log, or where one delete stands", ctl_run_deletes},
    {"import", "[FILE]", 0, 1, " channel connections batch number ",
     "store messages from NDJSON, one a line", ctl_run_import},
    {"export", "[TYPE/ID]", 0, 1, " all file prefix type from-seq to-seq consistency ",
     "write messages as NDJSON, one a line", ctl_run_export},
    {"health", "", 0, 0, " ready ",
     "ask each server given whether it is alive; for container health checks", ctl_run_health},
    {"nodes", "", 0, 0, " ", "list nodes", ctl_run_nodes},
    {"slots", "[SLOT]", 0, 1, " ", "list slots, or one slot's replicas", ctl_run_slots},
    {"leader", "transfer SLOT", 2, 2, " to ", "hand a slot's leadership over", ctl_run_leader},
};
/* clang-format on */

const size_t ctl_commands_count = ARRAY_LEN(ctl_commands);

const struct ctl_command *ctl_find_command(const char *name)
{
    for (size_t i = 0; i < ctl_commands_count; i++) {
        if (strcmp(ctl_commands[i].name, name) == 0)
            return &ctl_commands[i];
    }
    return NULL;
}
