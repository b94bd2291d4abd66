/* SPDX-License-Identifier: BSD-2-Clause */
/* The live set over procfs trees made here. The binary cache is a stand-in that reads what a file is from its first
 * line
 * ("go 22", "old 16", "helper 20", "script", "other", "32bit", "broken"), so that every outcome can be had. */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "procs/proc_table.h"

#define OLD_TICKS 1
#define MS        NS_PER_MS

static char root[64];
static int opened; /* binaries that the cache was asked for */
static struct proc_table *table;
static char log_buf[4096]; /* "+10 -10 ..." */

/* --- stand-in for symbols/binary.h --- */

struct binary_cache {
	struct binary *binaries[64];
	int cnt;
};
static struct binary_cache cache;

int binary_cache_get(struct binary_cache *c, int fd, const struct binary **ret, char *why)
{
	struct binary *b = calloc(1, sizeof(*b));
	char text[64] = "", kind[16] = "";
	int minor = 0;

	opened++;
	assert_non_null(b);
	assert_true(c->cnt < 64);
	c->binaries[c->cnt++] = b;
	assert_true(pread(fd, text, sizeof(text) - 1, 0) >= 0);
	sscanf(text, "%15s %d", kind, &minor);
	if (!strcmp(kind, "script"))
		return BINARY_NOT_ELF;
	if (!strcmp(kind, "other"))
		return BINARY_NOT_GO;
	if (!strcmp(kind, "32bit"))
		return err_why(why, BINARY_UNSUPPORTED, "32-bit");
	if (!strcmp(kind, "broken"))
		return err_why(why, -EBADMSG, "section table beyond the end");
	b->go_minor = minor;
	b->layout = strcmp(kind, "nolayout") && strcmp(kind, "nothing") ? LAYOUT_DWARF : LAYOUT_NONE;
	if (b->layout == LAYOUT_NONE)
		strcpy(b->layout_why, "no table for go1.99");
	b->globals[GLOBAL_GOMAXPROCS] = 0x500000;
	b->globals[GLOBAL_ALLP] = strcmp(kind, "noallp") ? 0x500100 : 0;
	strcpy(b->main_path, strcmp(kind, "helper") ? "example.com/app" : "github.com/opencontainers/runc");
	if (strcmp(kind, "nosite") && strcmp(kind, "nothing"))
		b->sites[GO_SITE_START_CYCLE].how = SITE_PUSH;
	strcpy(b->sites[GO_SITE_START_CYCLE].why, "no symbol");
	b->lowest_vaddr = 0x400000;
	b->text_vaddr = 0x401000;
	*ret = b;
	return strcmp(kind, "old") ? 0 : BINARY_TOO_OLD;
}

static void put_stat(int pid, uint64_t ticks, uint64_t stack, unsigned int flags, char state);
static int moving; /* this process executes something else while it is looked at */
static uint64_t moves;

/* Called in the middle of an examination, after the first look at the process. */
bool binary_is_runtime_helper(const struct binary *b)
{
	if (moving)
		put_stat(moving, OLD_TICKS, ++moves, 0, 'S');
	return strstr(b->main_path, "runc");
}

/* --- procfs trees --- */

static void put(int pid, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/%d/%s", root, pid, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void put_stat(int pid, uint64_t ticks, uint64_t stack, unsigned int flags, char state)
{
	char text[512];

	snprintf(text, sizeof(text), "%d (app %d) %c 1 1 1 0 -1 %u 1 2 3 4 5 6 7 8 20 0 1 0 %llu 1 2 3 4 5 %llu 0\n",
		 pid, pid, state, flags, (unsigned long long)ticks, (unsigned long long)stack);
	put(pid, "stat", text);
}

static void set_exe(int pid, const char *target)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/proc/%d/exe", root, pid);
	unlink(path);
	if (target)
		assert_int_equal(symlink(target, path), 0);
}

/* A process that runs the file NAME of the tree, made with that content. */
static void run(int pid, uint64_t ticks, uint64_t stack, const char *name, const char *content)
{
	char dir[PATH_MAX], exe[PATH_MAX], text[PATH_MAX + 128];
	struct stat st;
	FILE *f;

	snprintf(dir, sizeof(dir), "%s/proc/%d", root, pid);
	mkdir(dir, 0755);
	snprintf(exe, sizeof(exe), "%s/%s", root, name);
	f = fopen(exe, "w");
	assert_non_null(f);
	fputs(content, f);
	fclose(f);
	assert_int_equal(stat(exe, &st), 0);
	set_exe(pid, exe);
	put_stat(pid, ticks, stack, 0, 'S');
	snprintf(text, sizeof(text), "Name:\tapp\nTgid:\t%d\nNSpid:\t%d\t7\n", pid, pid);
	put(pid, "status", text);
	snprintf(text, sizeof(text), "00400000-00500000 r-xp 00000000 00:00 %lu %s\n", (unsigned long)st.st_ino, exe);
	put(pid, "maps", text);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void end(int pid)
{
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s/proc/%d", root, pid);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void note(char sign, const struct process *p)
{
	size_t len = strlen(log_buf);

	snprintf(log_buf + len, sizeof(log_buf) - len, "%c%d ", sign, p->pid);
}

static void added(struct process *p, void *arg)
{
	assert_ptr_equal(arg, log_buf);
	assert_ptr_equal(proc_table_find(table, p->pid), p);
	note('+', p);
}

static void removed(struct process *p, void *arg)
{
	note('-', p);
}

static void expect(const char *want)
{
	assert_string_equal(log_buf, want);
	*log_buf = 0;
}

static void open_table(bool keep_skipped)
{
	struct proc_table_ops ops = {added, removed, log_buf};

	assert_int_equal(proc_table_new(root, &cache, keep_skipped, &ops, &table), 0);
}

static int setup(void **state)
{
	char path[PATH_MAX];

	strcpy(root, "/tmp/test_proc_table.XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/proc", root);
	*log_buf = 0;
	opened = 0;
	return mkdir(path, 0755);
}

static int teardown(void **state)
{
	proc_table_free(table);
	table = NULL;
	while (cache.cnt)
		free(cache.binaries[--cache.cnt]);
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- tests --- */

static void test_scan(void **state)
{
	static const struct {
		int pid;
		const char *content;
		enum process_state state;
		const char *why;
	} rows[] = {
		{9, "go 22", PROCESS_OBSERVED, ""},
		{10, "old 16", PROCESS_REFUSED, "Go 1.16 is older than 1.18"},
		{200, "helper 22", PROCESS_HELPER, "container plumbing: github.com/opencontainers/runc"},
		{201, "helper 16", PROCESS_HELPER, "container plumbing: github.com/opencontainers/runc"},
		{300, "nolayout 99", PROCESS_PARTIAL, "go_runtime: no table for go1.99"},
		{299, "noallp 26", PROCESS_PARTIAL, "go_runtime: addresses of the runtime unknown"},
		{301, "nosite 25", PROCESS_PARTIAL, "go_gc: no symbol"},
		{302, "nothing 99", PROCESS_REFUSED, "no table for go1.99"},
		{1000, "script", PROCESS_SKIPPED, "not ELF"},
		{1001, "other", PROCESS_SKIPPED, "not Go"},
		{1002, "32bit", PROCESS_SKIPPED, "32-bit"},
		{1003, "broken", PROCESS_SKIPPED, "section table beyond the end"},
		{99999, "go 27", PROCESS_OBSERVED, ""},
	};
	const size_t cnt = sizeof(rows) / sizeof(rows[0]);
	const struct process *p = NULL;
	char name[32];

	for (size_t i = 0; i < cnt; i++) {
		snprintf(name, sizeof(name), "bin%zu", i);
		run(rows[i].pid, OLD_TICKS, 5, name, rows[i].content);
	}
	run(77, OLD_TICKS, 5, "self", "go 22");
	assert_int_equal(chdir(root), 0);
	assert_int_equal(symlink("77", "proc/self"), 0);
	assert_int_equal(mkdir("proc/irq", 0755), 0);
	assert_int_equal(mkdir("proc/0", 0755), 0);
	assert_int_equal(mkdir("proc/12x", 0755), 0);
	assert_int_equal(mkdir("proc/99999999999", 0755), 0);
	open_table(true);
	assert_int_equal(proc_table_scan(table), 0);
	for (size_t i = 0; i < cnt; i++) {
		const struct process *found = proc_table_find(table, rows[i].pid);

		assert_non_null(found);
		assert_int_equal(found->state, rows[i].state);
		assert_string_equal(found->why, rows[i].why);
		assert_int_equal(found->vpid, 7);
		assert_int_equal(!found->binary, found->state == PROCESS_SKIPPED);
	}
	assert_string_equal(proc_table_find(table, 77)->why, "gopherscope itself");
	assert_int_equal(proc_table_counts(table)->looked_at, cnt + 1);
	assert_int_equal(proc_table_counts(table)->go, 7);
	assert_int_equal(proc_table_counts(table)->helpers, 2);
	assert_int_equal(proc_table_counts(table)->skipped, 5);
	for (pid_t last = 0; (p = proc_table_next(table, p)); last = p->pid)
		assert_true(p->pid > last);

	opened = 0;
	assert_int_equal(proc_table_scan(table), 0); /* nothing new: nothing is opened, nothing is told twice */
	assert_int_equal(opened, 0);
	assert_int_equal(proc_table_counts(table)->looked_at, cnt + 1);
}

static void test_skipped(void **state)
{
	run(20, OLD_TICKS, 5, "a", "other");
	run(21, OLD_TICKS, 5, "b", "go 22");
	set_exe(21, NULL); /* no exe: a kernel thread, a zombie, or something odd, by its stat */
	put_stat(21, OLD_TICKS, 0, 0x00200040, 'I');
	run(22, OLD_TICKS, 5, "c", "go 22");
	set_exe(22, NULL);
	put_stat(22, OLD_TICKS, 0, 0x40, 'Z');
	run(23, OLD_TICKS, 5, "d", "go 22");
	set_exe(23, "exe"); /* a link to itself: ELOOP */
	run(24, OLD_TICKS, 5, "e", "go 22");
	put(24, "status", "Name:\tapp\nTgid:\t1\nNSpid:\t24\n"); /* a thread */
	run(25, OLD_TICKS, 5, "f", "go 22");
	put(25, "maps", "00700000-00800000 r-xp 00000000 00:00 1 /lib/x\n");
	open_table(true);
	assert_int_equal(proc_table_scan(table), 0);
	assert_string_equal(proc_table_find(table, 20)->why, "not Go");
	assert_string_equal(proc_table_find(table, 21)->why, "kernel thread");
	assert_null(proc_table_find(table, 22));
	assert_string_equal(proc_table_find(table, 23)->why,
			    "cannot read /proc/23/exe: Too many levels of symbolic links");
	assert_null(proc_table_find(table, 24));
	assert_int_equal(proc_table_find(table, 25)->state, PROCESS_REFUSED);
	expect("+25 ");
	proc_table_free(table);
	expect("-25 ");
	open_table(false); /* not kept, but counted */
	assert_int_equal(proc_table_scan(table), 0);
	assert_null(proc_table_find(table, 20));
	assert_int_equal(proc_table_counts(table)->skipped, 3);
	assert_int_equal(proc_table_counts(table)->looked_at, 4);
}

static void test_exec_and_exit(void **state)
{
	open_table(false);
	run(30, OLD_TICKS, 5, "a", "go 22");
	assert_int_equal(proc_table_exec(table, 30, 1000 * MS), 0);
	proc_table_tick(table, 1099 * MS);
	expect("");
	proc_table_tick(table, 1100 * MS);
	expect("+30 ");
	assert_int_equal(opened, 1);
	proc_table_tick(table, 1500 * MS);
	assert_int_equal(opened, 1);

	run(30, OLD_TICKS, 6, "b", "go 24"); /* another image: gone at once, back when it is old enough */
	assert_int_equal(proc_table_exec(table, 30, 2000 * MS), 0);
	expect("-30 ");
	proc_table_tick(table, 2100 * MS);
	expect("+30 ");
	assert_int_equal(proc_table_find(table, 30)->binary->go_minor, 24);
	proc_table_exit(table, 30);
	expect("-30 ");
	proc_table_exit(table, 30);
	proc_table_exit(table, 31);
	expect("");
	assert_int_equal(proc_table_counts(table)->short_lived, 0);
}

static void test_short_lived(void **state)
{
	open_table(false);
	run(40, OLD_TICKS, 5, "a", "go 22");
	proc_table_exec(table, 40, 1000 * MS); /* told to have ended */
	proc_table_exit(table, 40);
	run(41, OLD_TICKS, 5, "b", "go 22"); /* ended without being told */
	proc_table_exec(table, 41, 1010 * MS);
	end(41);
	run(42, OLD_TICKS, 5, "c", "go 22"); /* a shell that becomes the program: the age counts from the last exec */
	proc_table_exec(table, 42, 1020 * MS);
	proc_table_exec(table, 42, 1080 * MS);
	run(43, OLD_TICKS, 5, "d", "other");
	proc_table_exec(table, 43, 1090 * MS);
	proc_table_tick(table, 1130 * MS);
	expect("");
	assert_int_equal(opened, 0);
	proc_table_tick(table, 1180 * MS);
	expect("+42 ");
	proc_table_tick(table, 9999 * MS);
	assert_int_equal(proc_table_counts(table)->short_lived, 2);
	assert_int_equal(proc_table_counts(table)->skipped, 1);
	assert_int_equal(proc_table_counts(table)->looked_at, 2);
}

static void test_reuse_and_lost_notices(void **state)
{
	open_table(false);
	run(50, OLD_TICKS, 5, "a", "go 22"); /* same program, later start */
	run(51, OLD_TICKS, 5, "b", "go 22"); /* same start, another program */
	run(52, OLD_TICKS, 5, "c", "go 22"); /* the same program executed anew: only its stack tells */
	run(53, OLD_TICKS, 5, "d", "go 22"); /* gone */
	run(54, OLD_TICKS, 5, "e", "go 22"); /* a zombie */
	run(55, OLD_TICKS, 5, "f", "go 22"); /* as it was */
	assert_int_equal(proc_table_scan(table), 0);
	assert_int_equal(proc_table_counts(table)->go, 6);
	*log_buf = 0;
	proc_table_tick(table, 1000 * MS);
	put_stat(50, OLD_TICKS + 1, 5, 0, 'S');
	run(51, OLD_TICKS, 5, "b2", "go 23");
	put_stat(52, OLD_TICKS, 6, 0, 'S');
	end(53);
	put_stat(54, OLD_TICKS, 5, 0, 'Z');
	proc_table_verify(table);
	expect("-54 -53 -52 -51 -50 ");
	proc_table_tick(table, 1101 * MS);
	expect("+52 +51 +50 ");
	assert_int_equal(proc_table_find(table, 51)->binary->go_minor, 23);
	proc_table_verify(table);
	expect("");

	put_stat(55, OLD_TICKS + 9, 5, 0, 'S'); /* a scan sees it as well */
	assert_int_equal(proc_table_scan(table), 0);
	expect("-55 +55 ");
	assert_true(proc_table_find(table, 55)->start_ticks == OLD_TICKS + 9);
}

static void test_young_in_scan(void **state)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK), ticks = clock_boot_ns() * hz / NS_PER_SEC;

	open_table(false);
	proc_table_tick(table, 5000 * MS);
	run(60, ticks + hz * 3600, 5, "a", "go 22"); /* starts in an hour: young whatever the machine's load */
	assert_int_equal(proc_table_scan(table), 0);
	assert_int_equal(proc_table_scan(table), 0);
	expect("");
	proc_table_tick(table, 5100 * MS);
	expect("+60 ");
}

static void test_overflow(void **state)
{
	open_table(false);
	run(70000, OLD_TICKS, 5, "a", "go 22");
	for (int i = 0; i < PROC_PENDING_MAX; i++)
		assert_int_equal(proc_table_exec(table, 1000 + i, 1000 * MS), 0);
	assert_int_equal(proc_table_exec(table, 70000, 1000 * MS), -ENOSPC);
	assert_int_equal(proc_table_exec(table, 1000, 1010 * MS), 0); /* has its place already */
	assert_int_equal(proc_table_counts(table)->overflowed, 1);
	for (int i = 0; i < PROC_PENDING_MAX; i += 2) /* places of those that ended are free again */
		proc_table_exit(table, 1000 + i);
	for (int i = 0; i < PROC_PENDING_MAX; i += 2)
		assert_int_equal(proc_table_exec(table, 80000 + i, 1020 * MS), 0);
	assert_int_equal(proc_table_counts(table)->overflowed, 1);
	for (int i = 0; i <= PROC_PENDING_MAX / 64; i++)
		proc_table_tick(table, 1300 * MS);
	assert_int_equal(proc_table_counts(table)->short_lived, PROC_PENDING_MAX + PROC_PENDING_MAX / 2);
	expect("");
	proc_table_verify(table); /* finds what was turned away */
	expect("+70000 ");
	opened = 0;
	end(70000);
	run(70001, OLD_TICKS, 5, "b", "go 22");
	proc_table_verify(table);
	expect("-70000 ");
	assert_int_equal(opened, 0); /* no further scan */
}

static void test_changes_while_looked_at(void **state)
{
	uint64_t now = 1000 * MS;

	open_table(true);
	run(90, OLD_TICKS, 5, "a", "go 22");
	moving = 90;
	proc_table_exec(table, 90, now);
	for (int i = 0; i < 3; i++)
		proc_table_tick(table, now += 100 * MS);
	expect(""); /* put off, not taken with half of another image */
	moving = 0;
	proc_table_tick(table, now += 100 * MS);
	expect("+90 ");
	moving = 90;
	proc_table_exec(table, 90, now);
	for (int i = 0; i < 20; i++)
		proc_table_tick(table, now += 100 * MS);
	moving = 0;
	expect("-90 "); /* not for ever */
	assert_string_equal(proc_table_find(table, 90)->why, "its executable changes while it is looked at");
}

static void test_empty(void **state)
{
	open_table(false);
	assert_int_equal(proc_table_scan(table), 0);
	assert_null(proc_table_next(table, NULL));
	proc_table_verify(table);
	proc_table_tick(table, 1);
	proc_table_free(table);
	assert_int_equal(proc_table_new("/nonexistent", &cache, false, NULL, &table), 0);
	assert_int_equal(proc_table_scan(table), -ENOENT);
	assert_null(proc_table_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_scan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_skipped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exec_and_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short_lived, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reuse_and_lost_notices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_young_in_scan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes_while_looked_at, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
	};

	return cmocka_run_group_tests_name("proc_table", tests, NULL, NULL);
}
