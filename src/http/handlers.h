/* SPDX-License-Identifier: Apache-2.0 */
/* The first function of every route; what follows a wait is the file's own. */
#ifndef HTTP_HANDLERS_H
#define HTTP_HANDLERS_H

#include "http/jvalue.h"
#include "http/request.h"

/* send.c, batch.c */
request_handler send_run, batch_channel_run, batch_run;
/* messages.c */
request_handler messages_run, message_run;
/* tail.c, export.c */
request_handler tail_run, export_run;
/* retention.c */
request_handler retention_get_run, retention_put_run, retention_delete_run;
/* deletes.c */
request_handler delete_range_run, delete_run, delete_channel_run;
/* deletelog.c */
request_handler delete_status_run, channel_deletes_run, deletes_run;
/* channels.c */
request_handler channel_run, channels_run;
/* cluster.c */
request_handler cluster_run, nodes_run, node_run, slots_run, slot_run, slot_local_run;
request_handler transfer_leader_run;
/* leaders.c, operate.c */
request_handler leaders_balance_run, operate_compact_run, operate_compact_all_run;
request_handler operate_full_sync_run, operate_collect_run, operate_config_run;
/* nodes.c */
request_handler nodes_add_run, nodes_promote_run, nodes_drain_run, nodes_undrain_run;
request_handler nodes_remove_run, placement_run, placement_plan_run, upgrade_finalize_run;
/* jobs.c */
request_handler check_run, compaction_run, job_run, jobs_run, job_cancel_run;
/* The answer to who started a job: where to look for it. */
void jobs_accept(struct request *req, const char *id);
/* When the body's "node" is another one: begins the job there and answers; false: it is to be begun
 * here, or *ret_err and why say what is wrong. */
bool jobs_begin_elsewhere(struct request *req, const struct jvalue *body, enum node_job_ask what,
                          struct bytes text, enum err *ret_err, struct why *why);
/* backups.c */
request_handler backups_list_run, backup_create_run, backup_verify_run, backup_remove_run;
/* alarms.c */
request_handler alarms_run, alarm_disarm_run;
/* health.c */
request_handler livez_run, readyz_run, version_run, openapi_run, metrics_run;
/* ui.c */
request_handler ui_run, ui_file_run;
/* wukong_messages.c, wukong_cluster.c */
request_handler wukong_send_run, wukong_sync_run, wukong_find_run, wukong_max_seq_run;
request_handler wukong_last_run, wukong_delete_range_run;
request_handler wukong_health_run, wukong_nodes_run, wukong_slots_run, wukong_replicas_run;
request_handler wukong_migrate_run;
/* routes.c: named by the interface, not there yet */

#endif
