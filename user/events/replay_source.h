/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a recording: header and checksums verified, each record checked before anybody sees it. Hostile files cannot do
 * more than be refused. */
#pragma once

#include "base/err.h"
#include "events/record.h"

struct replay_source;

/* path "-" is stdin. 0, or -errno with why: no recording, other version, other byte order, unreadable. */
int replay_source_open(const char *path, struct replay_source **ret, char *why);
struct replay_source *replay_source_close(struct replay_source *s);

enum replay_outcome {
	REPLAY_RECORD = 1,
	REPLAY_END = 0, /* the closing mark was there */
	REPLAY_CUT = 2, /* the file ends in the middle or without its mark: what came before is good */
	REPLAY_BAD = 3, /* a record is damaged; reading cannot go on: what came before is good */
};
/* Next record, valid until the next call. enum replay_outcome, or -errno of reading. */
int replay_source_next(struct replay_source *s, struct record *ret);
uint64_t replay_source_cnt(const struct replay_source *s); /* records delivered */
/* Records of an unknown type that were skipped (a newer writer of the same version). */
uint64_t replay_source_skipped(const struct replay_source *s);
