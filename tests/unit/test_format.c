/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and names as screens.md writes them, and names that try to reach the terminal as something else. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "stats/snapshot.h"
#include "view/format.h"

struct number_case {
	double value;
	const char *want;
};

static void check_numbers(char *(*format)(double, char *, size_t), const struct number_case *rows, size_t cnt)
{
	char buf[32];

	for (size_t i = 0; i < cnt; i++)
		assert_string_equal(format(rows[i].value, buf, sizeof(buf)), rows[i].want);
}

static void test_ms(void **state)
{
	static const struct number_case rows[] = {
		{0.00031, ".310"}, {0.00192, "1.92"}, {0.0941, "94.1"},    {0.412, "412"},      {12.4, "12s"},
		{0, ".000"},       {4e-7, ".000"},    {0.0009994, ".999"}, {0.0009996, "1.00"}, {0.009996, "10.0"},
		{0.09996, "100"},  {0.9999, "1000"},  {9.9994, "9999"},    {9.9996, "10s"},     {999, "999s"},
		{999.6, "17m"},    {86400, "24h"},    {1e12, "9999h"},     {NAN, "?"},          {-1, "?"},
		{INFINITY, "?"},
	};

	check_numbers(format_ms, rows, ARRAY_SIZE(rows));
}

static void test_cpus(void **state)
{
	static const struct number_case used[] = {{0.412, ".412"}, {1.98, "1.98"}, {12.42, "12.4"}, {0.002, ".002"},
						  {128, "128"},    {NAN, "?"},     {1e9, "99999"}};
	static const struct number_case limit[] = {{2, "2.0"},      {0.1, ".1"},     {0.25, ".25"}, {1.5, "1.5"},
						   {12, "12.0"},    {128, "128"},    {-1, "-"},     {NAN, "?"},
						   {0.125, ".125"}, {0.001, ".001"}, {100, "100"}};

	check_numbers(format_cpus, used, ARRAY_SIZE(used));
	check_numbers(format_cpu_limit, limit, ARRAY_SIZE(limit));
}

static void test_percent(void **state)
{
	static const struct number_case rows[] = {{0.41, "41"}, {0, "0"}, {1, "100"}, {NAN, "?"}, {0.004, "0"}};
	static const struct number_case fine[] = {{0.0008, "0.08"}, {0.003, "0.3"},  {0.021, "2.1"}, {0.61, "61"},
						  {0, "0"},         {1e-6, "<0.01"}, {NAN, "?"}};

	check_numbers(format_percent, rows, ARRAY_SIZE(rows));
	check_numbers(format_percent_fine, fine, ARRAY_SIZE(fine));
}

static void test_duration(void **state)
{
	static const struct number_case rows[] = {
		{10, "10s"}, {14.2, "14.2s"},  {147, "2m27s"},  {753, "12m33s"},   {273600, "3d04h"}, {0.5, "500ms"},
		{0, "0s"},   {59.97, "1m00s"}, {3600, "1h00m"}, {86399, "23h59m"}, {NAN, "?"},
	};

	check_numbers(format_duration, rows, ARRAY_SIZE(rows));
}

static void test_integers(void **state)
{
	static const struct {
		int64_t value;
		const char *bytes, *count;
	} rows[] = {
		{0, "0", "0"},
		{412, "412B", "412"},
		{999, "999B", "999"},
		{1204, "1.2K", "1.2k"},
		{1023 * 1024, "1.0M", "1.0M"},
		{38ll << 20, "38M", "40M"},
		{1288490188ll, "1.2G", "1.3G"},
		{512ll << 20, "512M", "537M"},
		{INT64_MAX, "8.0E", "9.2E"},
		{-1, "-", "-"},
		{STAT_UNKNOWN, "?", "?"},
	};
	char buf[32];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_string_equal(format_bytes(rows[i].value, buf, sizeof(buf)), rows[i].bytes);
		assert_string_equal(format_count(rows[i].value, buf, sizeof(buf)), rows[i].count);
	}
}

static void test_squeeze(void **state)
{
	static const struct {
		const char *name;
		int width;
		bool ascii;
		const char *want;
	} rows[] = {
		{"shop/cart-0:cart", 32, false, "shop/cart-0:cart"},
		{"shop/checkout-api-7d9c6b5f4-x2x9k:app", 32, false, "shop/checkout-api-7d9…-x2x9k:app"},
		{"shop/checkout-api-7d9c6b5f4-x2x9k:app", 32, true, "shop/checkout-api-7d..-x2x9k:app"},
		{"checkout-api-7d9c6b5f4-x2x9k:app", 24, false, "checkout-api…-x2x9k:app"},
		{"pay/ledger-6b8f4d7c99-qq7vz:ledger", 32, false, "pay/ledger-6b8f4d7…-qq7vz:ledger"},
		{"ns/pod:a-very-long-name-of-a-container", 20, false, "ns/pod:…-a-container"},
		{"nodashesatallinthisverylongname", 12, false, "noda…ongname"},
		{"host/pid 911 containerd", 10, false, "hos…ainerd"},
		{"abcdef", 3, false, "def"},
		{"abcdef", 0, false, ""},
		{"日本語の長い名前のプロセス", 9, false, "日本…セス"},
	};
	char buf[256];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		format_squeeze(rows[i].name, rows[i].width, rows[i].ascii, buf, sizeof(buf));
		assert_string_equal(buf, rows[i].want);
		assert_true(format_clean(buf, false, (char[256]){0}, 256) <= rows[i].width);
	}
}

static void test_clean(void **state)
{
	static const struct {
		const char *in, *want, *ascii;
		int width;
	} rows[] = {
		{"plain", "plain", "plain", 5},
		{"a\033[31mb\033]0;x\007", "a?[31mb?]0;x?", "a?[31mb?]0;x?", 13},
		{"tab\tline\nret\rdel\177", "tab?line?ret?del?", "tab?line?ret?del?", 17},
		{"c1 \302\233 csi", "c1 ? csi", "c1 ? csi", 8},         /* U+009B is an escape of its own */
		{"raw \233 csi", "raw ? csi", "raw ? csi", 9},          /* the same as a bare byte */
		{"cut \342\202", "cut ??", "cut ??", 6},                /* truncated */
		{"long \300\257", "long ??", "long ??", 7},             /* overlong slash */
		{"half \355\240\200", "half ???", "half ???", 8},       /* surrogate */
		{"high \364\220\200\200", "high ????", "high ????", 9}, /* beyond U+10FFFF */
		{"bidi \342\200\256txt", "bidi ?txt", "bidi ?txt", 9},  /* right-to-left override */
		{"zero\342\200\213width", "zero?width", "zero?width", 10},
		{"mark e\314\201", "mark e?", "mark e?", 7}, /* combining accent */
		{"\303\274ber", "\303\274ber", "?ber", 4},
		{"\346\227\245", "\346\227\245", "?", 2}, /* two columns */
		{"\342\224\202\342\224\200\302\267\342\200\246\342\226\210",
		 "\342\224\202\342\224\200\302\267\342\200\246\342\226\210", "|-...#", 5},
	};
	char buf[64];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(format_clean(rows[i].in, false, buf, sizeof(buf)), rows[i].width);
		assert_string_equal(buf, rows[i].want);
		format_clean(rows[i].in, true, buf, sizeof(buf));
		assert_string_equal(buf, rows[i].ascii);
	}
}

/* Never half a character, never beyond the buffer. */
static void test_clean_small_buffer(void **state)
{
	char buf[5];

	assert_int_equal(format_clean("ab\346\227\245", false, buf, sizeof(buf)), 2);
	assert_string_equal(buf, "ab");
	assert_int_equal(format_clean("", false, buf, 1), 0);
	assert_string_equal(buf, "");
}

/* All byte pairs and some longer: what comes out is always clean. */
static void test_clean_any_bytes(void **state)
{
	char in[5] = "", out[32];

	for (unsigned int i = 0; i < 65536; i++) {
		in[0] = (char)(i & 0xff);
		in[1] = (char)(i >> 8);
		in[2] = (char)(i * 31);
		in[3] = (char)(i * 7);
		format_clean(in, false, out, sizeof(out));
		for (const char *p = out; *p;) {
			uint32_t c;
			size_t n = utf8_next(p, strlen(p), &c);

			assert_true(n > 0 && utf8_columns(c) > 0);
			p += n;
		}
		format_clean(in, true, out, sizeof(out));
		for (const char *p = out; *p; p++)
			assert_in_range((unsigned char)*p, 0x20, 0x7e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ms),
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_percent),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_squeeze),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_clean_small_buffer),
		cmocka_unit_test(test_clean_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
