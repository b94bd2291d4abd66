/* SPDX-License-Identifier: BSD-2-Clause */
/* One range that is not mapped fails a whole scattered read, so a piece of a few hundred is then read one by one. */
#include "runtime/read_pieces.h"

#include <errno.h>

#define PIECE 256 /* what memory_read_many() gives to the kernel at once */

static int read_each(const struct memory *m, struct memory_range *ranges, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		int err = memory_read(m, ranges[i].addr, ranges[i].buf, ranges[i].sz);

		if (err && err != -EFAULT)
			return err;
		if (err)
			ranges[i].sz = 0;
	}
	return 0;
}

int read_pieces(struct memory *m, struct memory_range *ranges, size_t cnt)
{
	for (size_t i = 0; i < cnt; i += PIECE) {
		size_t n = cnt - i < PIECE ? cnt - i : PIECE;
		int err = memory_read_many(m, ranges + i, n);

		if (err == -EFAULT)
			err = read_each(m, ranges + i, n);
		if (err)
			return err;
	}
	return 0;
}
