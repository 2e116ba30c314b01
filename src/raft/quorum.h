/* SPDX-License-Identifier: Apache-2.0 */
/* Majorities, of one set of voters or of both halves of a joint configuration (thesis 4.3).
 * Pure arithmetic on what the caller knows of each voter. Owns nothing. */
#ifndef RAFT_QUORUM_H
#define RAFT_QUORUM_H

#include "raft/types.h"

enum quorum_vote { QUORUM_PENDING, QUORUM_WON, QUORUM_LOST };

/* What the caller knows of a voter: an index (0: nothing), or a ballot (0 unknown, 1 yes, -1 no). */
typedef uint64_t quorum_index_of(const void *arg, node_id voter);
typedef int quorum_ballot_of(const void *arg, node_id voter);

/* The highest index that a majority of the voters has reached; UINT64_MAX of no voters. */
uint64_t quorum_majority_index(const node_id *voters, uint8_t count, quorum_index_of *index_of,
                               const void *arg);
enum quorum_vote quorum_majority_vote(const node_id *voters, uint8_t count,
                                      quorum_ballot_of *ballot_of, const void *arg);
/* Both halves when joint. 0 and QUORUM_PENDING of a configuration without voters. */
uint64_t quorum_index(const struct raft_config *config, quorum_index_of *index_of, const void *arg);
enum quorum_vote quorum_vote(const struct raft_config *config, quorum_ballot_of *ballot_of,
                             const void *arg);

#endif
