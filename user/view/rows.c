/* SPDX-License-Identifier: BSD-2-Clause */
/* Containers are told apart by their id, which is never reused; the cursor belongs to an id, not to a row. */
#include "view/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void rows_deinit(struct rows *r)
{
	free(r->row);
	memset(r, 0, sizeof(*r));
}

void rows_resort(struct rows *r)
{
	r->moved_ns = 0;
}

static int compare_ids(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Rows that stay where they are, then the new ones. by_id: the wanted ones, ordered by id; at -1 when placed. */
static int keep_places(struct rows *r, const struct row *wanted, struct row *by_id, int cnt)
{
	int kept = 0;

	for (int i = 0; i < r->cnt; i++) {
		struct row *x = bsearch(&r->row[i], by_id, (size_t)cnt, sizeof(*by_id), compare_ids);

		if (!x || x->at < 0)
			continue;
		r->row[kept++] = *x;
		x->at = -1;
	}
	for (int i = 0; i < cnt && kept < cnt; i++) {
		struct row *x = bsearch(&wanted[i], by_id, (size_t)cnt, sizeof(*by_id), compare_ids);

		if (x && x->at >= 0) {
			r->row[kept++] = *x;
			x->at = -1;
		}
	}
	return kept;
}

static int reserve(struct rows *r, int cnt)
{
	struct row *grown;

	if (cnt <= r->cap)
		return 0;
	grown = realloc(r->row, (size_t)cnt * 2 * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	r->row = grown;
	r->cap = cnt * 2;
	return 0;
}

static void cursor_to(struct rows *r, int row)
{
	r->cursor = row >= r->cnt ? r->cnt - 1 : row;
	if (r->cursor < 0)
		r->cursor = 0;
	r->selected = r->cnt ? r->row[r->cursor].id : 0;
}

static void place_cursor(struct rows *r)
{
	if (!r->held)
		r->cursor = 0;
	for (int i = 0; r->held && i < r->cnt; i++) {
		if (r->row[i].id == r->selected) {
			r->cursor = i;
			return;
		}
	}
	cursor_to(r, r->cursor); /* its row is gone: what stands there now */
}

static bool may_move(const struct rows *r, uint64_t now_ns, uint64_t key_ns)
{
	return !r->moved_ns || (now_ns - r->moved_ns >= ROWS_MOVE_NS && (!key_ns || now_ns - key_ns >= ROWS_MOVE_NS));
}

int rows_update(struct rows *r, const struct snapshot *s, const int *wanted, int wanted_cnt, uint64_t now_ns,
		uint64_t key_ns)
{
	size_t sz = ((size_t)wanted_cnt + 1) * sizeof(struct row);
	struct row *list = malloc(sz), *by_id = malloc(sz);
	int err = !list || !by_id ? -ENOMEM : reserve(r, wanted_cnt + 1);

	for (int i = 0; !err && i < wanted_cnt; i++)
		list[i] = (struct row){s->containers[wanted[i]].id, wanted[i]};
	if (!err && may_move(r, now_ns, key_ns)) {
		memcpy(r->row, list, (size_t)wanted_cnt * sizeof(*list));
		r->cnt = wanted_cnt;
		r->moved_ns = now_ns;
	} else if (!err) {
		memcpy(by_id, list, (size_t)wanted_cnt * sizeof(*list));
		qsort(by_id, (size_t)wanted_cnt, sizeof(*by_id), compare_ids);
		r->cnt = keep_places(r, list, by_id, wanted_cnt);
	}
	free(list);
	free(by_id);
	if (!err)
		place_cursor(r);
	return err;
}

void rows_move(struct rows *r, int by)
{
	r->held = true;
	cursor_to(r, r->cursor + by);
}

void rows_scroll(struct rows *r, int height)
{
	height = height < 1 ? 1 : height;
	if (r->top > r->cursor)
		r->top = r->cursor;
	if (r->top < r->cursor - height + 1)
		r->top = r->cursor - height + 1;
	if (r->top > r->cnt - height)
		r->top = r->cnt - height;
	if (r->top < 0)
		r->top = 0;
}
