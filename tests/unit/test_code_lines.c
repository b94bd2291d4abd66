/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines and inlined calls: the program itself tells what its runtime makes of hundreds of its addresses (fixture
 * pclines), exactly equal; on arm64, which is not run, Go's addr2line tells function, file and line. And damaged
 * tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "symbols/code_lines.h"
#include "symbols/pclntab.h"
#include "unit/fixture.h"

#define PCLINES "tests/fixtures/go/pclines"
#define PCS     "400"
#define MAX     64

static struct code_lines *open_lines(const char *path, struct binary **b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct code_lines *c;
	char why[WHY_SZ] = "";

	assert_true(fd >= 0);
	if (binary_read(fd, b, why) || code_lines_open(fd, *b, &c, why))
		fail_msg("%s: %s", path, why);
	close(fd);
	return c;
}

/* Link address of main.main. */
static uint64_t main_entry(const char *path)
{
	struct symbol s = {.name = "main.main"};
	struct elf_image img;
	struct pclntab t;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(elf_image_open(&img, fd, (uint64_t)lseek(fd, 0, SEEK_END), NULL), 0);
	assert_int_equal(pclntab_open(&img, &t, NULL), 0);
	assert_int_equal(pclntab_find(&img, &t, &s, 1), 0);
	elf_image_close(&img);
	close(fd);
	assert_true(s.vaddr);
	return s.vaddr;
}

struct agreement {
	const char *what;
	struct code_lines *c;
	uint64_t entry, bias, pc;
	struct code_frame got[MAX];
	int cnt, at; /* frames, and how many were compared */
	unsigned pcs, inlined;
};

/* The runtime leaves wrappers out when others are inlined into them, 1.18 not all. */
static void skip_wrappers(struct agreement *a, const char *function)
{
	while (a->cnt > 1 && a->at < a->cnt && a->got[a->at].wrapper && strcmp(a->got[a->at].function, function) != 0)
		a->at++;
}

static void end_of_pc(struct agreement *a)
{
	const char *outermost;

	if (!a->pc)
		return;
	skip_wrappers(a, "");
	if (a->at != a->cnt)
		fail_msg("%s: pc %lx has %d frames, %d by the runtime", a->what, (long)a->pc, a->cnt, a->at);
	outermost = code_lines_function(a->c, a->pc);
	assert_non_null(outermost);
	assert_string_equal(outermost, a->got[a->cnt - 1].function);
	a->pcs++;
	a->inlined += a->cnt > 1;
}

static void compare_frame(struct agreement *a, char *text)
{
	char *function = strtok(text, "|"), *file = strtok(NULL, "|"), *line = strtok(NULL, "|\n");
	const struct code_frame *f;

	assert_non_null(line);
	if (strcmp(file, "?") == 0) /* padding */
		file = "";
	skip_wrappers(a, function);
	if (a->at == a->cnt)
		fail_msg("%s: pc %lx has only %d frames, no %s", a->what, (long)a->pc, a->cnt, function);
	f = &a->got[a->at];
	if (strcmp(f->function, function) || strcmp(f->file, file) || f->line != atoi(line))
		fail_msg("%s: pc %lx frame %d is %s %s:%d, %s %s:%s by the runtime", a->what, (long)a->pc, a->at,
			 f->function, f->file, f->line, function, file, line);
	if (f->entry > a->pc || f->entry == 0)
		fail_msg("%s: pc %lx in a function at %lx", a->what, (long)a->pc, (long)f->entry);
	a->at++;
}

static void take_line(struct agreement *a, char *line)
{
	if (sscanf(line, "main %lx", &a->bias) == 1) {
		a->bias -= a->entry;
	} else if (strncmp(line, "pc ", 3) == 0) {
		end_of_pc(a);
		a->pc = strtoull(line + 3, NULL, 16) - a->bias;
		a->at = 0;
		a->cnt = code_lines_find(a->c, a->pc, true, a->got, MAX);
		a->cnt = code_lines_find(a->c, a->pc, true, a->got, MAX); /* and once more, remembered */
	} else if (strncmp(line, "frame ", 6) == 0) {
		compare_frame(a, line + 6);
	}
}

static void agree(const char *version, const char *variant)
{
	const char *path = fixture_path(PCLINES, version, variant);
	char cmd[600], line[4096], what[64];
	struct agreement a = {.what = what};
	struct binary *b;
	FILE *f;

	assert_non_null(path);
	snprintf(what, sizeof(what), "%s %s", version, variant);
	snprintf(cmd, sizeof(cmd), "%s " PCS, path);
	a.entry = main_entry(path);
	a.c = open_lines(path, &b);
	f = popen(cmd, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		take_line(&a, line);
	end_of_pc(&a);
	assert_int_equal(pclose(f), 0);
	if (a.pcs < 300 || a.inlined < 30)
		fail_msg("%s: only %u addresses, %u in inlined calls", what, a.pcs, a.inlined);
	print_message("%s: %u addresses, %u in inlined calls\n", what, a.pcs, a.inlined);
	code_lines_close(a.c);
	binary_free(b);
}

static void test_runtime_agrees(void **state)
{
	static const char *const versions[] = {"1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12",
					       "1.23.12", "1.24.13", "1.25.5",  "1.26.8",  "1.27.4"};
	static const char *const variants[][2] = {
		{"1.18.10", "stripped"},   {"1.20.14", "pie"},        {"1.22.12", "stripped"}, {"1.24.13", "cgo"},
		{"1.26.8", "piestripped"}, {"1.27.4", "piestripped"}, {"1.27.4", "cgostatic"}};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		agree(versions[i], "plain");
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		agree(variants[i][0], variants[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runtime_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
