/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits along the path and usage, on made-up v1, hybrid and v2 trees. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/str.h"
#include "base/clock.h"
#include "pods/limits.h"
#include "unit/pods_tree.h"

#define KUBE "/kubepods/burstable"
#define POD  KUBE "/pod" UID36
#define CTR  POD "/" C64A
#define V2   "/sys/fs/cgroup"
#define CPU  "/sys/fs/cgroup/cpu"
#define ACCT "/sys/fs/cgroup/cpuacct"
#define MEM  "/sys/fs/cgroup/memory"
#define UNI  "/sys/fs/cgroup/unified"

static struct cgroup_mounts m;
static struct owner o;
static struct cgroup_limits l;
static struct cgroup_usage u;

static int setup(void **state)
{
	tree_make();
	memset(&o, 0, sizeof(o));
	o.kind = OWNER_POD;
	str_copy(o.cgroup, sizeof(o.cgroup), CTR);
	str_copy(o.cgroup_v2, sizeof(o.cgroup_v2), CTR);
	str_copy(o.cgroup_memory, sizeof(o.cgroup_memory), CTR);
	return 0;
}

static int teardown(void **state)
{
	tree_remove("");
	return 0;
}

static void read_all(void)
{
	assert_int_equal(cgroup_mounts_read(tree_root, &m), 0);
	assert_int_equal(cgroup_limits_read(&m, &o, &l), 0);
	assert_int_equal(cgroup_usage_read(&m, &o, &l, &u), 0);
}

static void expect_cpu(double limit, uint64_t quota_ns, uint64_t period_ns, const char *cgroup)
{
	assert_true(fabs(l.cpu_limit - limit) < 1e-9);
	assert_int_equal(l.cpu_quota_ns, quota_ns);
	assert_int_equal(l.cpu_period_ns, period_ns);
	assert_string_equal(l.cpu_limit_cgroup, cgroup);
}

static void v2(void **state)
{
	tree_v2();
	tree_write(V2 CTR "/cpu.max", "150000 50000\n");
	tree_write(V2 CTR "/cpu.weight", "39\n");
	tree_write(V2 CTR "/cpu.stat", "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\nnr_periods 11\n"
				       "nr_throttled 1\nthrottled_usec 22\n");
	tree_write(V2 CTR "/memory.max", "max\n");
	tree_write(V2 CTR "/memory.current", "1000000\n");
	tree_write(V2 CTR "/memory.peak", "2000000\n");
	tree_write(V2 CTR "/memory.stat", "anon 1\nfile 2\ninactive_anon 7\ninactive_file 300000\n");
	tree_write(V2 CTR "/memory.events", "low 0\nhigh 5\nmax 9\noom 4\noom_kill 3\noom_group_kill 2\n");
	tree_write(V2 POD "/cpu.max", "200000 100000\n");
	tree_write(V2 POD "/memory.max", "67108864\n");
	tree_write(V2 POD "/cpu.stat", "usage_usec 9\nnr_periods 100\nnr_throttled 30\nthrottled_usec 4000\n");
	tree_write(V2 KUBE "/cpu.max", "max 100000\n");
	tree_write(V2 KUBE "/memory.max", "1073741824\n");
	read_all();
	expect_cpu(2, 200000000, 100000000, POD); /* 2 CPUs at the pod beat 3 at the container */
	assert_int_equal(l.cpu_limit_cgid, tree_inode(V2 POD));
	assert_true(fabs(l.cpu_request - 1) < 0.03); /* weight 39 is what 1024 shares become, rounded down */
	assert_int_equal(l.memory_limit, 67108864);
	assert_int_equal(u.cpu_ns, 1234567000);
	assert_int_equal(u.nr_periods, 100);
	assert_int_equal(u.nr_throttled, 30);
	assert_int_equal(u.throttled_ns, 4000000);
	assert_int_equal(u.memory_bytes, 1000000);
	assert_int_equal(u.working_set_bytes, 700000);
	assert_int_equal(u.memory_peak_bytes, 2000000);
	assert_int_equal(u.oom_kills, 3);
	assert_true(u.time_ns > 0);
}

static void write_v1_memory(const char *limit)
{
	tree_write(MEM CTR "/memory.limit_in_bytes", limit);
	tree_write(MEM POD "/memory.limit_in_bytes", "9223372036854771712\n");
	tree_write(MEM CTR "/memory.usage_in_bytes", "5000\n");
	tree_write(MEM CTR "/memory.max_usage_in_bytes", "6000\n");
	tree_write(MEM CTR "/memory.stat", "cache 1\ninactive_file 10\ntotal_cache 3\ntotal_inactive_file 4000\n");
	tree_write(MEM CTR "/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
}

static void hybrid(void **state)
{
	tree_hybrid();
	tree_write(CPU CTR "/cpu.cfs_quota_us", "30000\n");
	tree_write(CPU CTR "/cpu.cfs_period_us", "100000\n");
	tree_write(CPU CTR "/cpu.shares", "256\n");
	tree_write(CPU CTR "/cpu.stat", "nr_periods 12\nnr_throttled 11\nthrottled_time 754964241\nnr_bursts 0\n");
	tree_write(CPU POD "/cpu.cfs_quota_us", "-1\n");
	tree_write(CPU POD "/cpu.cfs_period_us", "100000\n");
	tree_write(CPU KUBE "/cpu.cfs_quota_us", "90000\n"); /* more than the container's: does not count */
	tree_write(CPU KUBE "/cpu.cfs_period_us", "100000\n");
	tree_write(ACCT CTR "/cpuacct.usage", "385880123\n");
	tree_write(UNI CTR "/cpu.stat", "usage_usec 7\n");
	write_v1_memory("9223372036854771712\n");
	read_all();
	expect_cpu(0.3, 30000000, 100000000, CTR);
	assert_int_equal(l.cpu_limit_cgid, tree_inode(CPU CTR));
	assert_true(l.cpu_request == 0.25);
	assert_int_equal(l.memory_limit, -1);
	assert_int_equal(u.cpu_ns, 385880123);
	assert_int_equal(u.nr_periods, 12);
	assert_int_equal(u.nr_throttled, 11);
	assert_int_equal(u.throttled_ns, 754964241);
	assert_int_equal(u.working_set_bytes, 1000);
	assert_int_equal(u.memory_peak_bytes, 6000);
	assert_int_equal(u.oom_kills, 2);
	tree_remove(ACCT CTR "/cpuacct.usage"); /* v2 keeps the time too */
	read_all();
	assert_int_equal(u.cpu_ns, 7000);
}

static void v1_pod_quota(void **state)
{
	tree_v1();
	tree_write("/sys/fs/cgroup/cpu,cpuacct" CTR "/cpu.cfs_quota_us", "-1\n");
	tree_write("/sys/fs/cgroup/cpu,cpuacct" POD "/cpu.cfs_quota_us", "50000\n");
	tree_write("/sys/fs/cgroup/cpu,cpuacct" POD "/cpu.cfs_period_us", "20000\n");
	tree_write("/sys/fs/cgroup/cpu,cpuacct" CTR "/cpuacct.usage", "77\n");
	write_v1_memory("4096\n");
	read_all();
	expect_cpu(2.5, 50000000, 20000000, POD);
	assert_int_equal(l.memory_limit, 4096);
	assert_int_equal(u.cpu_ns, 77);
	assert_int_equal(u.nr_periods, LIMIT_UNKNOWN); /* there is a quota, but no cpu.stat */
}

static void no_limits(void **state)
{
	tree_v2();
	tree_write(V2 CTR "/cpu.max", "max 100000\n");
	tree_write(V2 CTR "/cpu.weight", "1\n");
	tree_write(V2 CTR "/memory.max", "max\n");
	read_all();
	expect_cpu(-1, 0, 0, "");
	assert_true(l.cpu_request == 0); /* the kubelet's weight for no request */
	assert_int_equal(l.memory_limit, -1);
	assert_int_equal(u.nr_periods, 0);
	assert_int_equal(u.cpu_ns, LIMIT_UNKNOWN);
	assert_int_equal(u.memory_bytes, LIMIT_UNKNOWN);
	assert_int_equal(u.working_set_bytes, LIMIT_UNKNOWN);
}

static void gone(void **state)
{
	tree_v2();
	read_all();
	assert_true(isnan(l.cpu_limit) && isnan(l.cpu_request));
	assert_int_equal(l.memory_limit, LIMIT_UNKNOWN);
	assert_int_equal(u.nr_periods, LIMIT_UNKNOWN);
	assert_int_equal(u.oom_kills, LIMIT_UNKNOWN);
}

/* A quota made by hand counts for a host process; the kernel's default shares are no request. */
static void host_service(void **state)
{
	tree_hybrid();
	o.kind = OWNER_HOST;
	str_copy(o.cgroup, sizeof(o.cgroup), "/demo");
	str_copy(o.cgroup_memory, sizeof(o.cgroup_memory), "/other");
	tree_write(CPU "/demo/cpu.cfs_quota_us", "40000\n");
	tree_write(CPU "/demo/cpu.cfs_period_us", "100000\n");
	tree_write(CPU "/demo/cpu.shares", "1024\n");
	tree_write(ACCT "/demo/cpuacct.usage", "5\n");
	tree_write(MEM "/other/memory.limit_in_bytes", "8192\n");
	read_all();
	expect_cpu(0.4, 40000000, 100000000, "/demo");
	assert_true(isnan(l.cpu_request));
	assert_int_equal(l.memory_limit, 8192);
	assert_int_equal(u.cpu_ns, 5);
}

static void root_cgroup(void **state)
{
	tree_hybrid();
	o.kind = OWNER_HOST;
	strcpy(o.cgroup, "/");
	strcpy(o.cgroup_v2, "/");
	strcpy(o.cgroup_memory, "/");
	tree_write(ACCT "/cpuacct.usage", "5\n");
	tree_write(UNI "/cpu.stat", "usage_usec 5\n");
	tree_write(MEM "/memory.usage_in_bytes", "5\n");
	tree_write(CPU "/cpu.shares", "512\n");
	read_all();
	expect_cpu(-1, 0, 0, "");
	assert_true(isnan(l.cpu_request));
	assert_int_equal(u.cpu_ns, LIMIT_UNKNOWN);
	assert_int_equal(u.memory_bytes, LIMIT_UNKNOWN);
}

/* Only the unified line names the container (v1 says "/"): its time is there, the node's is not taken for it. */
static void container_only_in_v2(void **state)
{
	tree_hybrid();
	strcpy(o.cgroup, "/");
	o.cgroup_memory[0] = 0;
	tree_write(ACCT "/cpuacct.usage", "99999\n");
	tree_write(MEM "/memory.usage_in_bytes", "99999\n");
	tree_write(UNI CTR "/cpu.stat", "usage_usec 5\n");
	read_all();
	assert_int_equal(u.cpu_ns, 5000);
	assert_int_equal(u.memory_bytes, LIMIT_UNKNOWN);
}

static void nothing_mounted(void **state)
{
	tree_write("/proc/1/mountinfo", "27 1 254:0 / / rw - ext4 /dev/vda rw\n");
	read_all();
	assert_true(isnan(l.cpu_limit));
	assert_int_equal(l.memory_limit, LIMIT_UNKNOWN);
	assert_int_equal(u.cpu_ns, LIMIT_UNKNOWN);
}

static void broken_files(void **state)
{
	static const char *const cpu_max[] = {"",
					      "\n",
					      "100000",
					      "100000 0\n",
					      "0 100000\n",
					      "-5 100000\n",
					      "x y\n",
					      "99999999999999999999 1\n",
					      "18446744073709551615 18446744073709551615\n"};

	tree_v2();
	for (size_t i = 0; i < sizeof(cpu_max) / sizeof(*cpu_max); i++) {
		tree_write(V2 CTR "/cpu.max", cpu_max[i]);
		tree_write(V2 CTR "/memory.max", cpu_max[i]);
		tree_write(V2 CTR "/cpu.stat", "usage_usec 18446744073709551615\nnr_periods");
		tree_write(V2 CTR "/memory.stat", cpu_max[i]);
		read_all();
		expect_cpu(-1, 0, 0, "");
		assert_int_equal(u.cpu_ns, LIMIT_UNKNOWN);
	}
}

static void process_stat(void **state)
{
	uint64_t ns = 0, ticks = 0;
	long hz = sysconf(_SC_CLK_TCK);

	tree_write("/proc/77/stat", "77 (a) b) (c) S 1 77 77 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 123456 1 2 3\n");
	tree_write("/proc/78/stat", "78 (cut) S 1 78\n");
	assert_int_equal(process_cpu_read(tree_root, 77, &ns), 0);
	assert_int_equal(ns, 200ull * 1000000000 / (uint64_t)hz);
	assert_int_equal(process_start_read(tree_root, 77, &ticks), 0);
	assert_int_equal(ticks, 123456);
	assert_int_equal(process_cpu_read(tree_root, 78, &ns), -EINVAL);
	assert_int_equal(process_cpu_read(tree_root, 79, &ns), -ESRCH);
	assert_int_equal(process_cpu_read("", getpid(), &ns), 0);
}

/* Our own CPU clock, read as anybody's would be; against the other way to read it. */
static void test_cpu_clock(void **state)
{
	uint64_t before = 0, own = 0, ticks = 0, end = clock_mono_ns() + 30 * NS_PER_MS;
	struct timespec t;

	assert_int_equal(process_cpu_clock(getpid(), &before), 0);
	while (clock_mono_ns() < end)
		;
	assert_int_equal(process_cpu_clock(getpid(), &own), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	assert_true(own > before);
	assert_true((uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec - own < 20 * NS_PER_MS);
	assert_int_equal(process_cpu_read("", getpid(), &ticks), 0);
	assert_true(ticks > own ? ticks - own < 50 * NS_PER_MS
				: own - ticks < 50 * NS_PER_MS); /* ticks of 10 ms, two of them */
	assert_true(process_cpu_clock(1 << 22, &own) < 0);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu_clock),
		ROW(v2),
		ROW(hybrid),
		ROW(v1_pod_quota),
		ROW(no_limits),
		ROW(gone),
		ROW(host_service),
		ROW(root_cgroup),
		ROW(container_only_in_v2),
		ROW(nothing_mounted),
		ROW(broken_files),
		ROW(process_stat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
