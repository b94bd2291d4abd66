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

/* --- programs that are not run here --- */

#define ADDRESSES 400

static void spread(const struct binary *b, const char *path, uint64_t *ret)
{
	uint64_t step = (main_entry(path) - b->text_vaddr) / ADDRESSES;

	for (int i = 0; i < ADDRESSES; i++)
		ret[i] = (b->text_vaddr + step * (uint64_t)(i + 1)) & ~3ull;
}

static FILE *ask_addr2line(const char *path, const uint64_t *pcs)
{
	char name[] = "/tmp/code_lines_XXXXXX", cmd[700];
	int fd = mkstemp(name);
	FILE *f = fdopen(fd, "w");

	assert_non_null(f);
	for (int i = 0; i < ADDRESSES; i++)
		fprintf(f, "%lx\n", (long)pcs[i]);
	fclose(f);
	snprintf(cmd, sizeof(cmd), "PATH=$PATH:/usr/local/go/bin go tool addr2line '%s' < %s; rm %s", path, name, name);
	return popen(cmd, "r");
}

/* Function and "file:line" of pc by addr2line: the outermost one, and the innermost place. */
static bool compare_place(struct code_lines *c, uint64_t pc, const char *what, char *function, char *place)
{
	struct code_frame got[MAX];
	char mine[4096];
	int cnt = code_lines_find(c, pc, false, got, MAX);

	if (*function == '?' || *place == '?')
		return false;
	if (cnt < 1)
		fail_msg("%s: nothing at %lx, %s by addr2line", what, (long)pc, function);
	snprintf(mine, sizeof(mine), "%s:%d", got[0].file, got[0].line);
	function[strcspn(function, "[\n")] = '\0'; /* the symbol table has all type arguments in old versions, too */
	place[strcspn(place, "\n")] = '\0';
	if (strncmp(got[cnt - 1].function, function, strcspn(got[cnt - 1].function, "[")) || strcmp(mine, place))
		fail_msg("%s: %lx is %s %s, %s %s by addr2line", what, (long)pc, got[cnt - 1].function, mine, function,
			 place);
	return true;
}

static void compare_addr2line(const char *version, const char *variant)
{
	const char *path = fixture_path(PCLINES, version, variant);
	char function[4096], place[4096], what[64];
	uint64_t pcs[ADDRESSES];
	struct code_lines *c;
	struct binary *b;
	int same = 0;
	FILE *f;

	assert_non_null(path);
	snprintf(what, sizeof(what), "%s %s", version, variant);
	c = open_lines(path, &b);
	spread(b, path, pcs);
	f = ask_addr2line(path, pcs);
	assert_non_null(f);
	for (int i = 0; i < ADDRESSES; i++) {
		if (!fgets(function, sizeof(function), f) || !fgets(place, sizeof(place), f))
			fail_msg("%s: addr2line told nothing of address %d", what, i);
		same += compare_place(c, pcs[i], what, function, place);
	}
	assert_int_equal(pclose(f), 0);
	if (same < 300)
		fail_msg("%s: only %d addresses known to addr2line", what, same);
	code_lines_close(c);
	binary_free(b);
}

static void test_arm64(void **state)
{
	static const char *const versions[] = {"1.18.10", "1.20.14", "1.24.13", "1.27.4"};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		compare_addr2line(versions[i], "arm64");
}

/* --- bad tables --- */

static void ask_all(int fd, const struct binary *b)
{
	struct code_frame got[MAX];
	struct code_lines *c;
	char why[WHY_SZ];

	if (code_lines_open(fd, b, &c, why) != 0)
		return;
	for (uint64_t off = 0; off < 0x120000; off += 0x1003) {
		int cnt = code_lines_find(c, b->text_vaddr + off, true, got, MAX);

		assert_in_range(cnt, 0, MAX);
		for (int i = 0; i < cnt; i++)
			assert_true(got[i].function && got[i].symbol && got[i].file && strlen(got[i].function) > 0);
		code_lines_function(c, b->text_vaddr + off);
	}
	code_lines_close(c);
}

struct spoiled {
	int fd;
	struct binary *b;
	struct pclntab t;
	uint8_t *good;
	size_t sz;
	unsigned seed;
};

static void open_spoiled(const char *version, struct spoiled *s)
{
	int from = open(fixture_path(PCLINES, version, "plain"), O_RDONLY | O_CLOEXEC);
	struct elf_image img;

	*s = (struct spoiled){.seed = 1};
	assert_int_equal(binary_read(from, &s->b, NULL), 0);
	assert_int_equal(elf_image_open(&img, from, s->b->size, NULL), 0);
	assert_int_equal(pclntab_open(&img, &s->t, NULL), 0);
	elf_image_close(&img);
	s->good = fixture_load(from, &s->sz);
	s->fd = fixture_memfd(s->good, s->sz);
	close(from);
}

static void close_spoiled(struct spoiled *s)
{
	close(s->fd);
	free(s->good);
	binary_free(s->b);
}

/* A page of the tables, or some bytes of their header. */
static void spoil(struct spoiled *s, int round)
{
	uint64_t at = s->t.offset +
		      (round % 2 ? (unsigned)rand_r(&s->seed) % s->t.size : 8 + (unsigned)rand_r(&s->seed) % 64);
	uint8_t junk[4096];
	size_t n = round % 2 ? sizeof(junk) : 1 + (unsigned)rand_r(&s->seed) % 4;

	n = at + n > s->sz ? s->sz - at : n;
	for (size_t i = 0; i < n; i++)
		junk[i] = (uint8_t)(round % 3 ? rand_r(&s->seed) : 0xff);
	assert_int_equal(pwrite(s->fd, junk, n, (off_t)at), n);
	ask_all(s->fd, s->b);
	assert_int_equal(pwrite(s->fd, s->good + at, n, (off_t)at), n);
}

/* Whatever comes out, it ends, within bounds. */
static void test_damage(void **state)
{
	static const char *const versions[] = {"1.18.10", "1.27.4"};
	struct spoiled s;

	for (size_t v = 0; v < sizeof(versions) / sizeof(versions[0]); v++) {
		open_spoiled(versions[v], &s);
		for (int round = 0; round < 40; round++)
			spoil(&s, round);
		for (size_t cut = s.sz; cut > 0; cut = cut * 3 / 4) {
			assert_int_equal(ftruncate(s.fd, (off_t)cut), 0);
			ask_all(s.fd, s.b);
		}
		close_spoiled(&s);
	}
}

/* The file gets shorter while it is in use, as when an image is replaced in place: answers end, no signal comes. */
static void test_truncated_later(void **state)
{
	const char *path = fixture_path(PCLINES, "1.26.8", "plain");
	int from = open(path, O_RDONLY | O_CLOEXEC);
	struct code_frame got[MAX];
	struct code_lines *c;
	struct binary *b;
	char why[WHY_SZ];
	uint8_t *good;
	size_t sz;
	int fd;

	good = fixture_load(from, &sz);
	fd = fixture_memfd(good, sz);
	assert_int_equal(binary_read(fd, &b, why), 0);
	assert_int_equal(code_lines_open(fd, b, &c, why), 0);
	assert_true(code_lines_find(c, main_entry(path) + 1, false, got, MAX) >= 1);
	assert_int_equal(ftruncate(fd, 4096), 0);
	for (uint64_t off = 0; off < 0x100000; off += 0x1003)
		code_lines_find(c, b->text_vaddr + off, false, got, MAX);
	assert_int_equal(code_lines_find(c, main_entry(path) + 1, false, got, 1), 1); /* remembered */
	assert_string_equal(got[0].function, "main.main");
	code_lines_close(c);
	binary_free(b);
	free(good);
	close(from);
	close(fd);
}

static void test_outside(void **state)
{
	struct code_frame got[MAX];
	struct binary *b, old;
	struct code_lines *c = open_lines(fixture_path(PCLINES, "1.26.8", "stripped"), &b);
	const uint64_t pcs[] = {0, 1, b->text_vaddr - 1, b->text_vaddr + (1ull << 32), UINT64_MAX, UINT64_MAX / 2};
	char why[WHY_SZ] = "";
	int fd = fixture_open("1.26.8", "plain");

	for (size_t i = 0; i < sizeof(pcs) / sizeof(pcs[0]); i++) {
		assert_int_equal(code_lines_find(c, pcs[i], true, got, MAX), 0);
		assert_int_equal(code_lines_find(c, pcs[i], false, got, MAX), 0);
		assert_null(code_lines_function(c, pcs[i]));
	}
	code_lines_close(c);
	code_lines_close(NULL);
	old = *b;
	old.go_minor = 17;
	assert_int_equal(code_lines_open(fd, &old, &c, why), -ENOENT);
	assert_non_null(strstr(why, "1.18"));
	close(fd);
	binary_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runtime_agrees),  cmocka_unit_test(test_arm64),   cmocka_unit_test(test_damage),
		cmocka_unit_test(test_truncated_later), cmocka_unit_test(test_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
