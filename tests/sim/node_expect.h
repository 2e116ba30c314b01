/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_NODE_EXPECT_H
#define SIM_NODE_EXPECT_H

#include "node_world.h"

/* Notes what does not hold: STEP_FAILED. */
enum step world_no(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);
enum step world_expect(struct world *world, const struct words *words);
enum step world_serve(struct world *world, const struct words *words);
/* Heals everything, restarts what is down, and demands that all nodes become equal and answer. */
enum step world_converge(struct world *world, uint64_t within_ticks);

#endif
