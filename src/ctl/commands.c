/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/command.h"

#include "ctl/jobs.h"

/* clang-format off */
const struct ctl_command ctl_commands[] = {
    {"status", "[SECONDS]", 0, 1, " watch count wide ",
     "the cluster on one screen: nodes, slots, lag, catch-up, alarms, jobs; 1 when not well",
     ctl_run_status, 0},
    {"top", "[SECONDS]", 0, 1, " count ",
     "what each node does right now; on a terminal again and again", ctl_run_top, 0},
    {"send", "TYPE/ID TEXT|-", 2, 2, " from-uid client-msg-no expected-last-seq encoding ",
     "store one message; - reads it from standard input", ctl_run_send, 0},
    {"ls", "", 0, 0, " prefix type slot limit ", "list channels", ctl_run_ls, 0},
    {"get", "TYPE/ID [SEQ]", 1, 2,
     " limit from-seq to-seq after-seq before-seq order consistency raw wide ",
     "show messages, the newest when no end is named", ctl_run_get, 0},
    {"tail", "TYPE/ID", 1, 1, " follow limit after-seq consistency wide ",
     "the newest messages (10), and with -f those that come", ctl_run_tail, 0},
    {"delete", "TYPE/ID [SEQ|START-END ...]", 1, CTL_WORDS_MAX,
     " through keep before seqs all clamp reason operator dry-run yes ",
     "delete messages for ever; shows what would go, then asks", ctl_run_delete, 0},
    {"deletes", "[TYPE/ID|DELETE_ID]", 0, 1,
     " slot since-index since until limit operator reason wait ",
     "the delete log, or where one delete stands on each replica", ctl_run_deletes,
     CTL_HAS_LINES},
    {"audit", "", 0, 0, " slot since until operator reason limit ",
     "who deleted what, by time; the newest 100, newest last", ctl_run_audit, CTL_HAS_LINES},
    {"import", "[FILE]", 0, 1, " channel connections batch number ",
     "store messages from NDJSON, one a line", ctl_run_import, 0},
    {"export", "[TYPE/ID]", 0, 1, " all file prefix type from-seq to-seq consistency ",
     "write messages as NDJSON, one a line", ctl_run_export, 0},
    {"health", "", 0, 0, " ready exit-when-healthy ",
     "ask each server given whether it is alive; for container health checks", ctl_run_health, 0},
    {"nodes", "", 0, 0, " ", "list nodes", ctl_run_nodes, 0},
    {"slots", "[SLOT]", 0, 1, " ", "list slots, or one slot's replicas", ctl_run_slots, 0},
    {"replicas", "", 0, 0, " slot lagging min-lag ",
     "every replica of every slot: state, lag, what is on its way", ctl_run_replicas, 0},
    {"check", "", 0, 0, " slot no-wait wait wide ",
     "compare all replicas, byte by byte, at one log index", ctl_run_check, 0},
    {"log compact", "--slot N|--all", 0, 0, " slot all keep through-index wide yes ",
     "throw old Raft log entries away, now", ctl_run_log_compact, 0},
    {"log collect", "--slot N|--all", 0, 0, " slot all force-floor wide yes ",
     "throw old delete log entries away, now", ctl_run_log_collect, 0},
    {"store compact", "[FAMILY]", 0, 1, " node no-wait wait ",
     "write the tables of a node anew, so that the bytes of what was deleted go",
     ctl_run_store_compact, 0},
    {"full-sync", "SLOT NODE", 2, 2, " yes ", "make a node take a full copy of a slot",
     ctl_run_full_sync, 0},
    {"leader transfer", "SLOT", 1, 1, " to ", "hand a slot's leadership over",
     ctl_run_leader_transfer, 0},
    {"leader balance", "", 0, 0, " dry-run ", "spread leaderships evenly over the nodes that are up",
     ctl_run_leader_balance, 0},
    {"node list", "", 0, 0, " ", "list nodes, as `nodes` does", ctl_run_nodes, 0},
    {"node ls", "", 0, 0, " ", "the same", ctl_run_nodes, 0},
    {"node placement", "", 0, 0, " ", "which slots move between nodes, and how far that is",
     ctl_run_node_placement, 0},
    {"node add", "ID@HOST:PORT", 1, 1, " learner zone dry-run no-wait wait yes ",
     "let a new node join; PORT is the one for peers", ctl_run_node_add, 0},
    {"node replace", "OLD ID@HOST:PORT", 2, 2, " zone dry-run no-wait wait yes ",
     "let a new node join in the place of one that is lost", ctl_run_node_replace, 0},
    {"node promote", "NODE", 1, 1, " dry-run no-wait wait yes ", "let a learner vote",
     ctl_run_node_promote, 0},
    {"node drain", "NODE", 1, 1, " dry-run no-wait wait yes ",
     "move leaderships and replicas away from a node", ctl_run_node_drain, 0},
    {"node undrain", "NODE", 1, 1, " dry-run no-wait wait yes ", "give a drained node its share",
     ctl_run_node_undrain, 0},
    {"node remove", "NODE", 1, 1, " dry-run no-wait wait yes ", "take a node out, for ever",
     ctl_run_node_remove, 0},
    {"upgrade finalize", "", 0, 0, " dry-run yes ",
     "use what the nodes' new builds can do; no older build comes in after that",
     ctl_run_upgrade_finalize, 0},
    {"backup create", "[NAME]", 0, 1, " node no-wait wait ", "take a backup while all goes on",
     ctl_run_backup_create, 0},
    {"backup ls", "", 0, 0, " ", "list backups, and whether they were verified", ctl_run_backup_ls,
     0},
    {"backup verify", "BACKUP", 1, 1, " no-wait wait ", "read a backup and check every byte of it",
     ctl_run_backup_verify, 0},
    {"alarm ls", "", 0, 0, " ", "list alarms; 0 with none, 1 with some", ctl_run_alarm_ls, 0},
    {"alarm disarm", "ALARM", 1, 1, " yes ", "let go on what an alarm stopped",
     ctl_run_alarm_disarm, 0},
    {"debug bundle", "", 0, 0, " file log yes ",
     "what somebody who helps needs to see, as a tar file without secrets", ctl_run_debug_bundle,
     0},
    {"bench", "[WORD ...]", 0, 0, " ", "run lethe-bench against these servers; words are its own",
     ctl_run_bench, CTL_PASSES_WORDS},
    {"context ls", "", 0, 0, " ", "list the clusters that are kept by name", ctl_run_context_ls,
     CTL_NEEDS_NO_SERVER},
    {"context use", "NAME", 1, 1, " ", "make a context the current one", ctl_run_context_use,
     CTL_NEEDS_NO_SERVER},
    {"context set", "NAME", 1, 1, " ",
     "keep --server, --token (-: from standard input) and --cacert under a name",
     ctl_run_context_set, CTL_NEEDS_NO_SERVER},
    {"context rm", "NAME", 1, 1, " yes ", "forget a context", ctl_run_context_rm,
     CTL_NEEDS_NO_SERVER},
    {"completion", "bash|zsh|fish", 1, 1, " ", "print a script that completes lethectl's words",
     ctl_run_completion, CTL_NEEDS_NO_SERVER},
    {"job ls", "", 0, 0, " ", "list long work: checks, backups, moves", ctl_run_job_ls, 0},
    {"job show", "JOB", 1, 1, " ", "how far a job is, and its results", ctl_run_job_show, 0},
    {"job cancel", "JOB", 1, 1, " yes ", "stop a job", ctl_run_job_cancel, 0},
    {"job wait", "JOB", 1, 1, " wait ", "follow a job to its end", ctl_run_job_wait, 0},
};
/* clang-format on */

const size_t ctl_commands_count = ARRAY_LEN(ctl_commands);

const struct ctl_command *ctl_find_command(int count, char *const *words, int *ret_taken)
{
    for (size_t i = 0; i < ctl_commands_count; i++) {
        const char *name = ctl_commands[i].name;
        size_t len = strcspn(name, " ");
        bool is_first = count > 0 && strlen(words[0]) == len && memcmp(name, words[0], len) == 0;
        bool has_verb = name[len] == ' ';
        if (is_first && (!has_verb || (count > 1 && strcmp(name + len + 1, words[1]) == 0))) {
            *ret_taken = has_verb ? 2 : 1;
            return &ctl_commands[i];
        }
    }
    return NULL;
}
