/* SPDX-License-Identifier: Apache-2.0 */
/* One switch a safety rule (the design's raft page, section 2). A product build has all of them on;
 * a mutant build takes one away, and a scenario must then fail: a rule that no test misses is not
 * tested. Written `if (RULE_R4 && ...)`, so that the compiler checks both forms. */
#ifndef RAFT_RULES_H
#define RAFT_RULES_H

/* a granted vote leaves after {term, vote} is durable */
#ifdef LETHE_MUTANT_R1
#define RULE_R1 0
#else
#define RULE_R1 1
#endif

/* an ack leaves after its entries are durable, and speaks for the verified only */
#ifdef LETHE_MUTANT_R2
#define RULE_R2 0
#else
#define RULE_R2 1
#endif

/* a vote request waits like a grant; the unfit do not campaign */
#ifdef LETHE_MUTANT_R3
#define RULE_R3 0
#else
#define RULE_R3 1
#endif

/* own vote and own match count only once durable */
#ifdef LETHE_MUTANT_R4
#define RULE_R4 0
#else
#define RULE_R4 1
#endif

/* a leader's entries leave before its own disk has them */
#ifdef LETHE_MUTANT_R5
#define RULE_R5 0
#else
#define RULE_R5 1
#endif

/* no term on the wire is above the durable one */
#ifdef LETHE_MUTANT_R6
#define RULE_R6 0
#else
#define RULE_R6 1
#endif

/* asking for a pre-vote changes nothing, and leaves at once */
#ifdef LETHE_MUTANT_R7
#define RULE_R7 0
#else
#define RULE_R7 1
#endif

/* boot: commit is at least applied */
#ifdef LETHE_MUTANT_R8
#define RULE_R8 0
#else
#define RULE_R8 1
#endif

/* what is overwritten is deleted in the same batch */
#ifdef LETHE_MUTANT_R9
#define RULE_R9 0
#else
#define RULE_R9 1
#endif

/* applied is what is committed and durable here */
#ifdef LETHE_MUTANT_R10
#define RULE_R10 0
#else
#define RULE_R10 1
#endif

/* an install's ack and reply wait for their tickets */
#ifdef LETHE_MUTANT_R14
#define RULE_R14 0
#else
#define RULE_R14 1
#endif

/* one uncommitted configuration, after an own-term commit */
#ifdef LETHE_MUTANT_R15
#define RULE_R15 0
#else
#define RULE_R15 1
#endif

/* reads wait for an own-term commit */
#ifdef LETHE_MUTANT_R16
#define RULE_R16 0
#else
#define RULE_R16 1
#endif

/* packets of an older term are refused */
#ifdef LETHE_MUTANT_R17A
#define RULE_R17A 0
#else
#define RULE_R17A 1
#endif

/* nothing is appended while installing */
#ifdef LETHE_MUTANT_R17B
#define RULE_R17B 0
#else
#define RULE_R17B 1
#endif

/* below commit nothing changes */
#ifdef LETHE_MUTANT_R17C
#define RULE_R17C 0
#else
#define RULE_R17C 1
#endif

/* the entry before must match */
#ifdef LETHE_MUTANT_R17D
#define RULE_R17D 0
#else
#define RULE_R17D 1
#endif

/* truncate at the first conflict of terms only */
#ifdef LETHE_MUTANT_R17E
#define RULE_R17E 0
#else
#define RULE_R17E 1
#endif

/* commit only up to the verified mark */
#ifdef LETHE_MUTANT_R17F
#define RULE_R17F 0
#else
#define RULE_R17F 1
#endif

/* a node that forgot grants no vote and is counted nowhere */
#ifdef LETHE_MUTANT_R19
#define RULE_R19 0
#else
#define RULE_R19 1
#endif

/* replies to another boot, campaign or stay, or of strangers, are dropped */
#ifdef LETHE_MUTANT_R20
#define RULE_R20 0
#else
#define RULE_R20 1
#endif

/* a campaign begins with PREVOTE */
#ifdef LETHE_MUTANT_NO_PREVOTE
#define RULE_PREVOTE 0
#else
#define RULE_PREVOTE 1
#endif

/* a leader without a quorum steps down */
#ifdef LETHE_MUTANT_NO_CHECK_QUORUM
#define RULE_CHECK_QUORUM 0
#else
#define RULE_CHECK_QUORUM 1
#endif

/* joint: both halves decide */
#ifdef LETHE_MUTANT_NEW_QUORUM_ONLY
#define RULE_BOTH_QUORUMS 0
#else
#define RULE_BOTH_QUORUMS 1
#endif

/* reads are confirmed by a quorum */
#ifdef LETHE_MUTANT_READ_NO_INDEX
#define RULE_READ_INDEX 0
#else
#define RULE_READ_INDEX 1
#endif

/* only entries of the own term commit by counting */
#ifdef LETHE_MUTANT_COMMIT_OLD_TERM
#define RULE_OWN_TERM_COMMIT 0
#else
#define RULE_OWN_TERM_COMMIT 1
#endif

#endif
