/* SPDX-License-Identifier: BSD-2-Clause */
/* Which rows of the table are shown: words that must all hold. `shop` part of the name, `ns=shop` the namespace
 * (globs), `why` any verdict, `why=gc` one whose name has "gc"; `!` before a word turns it round. */
#pragma once

#include <stdbool.h>

#include "stats/snapshot.h"

#define FILTER_SZ    64
#define FILTER_WORDS 8 /* beyond are ignored */

enum filter_what { FILTER_NAME, FILTER_NAMESPACE, FILTER_WHY };

struct filter {
	struct {
		enum filter_what what;
		bool not ;
		char text[FILTER_SZ]; /* lower case; FILTER_WHY: "" any */
	} words[FILTER_WORDS];
	int cnt;
	char unknown[16]; /* of the first word like "x=1" whose key does not exist; "" none. It is part of a name, then
			   */
};
#define FILTER_KEYS "there are ns= and why="

/* Never fails: an empty text lets everything pass. */
void filter_parse(struct filter *f, const char *text);
bool filter_matches(const struct filter *f, const struct snapshot_container *c);
