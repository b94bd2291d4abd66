/* SPDX-License-Identifier: BSD-2-Clause */
/* What an event tells of the cost that its process bore. */
#pragma once

#include "event.h"

/* Probe hits of go_gc or go_assist that stand behind an event; 0 for those of other signals. */
unsigned long long event_hits(const union event *e);
