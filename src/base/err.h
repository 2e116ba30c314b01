/* SPDX-License-Identifier: Apache-2.0 */
/* Every error of the project: one symbol, one stable slug, one kind, one sentence.
 * The kind says what the caller may conclude:
 *   INPUT    wrong whatever the state is
 *   STATE    does not fit what is there
 *   REFUSED  certainly not applied; trying later may work
 *   UNKNOWN  the write may or may not have happened
 *   BROKEN   a fault of the machine or of ours
 * 0 (OK) is success. Slugs are what HTTP clients see as `code` and what peers exchange.
 * Thread: any. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define ERR_TABLE(X) /* symbol, slug, kind, sentence */                                            \
    /* INPUT */                                                                                    \
    X(BAD_REQUEST, "bad_request", INPUT, "the request is malformed")                               \
    X(BAD_JSON, "bad_json", INPUT, "the body is not the JSON that this route takes")               \
    X(BAD_PARAMETER, "bad_parameter", INPUT, "a parameter is missing, unknown or out of range")    \
    X(BAD_CHANNEL, "bad_channel", INPUT, "the channel name is not valid")                          \
    X(UNAUTHORIZED, "unauthorized", INPUT, "no valid token was sent")                              \
    X(FORBIDDEN, "forbidden", INPUT, "the token's role does not allow this")                       \
    X(NO_ROUTE, "no_route", INPUT, "there is no such route")                                       \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", INPUT, "this route does not take this method")     \
    X(NOT_ACCEPTABLE, "not_acceptable", INPUT, "this route cannot answer in the asked form")       \
    X(TOO_LARGE, "too_large", INPUT, "something is larger than its limit")                         \
    X(UNSUPPORTED_MEDIA, "unsupported_media_type", INPUT,                                          \
      "this route does not take this body type")                                                   \
    X(HEADERS_TOO_LARGE, "headers_too_large", INPUT, "the request headers are too large")          \
    X(BAD_RANGE, "bad_range", INPUT, "the range is impossible")                                    \
    X(NOT_SUPPORTED, "not_supported", INPUT, "this version does not have that yet")                \
    X(BAD_CONFIG, "bad_config", INPUT, "the configuration is not valid")                           \
    X(BAD_FORMAT, "bad_format", INPUT, "the bytes do not have the expected form")                  \
    /* STATE */                                                                                    \
    X(NOT_FOUND, "not_found", STATE, "there is nothing under this name or number")                 \
    X(SEQ_NOT_FOUND, "seq_not_found", STATE, "no message has this seq yet")                        \
    X(SEQ_DELETED, "seq_deleted", STATE, "this message was deleted")                               \
    X(COLLECTED, "collected", STATE, "the record of this delete was collected")                    \
    X(CONFLICT, "conflict", STATE, "another operation is in the way")                              \
    X(SEQ_MISMATCH, "seq_mismatch", STATE, "expected_last_seq does not hold")                      \
    X(END_BEYOND_LAST, "end_beyond_last", STATE, "the range ends after the last message")          \
    X(CLIENT_MSG_NO_REUSED, "client_msg_no_reused", STATE,                                         \
      "this client_msg_no was used with another payload")                                          \
    X(BATCH_FAILED, "batch_failed", STATE, "another message of the atomic batch failed")           \
    X(NEEDS_MAINTENANCE, "needs_quorum", STATE, "stopping this node would cost a slot its quorum") \
    /* REFUSED: certainly not applied */                                                           \
    X(NO_LEADER, "no_leader", REFUSED, "the slot has no leader at the moment")                     \
    X(NOT_LEADER, "not_leader", REFUSED, "this node does not lead the slot")                       \
    X(BUSY, "busy", REFUSED, "too much is in flight")                                              \
    X(QUEUE_FULL, "queue_full", REFUSED, "a queue is full")                                        \
    X(TRANSFERRING, "transferring", REFUSED, "the leadership is being handed over")                \
    X(CONFIG_PENDING, "config_pending", REFUSED, "a membership change is not finished")            \
    X(IGNORED, "ignored", REFUSED, "the event does not apply in this state")                       \
    X(STARTING, "starting", REFUSED, "this node is starting")                                      \
    X(DRAINING, "draining", REFUSED, "this node is stopping")                                      \
    X(REMOVED, "node_removed", REFUSED, "this node was removed from the cluster")                  \
    X(NEW_FOLDER, "new_data_folder", REFUSED,                                                      \
      "the cluster knows this node with another data folder")                                      \
    X(OLD_FOLDER, "old_data_folder", REFUSED,                                                      \
      "the cluster has seen this node further than its data folder is")                            \
    X(TOO_STALE, "too_stale", REFUSED, "this node's state is older than asked for")                \
    X(PROVEN_LOST, "proven_lost", REFUSED, "the command lost its place to another leader's")       \
    X(UNREADY, "unready", REFUSED, "this replica is not fit to serve")                             \
    X(TOO_MANY_REQUESTS, "too_many_requests", REFUSED, "a limit on requests was reached")          \
    X(DISK_FULL, "disk_full", REFUSED, "the disk is nearly full: appends are refused")             \
    /* UNKNOWN */                                                                                  \
    X(OUTCOME_UNKNOWN, "outcome_unknown", UNKNOWN, "the write may or may not have happened")       \
    /* BROKEN */                                                                                   \
    X(INTERNAL, "internal", BROKEN, "a fault inside the server")                                   \
    X(CORRUPT, "corrupt", BROKEN, "stored bytes fail their checksum")                              \
    X(DISK_FAILED, "disk_failed", BROKEN, "the disk failed: the outcome is unknown")               \
    X(WRONG_IDENTITY, "wrong_identity", BROKEN, "the data belongs to another node or cluster")     \
    X(WRONG_FORMAT, "wrong_format", BROKEN, "the data has a format this version does not know")    \
    X(LOG_TOO_SHORT, "log_too_short", BROKEN, "the log is shorter than what was once promised")    \
    X(LOCKED, "locked", BROKEN, "another process uses it")                                         \
    X(IO, "io", BROKEN, "a system call failed")                                                    \
    X(CLOSED, "closed", BROKEN, "the other side closed the connection")                            \
    X(TIMEOUT, "timeout", BROKEN, "it took too long")

enum err {
    OK = 0,
#define X(symbol, slug, kind, sentence) ERR_##symbol,
    ERR_TABLE(X)
#undef X
        ERR_COUNT
};

enum err_kind {
    ERR_KIND_NONE,
    ERR_KIND_INPUT,
    ERR_KIND_STATE,
    ERR_KIND_REFUSED,
    ERR_KIND_UNKNOWN,
    ERR_KIND_BROKEN
};

/* The stable slug ("ok" for OK). Static text. */
const char *err_slug(enum err err);
/* The sentence for people, without a full stop. Static text. */
const char *err_sentence(enum err err);
enum err_kind err_kind(enum err err);
/* The error with this slug; ERR_INTERNAL for a slug this version does not know. */
enum err err_from_slug(const char *slug);

#endif
