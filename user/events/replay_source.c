/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the format of recording.h from a file or a pipe, one record in memory at a time. Lengths are believed only
 * after the frame's own checksum, and never beyond the one buffer. A record of a type, or an event of a kind, that this
 * build does not know is skipped and counted: a newer build of the same format version wrote it. */
#include "events/replay_source.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "events/recorder.h"
#include "events/recording.h"
#include "events/source.h"

struct replay_source {
	FILE *file;
	bool owned; /* file is not stdin */
	uint64_t cnt, skipped;
	int ended; /* enum replay_outcome that all further calls return; -1: go on */
	_Alignas(8) unsigned char body[RECORDING_BODY_MAX];
};

/* All sz bytes: 1; none, because the file ends here: 0; fewer: REPLAY_CUT; -errno. */
static int read_bytes(struct replay_source *s, void *buf, size_t sz)
{
	size_t n;

	errno = 0;
	n = fread(buf, 1, sz, s->file);
	if (n == sz)
		return 1;
	if (ferror(s->file))
		return errno ? -errno : -EIO;
	return n ? REPLAY_CUT : 0;
}

static int check_sizes(const struct recording_header *theirs, char *why)
{
	struct recording_header ours;

	recording_header_fill(&ours);
	for (unsigned int t = 0; t < RECORDING_TYPES; t++)
		if (ours.record_sizes[t] && theirs->record_sizes[t] && ours.record_sizes[t] != theirs->record_sizes[t])
			return err_why(why, -EPROTO,
				       "records '%s' have %u bytes there and %u here: replay it with the "
				       "gopherscope that recorded it",
				       record_type_name((enum record_type)t), theirs->record_sizes[t],
				       ours.record_sizes[t]);
	for (unsigned int k = 0; k < RECORDING_KINDS; k++)
		if (ours.event_sizes[k] && theirs->event_sizes[k] && ours.event_sizes[k] != theirs->event_sizes[k])
			return err_why(why, -EPROTO,
				       "events of kind %u have %u bytes there and %u here: replay it with "
				       "the gopherscope that recorded it",
				       k, theirs->event_sizes[k], ours.event_sizes[k]);
	return 0;
}

static int check_header(const struct recording_header *h, char *why)
{
	if (h->byte_order == __builtin_bswap32(RECORDING_BYTE_ORDER))
		return err_why(why, -EPROTO, "it was recorded on a machine of the other byte order: replay it on one");
	if (h->byte_order != RECORDING_BYTE_ORDER)
		return err_why(why, -EINVAL, "its header is damaged");
	if (h->version != RECORDING_VERSION)
		return err_why(why, -EPROTO,
			       "it has version %u of the format, this gopherscope reads version %d: replay "
			       "it with the one that recorded it",
			       h->version, RECORDING_VERSION);
	if (h->size != sizeof(*h) || h->crc != recording_header_crc(h))
		return err_why(why, -EINVAL, "its header is damaged");
	return check_sizes(h, why);
}

static int read_header(struct replay_source *s, char *why)
{
	struct recording_header h = {0};
	int err = read_bytes(s, &h, sizeof(h));

	if (err < 0)
		return err_why(why, err, "cannot read it: %s", strerror(-err));
	if (memcmp(h.magic, RECORDING_MAGIC, sizeof(h.magic)) != 0)
		return err_why(why, -EINVAL, err ? "it is no recording (.gsraw)" : "it is empty");
	/* What a shorter header of another version says of itself counts more than that it is short. */
	if (err != 1 && h.version == RECORDING_VERSION)
		return err_why(why, -EINVAL, "it ends within its header");
	return check_header(&h, why);
}

int replay_source_open(const char *path, struct replay_source **ret, char *why)
{
	struct replay_source *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return err_why(why, -ENOMEM, "out of memory");
	s->ended = -1;
	s->owned = strcmp(path, "-") != 0;
	s->file = s->owned ? fopen(path, "re") : stdin;
	err = s->file ? read_header(s, why) : err_why(why, -errno, "cannot open it: %s", strerror(errno));
	if (err) {
		replay_source_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

struct replay_source *replay_source_close(struct replay_source *s)
{
	if (s && s->owned && s->file)
		fclose(s->file);
	free(s);
	return NULL;
}

/* 1: the body is there and whole; else as replay_source_next(). */
static int read_frame(struct replay_source *s, struct recording_frame *f)
{
	int got = read_bytes(s, f, sizeof(*f));

	if (got != 1)
		return got < 0 ? got : REPLAY_CUT; /* without its mark */
	if (f->frame_crc != recording_frame_crc(f) || f->size > RECORDING_BODY_MAX || f->reserved)
		return REPLAY_BAD;
	got = read_bytes(s, s->body, recording_padded(f->size));
	if (got != 1 && f->size)
		return got < 0 ? got : REPLAY_CUT;
	return f->body_crc == recording_body_crc(s->body, f->size) ? 1 : REPLAY_BAD;
}

static bool is_known(const struct recording_frame *f, const unsigned char *body)
{
	if (f->type == RECORD_EVENT && f->size >= sizeof(struct event_hdr))
		return event_size(((const union event *)(const void *)body)->hdr.kind) != 0;
	return record_type_name((enum record_type)f->type) != NULL;
}

static int check_end(const struct replay_source *s, const struct recording_frame *f)
{
	uint64_t cnt;

	if (f->size != sizeof(cnt))
		return REPLAY_BAD;
	memcpy(&cnt, s->body, sizeof(cnt));
	return cnt == s->cnt + s->skipped ? REPLAY_END : REPLAY_BAD;
}

static int next_known(struct replay_source *s, struct record *ret)
{
	struct recording_frame f;
	int got;

	while ((got = read_frame(s, &f)) == 1) {
		if (f.type == RECORDING_END)
			return check_end(s, &f);
		if (!is_known(&f, s->body)) {
			s->skipped++;
			continue;
		}
		*ret = (struct record){.type = (enum record_type)f.type, .size = f.size, .body = s->body};
		return record_check(ret) ? REPLAY_BAD : REPLAY_RECORD;
	}
	return got;
}

int replay_source_next(struct replay_source *s, struct record *ret)
{
	struct record r;
	int got;

	if (s->ended >= 0)
		return s->ended;
	got = next_known(s, &r);
	if (got < 0)
		return got;
	if (got != REPLAY_RECORD) {
		s->ended = got;
		return got;
	}
	s->cnt++;
	*ret = r;
	return REPLAY_RECORD;
}

uint64_t replay_source_cnt(const struct replay_source *s)
{
	return s->cnt;
}

uint64_t replay_source_skipped(const struct replay_source *s)
{
	return s->skipped;
}
