/* SPDX-License-Identifier: BSD-2-Clause */
/* Hierarchies from mountinfo and paths from /proc/PID/cgroup, on made-up nodes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "pods/cgroup.h"
#include "unit/pods_tree.h"

static struct cgroup_mounts m;
static struct cgroup_paths p;

static int setup(void **state)
{
	tree_make();
	return 0;
}

static int teardown(void **state)
{
	tree_remove("");
	return 0;
}

static void read_mounts(void)
{
	assert_int_equal(cgroup_mounts_read(tree_root, &m), 0);
}

static void expect_mount(const char *mount, const char *below_root)
{
	char want[1024];

	snprintf(want, sizeof(want), "%s%s", below_root[0] ? tree_root : "", below_root);
	assert_string_equal(mount, want);
}

static void pure_v2(void **state)
{
	tree_v2();
	read_mounts();
	assert_int_equal(m.mode, CGROUP_V2);
	assert_true(m.cpu_is_v2 && m.memory_is_v2);
	expect_mount(m.v2, "/sys/fs/cgroup");
	expect_mount(m.cpu, "/sys/fs/cgroup");
	expect_mount(m.cpuacct, "/sys/fs/cgroup");
	expect_mount(m.memory, "/sys/fs/cgroup");
	assert_int_equal(cgroup_paths_parse("0::/system.slice/nginx.service (deleted)\n", &m, &p), 0);
	assert_string_equal(p.v2, "/system.slice/nginx.service");
	assert_string_equal(p.cpu, "/system.slice/nginx.service");
	assert_string_equal(p.memory, "/system.slice/nginx.service");
	assert_string_equal(p.best, "/system.slice/nginx.service");
}

static void hybrid(void **state)
{
	tree_hybrid();
	read_mounts();
	assert_int_equal(m.mode, CGROUP_HYBRID);
	assert_string_equal(cgroup_mode_text(m.mode), "hybrid");
	assert_false(m.cpu_is_v2 || m.memory_is_v2);
	expect_mount(m.v2, "/sys/fs/cgroup/unified");
	expect_mount(m.cpu, "/sys/fs/cgroup/cpu");
	expect_mount(m.cpuacct, "/sys/fs/cgroup/cpuacct");
	expect_mount(m.memory, "/sys/fs/cgroup/memory");
	assert_int_equal(cgroup_paths_parse("9:name=systemd:/\n4:memory:/process_api/c18\n3:cpuset:/x\n2:cpuacct:/y\n"
					    "1:cpu:/quota\n0::/\n",
					    &m, &p),
			 0);
	assert_string_equal(p.cpu, "/quota");
	assert_string_equal(p.memory, "/process_api/c18");
	assert_string_equal(p.v2, "/");
	assert_string_equal(p.best, "/quota");
}

static void v1_together(void **state)
{
	tree_v1();
	read_mounts();
	assert_int_equal(m.mode, CGROUP_V1);
	expect_mount(m.v2, "");
	expect_mount(m.cpu, "/sys/fs/cgroup/cpu,cpuacct");
	expect_mount(m.cpuacct, "/sys/fs/cgroup/cpu,cpuacct");
	assert_int_equal(cgroup_paths_parse("4:cpuset:/wrong\n3:cpu,cpuacct:/docker/" C64A "\n2:memory:/m:x\n", &m, &p),
			 0);
	assert_string_equal(p.cpu, "/docker/" C64A);
	assert_string_equal(p.memory, "/m:x");
	assert_string_equal(p.best, "/docker/" C64A);
	assert_string_equal(p.v2, "");
}

/* v1 mounts that say nothing about cpu or memory (a VPN's net_cls) do not make a node hybrid. */
static void v2_with_other_v1(void **state)
{
	tree_v2();
	tree_write("/proc/1/mountinfo", "31 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
					"32 23 0:28 / /run/net\\040cls rw - cgroup none rw,net_cls\n");
	read_mounts();
	assert_int_equal(m.mode, CGROUP_V2);
	assert_true(m.cpu_is_v2);
}

/* Here v1 holds memory only, v2 the cpu controller. */
static void split_controllers(void **state)
{
	tree_write("/proc/1/mountinfo", "31 23 0:27 / /cg2 rw - cgroup2 cgroup2 rw\n"
					"32 23 0:28 / /cg\\040mem rw - cgroup none rw,memory\n");
	tree_write("/cg2/cgroup.controllers", "cpu io\n");
	tree_dir("/cg mem/");
	read_mounts();
	assert_int_equal(m.mode, CGROUP_HYBRID);
	assert_true(m.cpu_is_v2 && !m.memory_is_v2);
	expect_mount(m.memory, "/cg mem");
	assert_int_equal(cgroup_paths_parse("1:memory:/a\n0::/b\n", &m, &p), 0);
	assert_string_equal(p.cpu, "/b");
	assert_string_equal(p.memory, "/a");
}

static void nothing_mounted(void **state)
{
	tree_write("/proc/1/mountinfo",
		   "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n31 23 0:27 / /gone rw - cgroup2 c rw\n");
	read_mounts();
	assert_int_equal(m.mode, CGROUP_NONE);
	assert_string_equal(m.v2, "");
	assert_string_equal(m.cpu, "");
	tree_remove("/proc");
	assert_int_equal(cgroup_mounts_read(tree_root, &m), -ENOENT);
}

/* 0:: first; else the first line with a container; never line 1, nor a line with only the pod (pause on v1: devices).
 */
static void best_line(void **state)
{
#define POD "/kubepods/burstable/pod" UID36
	static const struct {
		const char *text, *best;
	} rows[] = {
		{"9:cpu:/\n8:memory:/process_api/x\n0::" POD "/" C64A "\n", POD "/" C64A},
		{"9:cpu:/docker/" C64B "\n0::" POD "/" C64A "\n", POD "/" C64A},
		{"9:devices:" POD "\n8:cpu:" POD "/" C64A "\n0::/\n", POD "/" C64A},
		{"9:devices:/\n8:cpu:" POD "/" C64A "\n7:memory:" POD "/" C64B "\n0::/init.scope\n", POD "/" C64A},
		{"9:devices:" POD "\n0::/\n", POD},
		{"1:cpu:/a\n0::/b\n", "/b"},
		{"1:cpu:/\n2:memory:/m\n0::/\n", "/m"},
		{"1:cpu:/\n0::/\n", ""},
		{"rubbish\n1:cpu\n:::\n2:memory:relative\n\n", ""},
		{"", ""},
	};

	tree_hybrid();
	read_mounts();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(cgroup_paths_parse(rows[i].text, &m, &p), 0);
		assert_string_equal(p.best, rows[i].best);
	}
}

/* A path that does not fit is cut at the container or not given at all. */
static void long_path(void **state)
{
	char text[4096];

	tree_v2();
	read_mounts();
	snprintf(text, sizeof(text), "0::/docker/" C64A "/%01000d\n", 0);
	assert_int_equal(cgroup_paths_parse(text, &m, &p), 0);
	assert_string_equal(p.best, "/docker/" C64A);
	assert_string_equal(p.cpu, "/docker/" C64A);
	snprintf(text, sizeof(text), "0::/%01000d\n", 0);
	assert_int_equal(cgroup_paths_parse(text, &m, &p), 0);
	assert_string_equal(p.best, "");
	assert_string_equal(p.cpu, "");
}

/* The reader of a nested node, outside of its own namespace: `0::/..` is no place below the mount, others are. */
static void reader_above_its_namespace(void **state)
{
	tree_v2();
	tree_write("/proc/self/cgroup", "0::/..\n");
	read_mounts();
	assert_int_equal(cgroup_paths_parse("0::/..\n", &m, &p), 0);
	assert_string_equal(p.v2, "");
	assert_string_equal(p.best, "");
	assert_int_equal(cgroup_paths_parse("0::" POD "/" C64A "\n", &m, &p), 0);
	assert_string_equal(p.v2, POD "/" C64A);
}

/* A pod in a private namespace that sees the host's mount: the place of its namespace is found by its own pid. */
static void private_namespace(void **state)
{
	char pid[32];

	tree_v2();
	tree_write("/proc/1/mountinfo", "30 23 0:27 / /own rw - cgroup2 cgroup2 rw\n"
					"31 23 0:27 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	tree_dir("/own/");
	tree_write("/proc/self/cgroup", "0::/\n");
	snprintf(pid, sizeof(pid), "12\n%d\n", (int)getpid());
	tree_write("/sys/fs/cgroup/system.slice/foo/cgroup.procs", "12\n");
	tree_write("/sys/fs/cgroup/kubepods/poda/cgroup.procs", pid);
	read_mounts();
	expect_mount(m.v2, "/sys/fs/cgroup");
	assert_string_equal(m.v2_view.ns_root, "/kubepods/poda");
	assert_int_equal(cgroup_paths_parse("0::/../pod" UID36 "/" C64A "\n", &m, &p), 0);
	assert_string_equal(p.cpu, "/kubepods/pod" UID36 "/" C64A);
	assert_int_equal(cgroup_paths_parse("0::/../../init.scope\n", &m, &p), 0);
	assert_string_equal(p.cpu, "/init.scope");
	assert_int_equal(cgroup_paths_parse("0::/\n", &m, &p), 0);
	assert_string_equal(p.cpu, "/kubepods/poda");
	assert_int_equal(cgroup_paths_parse("0::/../../..\n", &m, &p), 0);
	assert_string_equal(p.cpu, "");

	tree_remove("/sys/fs/cgroup/kubepods"); /* not found: only what is under the mount's own root is certain */
	read_mounts();
	assert_string_equal(m.v2_view.ns_root, "");
	assert_int_equal(cgroup_paths_parse("0::/../../init.scope\n", &m, &p), 0);
	assert_string_equal(p.cpu, "/init.scope");
	assert_int_equal(cgroup_paths_parse("0::/../pod" UID36 "/" C64A "\n", &m, &p), 0);
	assert_string_equal(p.cpu, "");
	assert_string_equal(p.best, "/../pod" UID36 "/" C64A);
}

/* A bind mount of one container's folder shows only that. */
static void partial_mount(void **state)
{
	tree_write("/proc/1/mountinfo", "32 31 0:29 /docker/" C64A " /cpu rw - cgroup cgroup rw,cpu\n");
	tree_dir("/cpu/");
	read_mounts();
	assert_int_equal(cgroup_paths_parse("1:cpu:/docker/" C64A "/child\n", &m, &p), 0);
	assert_string_equal(p.cpu, "/child");
	assert_int_equal(cgroup_paths_parse("1:cpu:/docker/" C64A "\n", &m, &p), 0);
	assert_string_equal(p.cpu, "/");
	assert_int_equal(cgroup_paths_parse("1:cpu:/docker/" C64B "\n", &m, &p), 0);
	assert_string_equal(p.cpu, "");
}

static void ids(void **state)
{
	uint64_t id = 7;

	tree_v2();
	tree_dir("/sys/fs/cgroup/a/b/");
	read_mounts();
	assert_int_equal(cgroup_id_of(m.v2, "/a/b", &id), 0);
	assert_int_equal(id, tree_inode("/sys/fs/cgroup/a/b"));
	assert_int_equal(cgroup_id_of(m.v2, "/a/c", &id), -ENOENT);
	assert_int_equal(cgroup_id_of("", "/a", &id), -ENOENT);
	assert_int_equal(cgroup_id_of(m.v2, "", &id), -ENOENT);
}

/* Lines cut anywhere, or without the fields that they should have, are left out. */
static void hostile_mountinfo(void **state)
{
	static const char line[] =
		"31 23 0:27 /a\\05 /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n - - \n - cgroup";

	tree_dir("/sys/fs/cgroup/");
	for (size_t len = 0; len < sizeof(line); len++) {
		char cut[sizeof(line)];

		str_copy(cut, len + 1, line);
		tree_write("/proc/1/mountinfo", cut);
		read_mounts();
		assert_true(m.mode == CGROUP_NONE || m.mode == CGROUP_V2);
	}
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(pure_v2),
		ROW(hybrid),
		ROW(v1_together),
		ROW(v2_with_other_v1),
		ROW(split_controllers),
		ROW(nothing_mounted),
		ROW(best_line),
		ROW(long_path),
		ROW(reader_above_its_namespace),
		ROW(private_namespace),
		ROW(partial_mount),
		ROW(ids),
		ROW(hostile_mountinfo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
