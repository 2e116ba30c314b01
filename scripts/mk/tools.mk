# SPDX-License-Identifier: Apache-2.0
# What the tools need besides the rooms' usual libraries: pow, for skewed channel popularity.
LIBS_bench += -lm
