/* SPDX-License-Identifier: BSD-2-Clause */
/* The pprof profile, read back by `go tool pprof`; and what happens to files that exist or cannot be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "export/pprof.h"
#include "symbols/pclntab.h"
#include "unit/fixture.h"

#define PCLINES "tests/fixtures/go/pclines"
#define BIAS    0x10000000ull

struct world {
	char dir[64], path[96];
	struct binary *b;
	struct code_lines *lines;
	uint64_t entry; /* of main.main */
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct symbol s = {.name = "main.main"};
	struct elf_image img;
	struct pclntab t;
	int fd = open(fixture_path(PCLINES, "1.26.8", "plain"), O_RDONLY | O_CLOEXEC);

	strcpy(w->dir, "/tmp/gs-pprof-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/x.pb.gz", w->dir);
	assert_int_equal(binary_read(fd, &w->b, NULL), 0);
	assert_int_equal(code_lines_open(fd, w->b, &w->lines, NULL), 0);
	assert_int_equal(elf_image_open(&img, fd, w->b->size, NULL), 0);
	assert_int_equal(pclntab_open(&img, &t, NULL), 0);
	assert_int_equal(pclntab_find(&img, &t, &s, 1), 0);
	elf_image_close(&img);
	close(fd);
	w->entry = s.vaddr;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	unlink(w->path);
	assert_int_equal(rmdir(w->dir), 0); /* nothing else is left */
	code_lines_close(w->lines);
	binary_free(w->b);
	free(w);
	return 0;
}

static struct pprof *sample_profile(const struct world *w)
{
	const struct pprof_program program = {
		w->lines, BIAS, w->b->text_vaddr + BIAS, w->entry + BIAS + 0x10000, 0x1000, "/app/server", "id/of/it"};
	const uint64_t deep[] = {w->entry + 40, w->entry + 60, 12}, lone[] = {w->entry}, nothing[] = {7};
	const struct pprof_label waits[] = {{"state", "waiting"}, {"reason", "chan\xff receive"}},
				 none[] = {{"reason", ""}};
	struct pprof *p;

	assert_int_equal(pprof_new(1700000000000000000ull, &p), 0);
	pprof_add_program(p, &program);
	pprof_add_comment(p, "3 of 12 looked at");
	pprof_add_sample(p, deep, 3, 1204, waits, 2);
	pprof_add_sample(p, deep, 3, 6, none, 1);
	pprof_add_sample(p, lone, 1, 5, none, 1);
	pprof_add_sample(p, nothing, 1, 1, none, 1);
	return p;
}

static char *read_back(const struct world *w)
{
	static char text[1 << 16];
	char cmd[300];
	FILE *f;

	snprintf(cmd, sizeof(cmd), "PATH=$PATH:/usr/local/go/bin go tool pprof -raw %s 2>&1", w->path);
	f = popen(cmd, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	if (pclose(f) != 0)
		fail_msg("go tool pprof: %s", text);
	return text;
}

static void expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no `%s` in\n%s", part, text);
}

static void test_read_back(void **state)
{
	struct world *w = *state;
	struct pprof *p = sample_profile(w);
	char want[200], why[WHY_SZ] = "";
	const char *text;

	if (pprof_write(p, w->path, false, why))
		fail_msg("%s", why);
	pprof_free(p);
	text = read_back(w);
	expect(text, "PeriodType: goroutine count\n");
	expect(text, "Time: 2023-11-14 22:13:20 +0000 UTC\n");
	expect(text, "goroutine/count\n");
	expect(text, "       1204: 1 2 3 \n                reason:[chan\xef\xbf\xbd receive] state:[waiting]\n");
	expect(text, "          6: 1 2 3 \n          5: 4 \n          1: 5 \n");                   /* no labels */
	snprintf(want, sizeof(want), "1: 0x%lx M=1 main.main ", (long)(w->entry + 40 + BIAS - 1)); /* of the call */
	expect(text, want);
	snprintf(want, sizeof(want), "4: 0x%lx M=1 main.main ", (long)(w->entry + BIAS)); /* an entry is no call */
	expect(text, want);
	snprintf(want, sizeof(want), "3: 0x%lx M=1 \n", (long)(12 + BIAS - 1)); /* no function there */
	expect(text, want);
	snprintf(want, sizeof(want), "1: 0x%lx/0x%lx/0x1000 /app/server id/of/it [FN][FL][LN][IN]",
		 (long)(w->b->text_vaddr + BIAS), (long)(w->entry + BIAS + 0x10000));
	expect(text, want);
}

static void test_existing_file(void **state)
{
	struct world *w = *state;
	struct pprof *p = sample_profile(w);
	char why[WHY_SZ] = "";
	struct stat st;

	assert_int_equal(close(creat(w->path, 0600)), 0);
	assert_int_equal(pprof_write(p, w->path, false, why), -EEXIST);
	assert_non_null(strstr(why, "--force"));
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(pprof_write(p, w->path, true, why), 0);
	expect(read_back(w), "1204: 1 2 3");
	pprof_free(p);
}

static void test_no_place(void **state)
{
	struct world *w = *state;
	struct pprof *p = sample_profile(w);
	char why[WHY_SZ] = "";

	assert_int_equal(pprof_write(p, "/nonexistent/x.pb.gz", false, why), -ENOENT);
	assert_non_null(strstr(why, "/nonexistent/x.pb.gz"));
	assert_int_equal(mkdir(w->path, 0700), 0);
	assert_true(pprof_write(p, w->path, true, why) < 0); /* a folder: nothing is kept beside it */
	assert_int_equal(rmdir(w->path), 0);
	pprof_free(p);
	pprof_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_existing_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_place, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
