/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares text with a file in tests/golden; GOLDEN_UPDATE=1 writes the file instead. Tests run in the top folder, or
 * GOLDEN_DIR says where the files are. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline char *golden_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char *buf = calloc(1, 1 << 20);

	if (f && buf)
		buf[fread(buf, 1, (1 << 20) - 1, f)] = 0;
	if (f)
		fclose(f);
	return buf;
}

static inline bool golden_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	bool good = f && fputs(text, f) >= 0;

	return f && !fclose(f) && good;
}

/* True if the file holds exactly this text. */
static inline bool golden_same(const char *name, const char *text)
{
	const char *dir = getenv("GOLDEN_DIR"), *update = getenv("GOLDEN_UPDATE");
	char path[512], *want;
	bool same;

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "tests/golden", name);
	if (update && !strcmp(update, "1"))
		return golden_write(path, text);
	want = golden_read(path);
	same = want && !strcmp(want, text);
	if (!same)
		fprintf(stderr, "%s differs (GOLDEN_UPDATE=1 rewrites it); got:\n%s\n", path, text);
	free(want);
	return same;
}
