/* SPDX-License-Identifier: BSD-2-Clause */
/* Experiments are in the version ("go1.23.1 X:nocoverageredesign"). Most change what the runtime keeps or how it is
 * compiled; two that are usual in production do not: compared were layouts of 1.22.12 and 1.24.13. */
#include "symbols/release.h"

#include <string.h>

#include "base/cleanup.h"

static bool is_harmless(const char *name, size_t len)
{
	static const char *const names[] = {"nocoverageredesign", "boringcrypto"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len && memcmp(name, names[i], len) == 0)
			return true;
	return false;
}

/* The list behind " X:", NULL if there is none. */
static const char *experiments(const struct binary *b)
{
	const char *x = strstr(b->go_version, " X:");

	return x ? x + 3 : NULL;
}

static bool all_harmless(const char *list)
{
	for (;;) {
		size_t len = strcspn(list, ",");

		if (!is_harmless(list, len))
			return false;
		if (list[len] == '\0')
			return true;
		list += len + 1;
	}
}

bool release_is_plain(const struct binary *b)
{
	const char *x = experiments(b);
	const char *space = strchr(b->go_version, ' ');

	if (!b->go_devel)
		return true;
	/* "go1.23.1 X:a,b" and nothing else: vendors write more words */
	return x && space + 3 == x && b->go_patch >= 0 && all_harmless(x);
}

bool release_is_newer(const struct binary *b, int minor)
{
	const char *x = experiments(b);

	return b->go_minor > minor && (!x || all_harmless(x));
}

struct release_range {
	RELEASE_RANGE;
};

static bool holds_for(const struct release_range *r, const struct binary *b)
{
	return r->minor == b->go_minor && b->go_patch >= r->patch_min && b->go_patch <= r->patch_max;
}

long release_find_row(const void *rows, size_t cnt, size_t row_sz, const struct binary *b, bool *nearest)
{
	long newest = -1;
	int minor = -1;

	*nearest = false;
	for (size_t i = 0; i < cnt; i++) {
		struct release_range r;

		memcpy(&r, (const char *)rows + i * row_sz, sizeof(r));
		if (strcmp(r.arch, b->arch) != 0)
			continue;
		if (release_is_plain(b) && holds_for(&r, b))
			return (long)i;
		if (r.minor >= minor) {
			newest = (long)i;
			minor = r.minor;
		}
	}
	*nearest = newest >= 0 && release_is_newer(b, minor);
	return *nearest ? newest : -1;
}
