/* SPDX-License-Identifier: Apache-2.0 */
/* `expect` and convergence on the core model. */
#ifndef SIM_CORE_EXPECT_H
#define SIM_CORE_EXPECT_H

#include "core_model.h"

enum step core_expect(struct model *model, const struct words *words);
/* One leader, and every live member of its configuration has its log, applied to the end. */
bool core_is_converged(struct model *model);
enum step core_why_not_converged(struct model *model); /* STEP_FAILED with the reason */

#endif
