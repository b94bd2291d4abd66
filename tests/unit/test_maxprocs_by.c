/* SPDX-License-Identifier: BSD-2-Clause */
/* Who set GOMAXPROCS, by what can be known from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/maxprocs_by.h"

static void test_judge(void **state)
{
	static const struct {
		struct maxprocs_facts f;
		enum maxprocs_by by;
	} rows[] = {
		/* minor, go.mod below 1.25, gomaxprocs, custom, GOMAXPROCS, GODEBUG, CPUs of the mask, of the machine
		 */
		{{24, false, 8, SAMPLE_UNKNOWN, NULL, NULL, 8, 8}, MAXPROCS_DEFAULT},
		{{24, false, 2, SAMPLE_UNKNOWN, NULL, NULL, 2, 8}, MAXPROCS_DEFAULT},
		{{24, false, 2, SAMPLE_UNKNOWN, NULL, NULL, 8, 8}, MAXPROCS_CODE},
		{{24, false, 8, SAMPLE_UNKNOWN, NULL, NULL, 2, 8}, MAXPROCS_UNKNOWN}, /* the mask may be younger */
		{{24, false, 2, SAMPLE_UNKNOWN, NULL, NULL, 0, 8}, MAXPROCS_UNKNOWN},
		{{24, false, 2, SAMPLE_UNKNOWN, "2", NULL, 8, 8}, MAXPROCS_ENV},
		{{24, false, 3, SAMPLE_UNKNOWN, "2", NULL, 8, 8}, MAXPROCS_CODE},
		{{24, false, 8, SAMPLE_UNKNOWN, "0", NULL, 8, 8}, MAXPROCS_DEFAULT},
		{{24, false, 8, SAMPLE_UNKNOWN, "-2", NULL, 8, 8}, MAXPROCS_DEFAULT},
		{{24, false, 8, SAMPLE_UNKNOWN, "2x", NULL, 8, 8}, MAXPROCS_DEFAULT},
		{{24, false, 8, SAMPLE_UNKNOWN, "4294967304", NULL, 8, 8}, MAXPROCS_DEFAULT},
		{{25, false, 8, 0, NULL, NULL, 8, 8}, MAXPROCS_DEFAULT},
		{{25, false, 2, 0, NULL, NULL, 8, 8}, MAXPROCS_QUOTA},
		{{25, true, 8, 0, NULL, NULL, 8, 8}, MAXPROCS_GODEBUG},
		{{25, true, 2, 0, NULL, "containermaxprocs=1", 8, 8}, MAXPROCS_QUOTA},
		{{25, false, 8, 0, NULL, "x=1,containermaxprocs=0", 8, 8}, MAXPROCS_GODEBUG},
		{{25, false, 8, 0, "8", NULL, 8, 8}, MAXPROCS_DEFAULT}, /* SetDefaultGOMAXPROCS was called */
		{{25, false, 2, 1, "2", NULL, 8, 8}, MAXPROCS_ENV},
		{{25, false, 3, 1, "2", NULL, 8, 8}, MAXPROCS_CODE},
		{{25, false, 8, 1, NULL, NULL, 8, 8}, MAXPROCS_CODE},
		{{25, false, 8, SAMPLE_UNKNOWN, NULL, NULL, 8, 8}, MAXPROCS_UNKNOWN},
		{{25, false, 2, SAMPLE_UNKNOWN, "2", NULL, 8, 8}, MAXPROCS_ENV},
		{{25, false, SAMPLE_UNKNOWN, 0, NULL, NULL, 8, 8}, MAXPROCS_UNKNOWN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (maxprocs_by_judge(&rows[i].f) != rows[i].by)
			fail_msg("row %zu: %s instead of %s", i, maxprocs_by_text(maxprocs_by_judge(&rows[i].f)),
				 maxprocs_by_text(rows[i].by));
}

static void test_follows_quota(void **state)
{
	static const struct {
		int minor;
		bool ignores;
		const char *godebug;
		bool follows;
	} rows[] = {
		{24, false, NULL, false},
		{24, false, "containermaxprocs=1", false},
		{25, false, NULL, true},
		{25, true, NULL, false},
		{25, true, "containermaxprocs=1", true},
		{25, false, "containermaxprocs=0", false},
		{25, false, "containermaxprocs=0,containermaxprocs=1", true},
		{25, false, "containermaxprocs=1,containermaxprocs=0", false},
		{25, false, "notcontainermaxprocs=0", true},
		{25, false, "containermaxprocs=", true},
		{25, false, "containermaxprocs", true},
		{25, false, ",,a=b,", true},
		{25, true, "", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (maxprocs_by_follows_quota(rows[i].minor, rows[i].ignores, rows[i].godebug) != rows[i].follows)
			fail_msg("row %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_follows_quota),
	};

	return cmocka_run_group_tests_name("maxprocs_by", tests, NULL, NULL);
}
