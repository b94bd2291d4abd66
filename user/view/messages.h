/* SPDX-License-Identifier: BSD-2-Clause */
/* Where log lines go while the terminal belongs to the view: the newest to its last line, all of them (bounded) to
 * stderr afterwards. Log lines may come from any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct messages;

/* From here on log_* writes here. 0 or -ENOMEM. */
int messages_new(struct messages **ret);
/* log_* writes to stderr again, first what was kept. */
struct messages *messages_free(struct messages *m);
/* The newest line, once. False: none since the last call. */
bool messages_next(struct messages *m, char *buf, size_t sz);
