/* SPDX-License-Identifier: BSD-2-Clause */
/* Symbols and capabilities from procfs text: whole names only, whatever the compiler made of the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probes/kernel_features.h"

static const struct {
	const char *what, *text;
	uint64_t want;
} symbols[] = {
	{"plain", "ffffffff81000010 T _stext\nffffffff8110aaa0 t sched_timer\nffffffff8110aab0 t other\n",
	 0xffffffff8110aaa0},
	{"first line", "ffff800080101010 t sched_timer\n", 0xffff800080101010},
	{"last line, no newline", "ffffffff81000010 T _stext\nffffffff8110aaa0 t sched_timer", 0xffffffff8110aaa0},
	{"global", "ffffffff8110aaa0 T sched_timer\n", 0xffffffff8110aaa0},
	{"cold part first", "ffffffff81f00000 t sched_timer.cold\nffffffff8110aaa0 t sched_timer\n",
	 0xffffffff8110aaa0},
	{"only the cold part", "ffffffff81f00000 t sched_timer.cold\n", 0},
	{"longer name", "ffffffff81f00000 t sched_timer_start\n", 0},
	{"tail of a name", "ffffffff81f00000 t my_sched_timer\n", 0},
	{"data", "ffffffff81f00000 d sched_timer\n", 0},
	{"clang LTO", "ffffffff8110aaa0 t sched_timer.llvm.1234567\n", 0xffffffff8110aaa0},
	{"gcc LTO", "ffffffff8110aaa0 t sched_timer.lto_priv.0\n", 0xffffffff8110aaa0},
	{"module", "ffffffffc0101010 t sched_timer\t[mod]\n", 0xffffffffc0101010},
	{"hidden", "0000000000000000 t sched_timer\n", 0},
	{"empty", "", 0},
	{"name alone", "sched_timer", 0},
	{"no address", "t sched_timer\n", 0},
};

static void test_find_symbol(void **state)
{
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		uint64_t got = kernel_features_find_symbol(symbols[i].text, "sched_timer");

		if (got != symbols[i].want)
			fail_msg("%s: %#lx instead of %#lx", symbols[i].what, (unsigned long)got,
				 (unsigned long)symbols[i].want);
	}
}

static void test_parse_caps(void **state)
{
	assert_int_equal(kernel_features_parse_caps(
				 "Name:\tx\nCapPrm:\t0000000000000001\nCapEff:\t000001fffeffffff\nCapBnd:\t0\n"),
			 0x1fffeffffff);
	assert_int_equal(kernel_features_parse_caps("CapEff:\t0000000000000000\n"), 0);
	assert_int_equal(kernel_features_parse_caps("CapPrm:\t000001ffffffffff\n"), 0);
	assert_int_equal(kernel_features_parse_caps(""), 0);
}

/* The real files of this machine: nothing is known of them but that reading does not fail. */
static void test_read(void **state)
{
	struct kernel_features f;

	assert_int_equal(kernel_features_read(&f), 0);
	assert_true(f.release[0] && f.machine[0] && f.lockdown[0]);
	if (f.sym_period_timer)
		assert_true(f.sym_slack_timer && f.sym_slack_timer != f.sym_period_timer && !f.kallsyms_why[0]);
	else
		assert_true(f.kallsyms_why[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find_symbol),
		cmocka_unit_test(test_parse_caps),
		cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
