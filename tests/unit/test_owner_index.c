/* SPDX-License-Identifier: BSD-2-Clause */
/* From a process to its owner on made-up nodes: each source of names, retries, lingering, levels. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "pods/owner_index.h"
#include "unit/pods_tree.h"

#define POD  "/kubepods/burstable/pod" UID36
#define TASK "/run/containerd/io.containerd.runtime.v2.task"
#define NOW  (100 * NS_PER_SEC)
#define CPU  "/sys/fs/cgroup/cpu"

static struct cgroup_mounts mounts;
static struct owner_index *x;
static int freed;

static int setup(void **state)
{
	tree_make();
	tree_hybrid();
	freed = 0;
	return cgroup_mounts_read(tree_root, &mounts) || owner_index_new(tree_root, &mounts, &x);
}

static int teardown(void **state)
{
	x = owner_index_free(x);
	tree_remove("");
	return 0;
}

static void count_freed(struct owner *o, void *arg)
{
	assert_ptr_equal(arg, &freed);
	assert_int_equal(o->refs, 0);
	freed++;
}

static void tick(uint64_t now_ns)
{
	owner_index_tick(x, now_ns, count_freed, &freed);
}

/* A process with the same path in all hierarchies, as the runtimes make it. */
static void process(int pid, const char *path)
{
	char file[64], text[2048], dir[1024];
	static const char *const mounted[] = {"cpu", "cpuacct", "memory", "unified"};

	snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
	snprintf(text, sizeof(text), "4:memory:%s\n3:pids:%s\n2:cpuacct:%s\n1:cpu:%s\n0::%s\n", path, path, path, path,
		 path);
	tree_write(file, text);
	snprintf(file, sizeof(file), "/proc/%d/stat", pid);
	snprintf(text, sizeof(text), "%d (c) S 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 9 0 %d 1 2 3\n", pid, pid * 10);
	tree_write(file, text);
	for (size_t i = 0; i < 4; i++) {
		snprintf(dir, sizeof(dir), "/sys/fs/cgroup/%s%s/", mounted[i], path);
		tree_dir(dir);
	}
}

static struct owner *get(int pid, uint64_t now_ns)
{
	struct owner *o = NULL;

	assert_int_equal(owner_index_get(x, pid, "comm", now_ns, &o), 0);
	assert_non_null(o);
	return o;
}

static void expect(const struct owner *o, enum owner_kind kind, const char *runtime, const char *text)
{
	char buf[600];

	owner_format(o, buf, sizeof(buf));
	assert_string_equal(buf, text);
	assert_int_equal(o->kind, kind);
	assert_string_equal(o->runtime, runtime);
}

static void containerd_task(const char *namespace_, const char *id, const char *annotations)
{
	char path[512], text[2048];

	snprintf(path, sizeof(path), TASK "/%s/%s/config.json", namespace_, id);
	snprintf(text, sizeof(text), "{\"ociVersion\":\"1.0.2\",\"annotations\":{%s},\"linux\":{}}", annotations);
	tree_write(path, text);
}

#define CRI(key, value) "\"io.kubernetes.cri." key "\":\"" value "\""
#define CRI_POD         CRI("sandbox-name", "cart-0") "," CRI("sandbox-namespace", "shop") "," CRI("sandbox-uid", UID36)
#define K8S(key, value) "\"io.kubernetes." key "\":\"" value "\""
#define K8S_POD         K8S("pod.name", "cart-0") "," K8S("pod.namespace", "shop") "," K8S("pod.uid", UID36)

static void containerd(void **state)
{
	struct owner *o;

	tree_dir(TASK "/default/");
	containerd_task("k8s.io", C64A,
			CRI("container-name", "cart") "," CRI("container-type", "container") "," CRI_POD);
	containerd_task("k8s.io", C64B, CRI("container-type", "sandbox") "," CRI_POD);
	process(10, POD "/" C64A);
	process(11, POD "/" C64A "/child");
	process(12, POD "/" C64B);
	o = get(10, NOW);
	expect(o, OWNER_POD, "containerd", "shop/cart-0:cart");
	assert_string_equal(o->pod_uid, UID36);
	assert_string_equal(o->container_id, C64A);
	assert_string_equal(o->cgroup, POD "/" C64A);
	assert_string_equal(o->cgroup_v2, POD "/" C64A);
	assert_string_equal(o->cgroup_memory, POD "/" C64A);
	assert_int_equal(o->cpu_cgid, tree_inode(CPU POD "/" C64A));
	assert_int_equal(o->v2_cgid, tree_inode("/sys/fs/cgroup/unified" POD "/" C64A));
	assert_false(o->sandbox);
	assert_ptr_equal(get(11, NOW), o); /* a child cgroup of the container */
	assert_int_equal(o->refs, 2);
	o = get(12, NOW);
	expect(o, OWNER_POD, "containerd", "shop/cart-0");
	assert_true(o->sandbox);
}

static void containerd_alone(void **state)
{
	containerd_task("default", C64A, "\"nerdctl/name\":\"web\"");
	containerd_task("default", "redis", "");
	containerd_task("default", C64B, "");
	process(10, "/system.slice/nerdctl-" C64A ".scope");
	process(11, "/default/redis");
	process(12, "/default/redis/child");
	process(13, "/default/other");
	process(14, "/default/" C64B);
	expect(get(10, NOW), OWNER_CONTAINER, "containerd", "containerd/web");
	expect(get(11, NOW), OWNER_CONTAINER, "containerd", "containerd/redis");
	assert_ptr_equal(get(12, NOW), get(11, NOW));
	assert_string_equal(get(12, NOW)->cgroup, "/default/redis");
	expect(get(13, NOW), OWNER_HOST, "", "host/pid 13 comm");
	expect(get(14, NOW), OWNER_CONTAINER, "containerd", "containerd/f2a22b6df57a"); /* nameless: the short id */
}

static void crio(void **state)
{
#define CRIO "/run/containers/storage/overlay-containers/"
	tree_write(CRIO C64A "/userdata/config.json",
		   "{\"annotations\":{\"io.kubernetes.cri-o.ContainerType\":\"container\"," K8S(
			   "container.name", "cart") "," K8S_POD "}}");
	tree_write("/var/lib/containers/storage/overlay-containers/" C64B "/userdata/config.json",
		   "{\"annotations\":{\"io.kubernetes.cri-o.ContainerType\":\"sandbox\"," K8S("container.name",
											      "POD") "," K8S_POD "}}");
	process(10, "/kubepods.slice/kubepods-pod" UID36_ ".slice/crio-" C64A ".scope/container");
	process(11, "/kubepods.slice/kubepods-pod" UID36_ ".slice/crio-" C64B ".scope");
	process(12, "/kubepods.slice/kubepods-pod" UID36_ ".slice/crio-conmon-" C64A ".scope");
	expect(get(10, NOW), OWNER_POD, "cri-o", "shop/cart-0:cart");
	expect(get(11, NOW), OWNER_POD, "cri-o", "shop/cart-0");
	assert_true(get(11, NOW)->sandbox);
	expect(get(12, NOW), OWNER_HOST, "", "host/pid 12 comm");
}

static void docker(void **state)
{
#define DOCKER "/var/lib/docker/containers/"
	containerd_task("moby", C64A, ""); /* docker's containers are also containerd's, without names there */
	tree_write(DOCKER C64A "/config.v2.json", "{\"ID\":\"" C64A "\",\"Name\":\"/web\",\"Config\":{\"Labels\":{}}}");
	tree_write(DOCKER C64B "/config.v2.json", "{\"Name\":\"/k8s_cart_cart-0_shop\",\"Config\":{\"Labels\":{" K8S(
							  "container.name", "cart") "," K8S_POD "}}}");
	process(10, "/system.slice/docker-" C64A ".scope");
	process(11, POD "/" C64B);
	expect(get(10, NOW), OWNER_CONTAINER, "docker", "docker/web");
	expect(get(11, NOW), OWNER_POD, "docker", "shop/cart-0:cart");
}

static void podman(void **state)
{
#define PODMAN "/var/lib/containers/storage/overlay-containers/"
	static const char monitor[] = "/usr/bin/conmon\0-c\0" C64B "\0-n\0other-root\0-x";
	char path[128];
	FILE *f;

	tree_write(PODMAN "containers.json",
		   "[{\"id\":\"" C64B "x\",\"names\":[\"wrong\"]},{\"names\":[]},7,{\"id\":\"" C64A
		   "\",\"names\":[\"web\",\"w2\"]}]");
	tree_write(PODMAN C64A "/userdata/config.json", "{\"annotations\":{\"io.container.manager\":\"libpod\","
							"\"io.kubernetes.cri-o.Created\":\"2026-11-23T12:28:37Z\"}}");
	process(10, "/libpod_parent/libpod-" C64A);
	process(11, "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" C64B ".scope/container");
	process(12, "/libpod_parent/conmon");
	tree_write("/proc/11/stat", "11 (c) S 13 0\n");
	tree_write("/proc/13/stat", "13 (c) S 12 0\n");
	tree_write("/proc/13/cmdline", "sh");
	snprintf(path, sizeof(path), "%s/proc/12/cmdline", tree_root);
	f = fopen(path, "w");
	assert_int_equal(fwrite(monitor, 1, sizeof(monitor), f), sizeof(monitor));
	fclose(f);
	expect(get(10, NOW), OWNER_CONTAINER, "podman", "podman/web");
	expect(get(11, NOW), OWNER_CONTAINER, "podman", "podman/other-root");
	expect(get(12, NOW), OWNER_HOST, "", "host/pid 12 comm");
}

/* No runtime file at all: what the kubelet leaves. */
static void kubelet_traces(void **state)
{
	struct owner *o;

	process(10, POD "/" C64A);
	tree_write("/proc/10/mountinfo",
		   "1 2 254:0 /var/lib/kubelet/pods/" UID36 "/etc-hosts /etc/hosts rw - ext4 /dev/vda rw\n"
		   "1 2 254:0 /x/pods/" UID32 "/containers/wrong/1 /dev/termination-log rw - ext4 /dev/vda rw\n"
		   "1 2 254:0 /var/lib/kubelet/pods/" UID36
		   "/containers/cart/0a1b2c3d /dev/termination-log rw - ext4 /dev/vda rw\n");
	o = get(10, NOW);
	expect(o, OWNER_UNATTRIBUTED, "", "unattributed ../podadc7…/995366");
	assert_string_equal(o->container, "cart"); /* half of it */
	tree_dir("/var/log/pods/shop_cart-0_" UID36 "/cart/");
	tick(NOW + NS_PER_SEC);
	expect(o, OWNER_POD, "", "shop/cart-0:cart");

	process(11, POD "/" C64B);
	tree_dir("/var/log/containers/cart-0_shop_side-" C64B ".log/");
	expect(get(11, NOW), OWNER_POD, "", "shop/cart-0:side");
}

static void resolved_later(void **state)
{
	struct owner *o;

	process(10, "/kubepods/pod" UID32 "/" C64A);
	o = get(10, NOW);
	expect(o, OWNER_UNATTRIBUTED, "", "unattributed ../pod9276…/995366");
	tick(NOW + 100 * NS_PER_MS);
	containerd_task("k8s.io", C64A, CRI("container-name", "cart") "," CRI_POD);
	tick(NOW + 200 * NS_PER_MS);
	expect(o, OWNER_POD, "containerd", "shop/cart-0:cart");
	assert_string_equal(o->pod_uid, UID32); /* the cgroup's, not the annotation's */

	process(11, "/kubepods/pod" UID32 "/" C64B);
	o = get(11, NOW);
	tick(NOW + 3 * NS_PER_SEC); /* last eager try */
	containerd_task("k8s.io", C64B, CRI("container-name", "side") "," CRI_POD);
	tick(NOW + 12 * NS_PER_SEC);
	assert_int_equal(o->kind, OWNER_UNATTRIBUTED);
	tick(NOW + 14 * NS_PER_SEC);
	assert_int_equal(o->kind, OWNER_POD);
}

static void pod_cgroup(void **state)
{
	struct owner *o;

	process(10, POD);
	process(11, POD "/helper");
	o = get(10, NOW);
	expect(o, OWNER_UNATTRIBUTED, "", "unattributed ../podadc7…");
	assert_ptr_equal(get(11, NOW), o);
	tree_dir("/var/log/pods/shop_cart-0_" UID36 "/cart/");
	tick(NOW + NS_PER_SEC);
	expect(o, OWNER_POD, "", "shop/cart-0");
}

static void gone(void **state)
{
	struct owner *o, *again;
	uint64_t cgid;

	containerd_task("k8s.io", C64A, CRI("container-name", "cart") "," CRI_POD);
	process(10, POD "/" C64A);
	process(11, POD "/" C64A);
	process(20, "/");
	o = get(10, NOW);
	assert_ptr_equal(get(11, NOW), o);
	owner_index_put(x, get(20, NOW), NOW);
	owner_index_put(x, o, NOW);
	assert_int_equal(o->gone_ns, 0);
	owner_index_put(x, o, NOW + NS_PER_SEC);
	assert_int_equal(o->gone_ns, NOW + NS_PER_SEC);
	tick(NOW + 59 * NS_PER_SEC);
	assert_int_equal(freed, 0);
	tick(NOW + 60 * NS_PER_SEC); /* only the host process */
	assert_int_equal(freed, 1);

	/* started again: same path, new cgroup */
	cgid = o->cpu_cgid;
	tree_set_aside(CPU POD "/" C64A);
	process(10, POD "/" C64A);
	again = get(10, NOW + 60 * NS_PER_SEC);
	assert_ptr_equal(again, o);
	assert_int_equal(o->cpu_cgid, tree_inode(CPU POD "/" C64A));
	assert_true(o->cpu_cgid != cgid);
	tick(NOW + 200 * NS_PER_SEC);
	assert_int_equal(freed, 1);
	owner_index_put(x, o, NOW + 200 * NS_PER_SEC);
	tick(NOW + 261 * NS_PER_SEC);
	assert_int_equal(freed, 2);
	size_t pos = 0;
	assert_null(owner_index_next(x, &pos));
}

/* A quota at the pod reaches all its containers, one above reaches all pods below. */
static void below(void **state)
{
	struct owner *a, *b, *c;
	size_t pos = 0, cnt = 0;

	process(10, POD "/" C64A);
	process(11, POD "/" C64B);
	process(12, "/kubepods/pod" UID32 "/" C64A);
	a = get(10, NOW);
	b = get(11, NOW);
	c = get(12, NOW);
	assert_ptr_equal(owner_index_below(x, tree_inode(CPU POD), &pos), a);
	assert_ptr_equal(owner_index_below(x, tree_inode(CPU POD), &pos), b);
	assert_null(owner_index_below(x, tree_inode(CPU POD), &pos));
	for (pos = 0; owner_index_below(x, tree_inode(CPU "/kubepods"), &pos);)
		cnt++;
	assert_int_equal(cnt, 3);
	pos = 0;
	assert_ptr_equal(owner_index_below(x, c->cpu_cgid, &pos), c);
	assert_null(owner_index_below(x, c->cpu_cgid, &pos));
	pos = 0;
	assert_null(owner_index_below(x, 0, &pos));
	for (pos = 0, cnt = 0; owner_index_next(x, &pos);)
		cnt++;
	assert_int_equal(cnt, 3);
}

/* On v2 a task counts for the nearest level that has the cpu controller. */
static void cpu_level_on_v2(void **state)
{
	struct owner *o;

	owner_index_free(x);
	tree_remove("/proc");
	tree_v2();
	assert_int_equal(cgroup_mounts_read(tree_root, &mounts), 0);
	assert_int_equal(owner_index_new(tree_root, &mounts, &x), 0);
	tree_write("/proc/10/cgroup", "0::/system.slice/a.service\n");
	tree_write("/proc/10/stat", "10 (c) S 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 9 0 5 1 2 3\n");
	tree_dir("/sys/fs/cgroup/system.slice/a.service/");
	tree_write("/sys/fs/cgroup/system.slice/cpu.weight", "100\n");
	o = get(10, NOW);
	expect(o, OWNER_HOST, "", "host/pid 10 comm");
	assert_string_equal(o->cgroup, "/system.slice/a.service");
	assert_int_equal(o->cpu_cgid, tree_inode("/sys/fs/cgroup/system.slice"));
	assert_int_equal(o->v2_cgid, tree_inode("/sys/fs/cgroup/system.slice/a.service"));
}

static void host(void **state)
{
	struct owner *o, *other;

	process(10, "/");
	process(11, "/system.slice/containerd.service");
	assert_int_equal(owner_index_get(x, 11, "a\033[2J\xc3\xa4", NOW, &other), 0);
	o = get(10, NOW);
	assert_ptr_not_equal(o, other);
	assert_ptr_equal(get(10, NOW), o);
	assert_string_equal(other->host_comm, "a?[2J??");
	assert_string_equal(other->cgroup, "/system.slice/containerd.service");
	assert_int_equal(other->cpu_cgid, tree_inode(CPU "/system.slice/containerd.service"));
	assert_int_equal(o->cpu_cgid, tree_inode(CPU));
	assert_int_equal(o->host_pid, 10);

	process(10, "/by-hand"); /* moved after its start */
	tick(NOW + NS_PER_SEC);
	assert_string_equal(o->cgroup, "/by-hand");
	assert_int_equal(o->cpu_cgid, tree_inode(CPU "/by-hand"));

	tree_write("/proc/10/stat", "10 (c) S 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 9 0 777 1 2 3\n");
	assert_ptr_not_equal(get(10, NOW), o); /* the pid again, another process */
	assert_int_equal(owner_index_get(x, 99, "c", NOW, &o), -ESRCH);
}

/* Only the unified line names the pod; v1 has the process in its root and someone's memory cgroup. */
static void only_in_v2(void **state)
{
	struct owner *o;

	process(10, POD "/" C64A);
	tree_write("/proc/10/cgroup", "2:memory:/process_api/x\n1:cpu:/\n0::" POD "/" C64A "\n");
	o = get(10, NOW);
	expect(o, OWNER_UNATTRIBUTED, "", "unattributed ../podadc7…/995366");
	assert_string_equal(o->cgroup, "/");
	assert_string_equal(o->cgroup_v2, POD "/" C64A);
	assert_string_equal(o->cgroup_memory, "");
}

static void hostile_files(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"7",
		"{\"annotations\":7}",
		"{\"annotations\":{\"io.kubernetes.cri.container-name\":{}}}",
		"[{\"id\":7,\"names\":7}]",
		"{\"Name\":7,\"Config\":[]}",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
		"\xff\xfe",
	};
	char *big = malloc(5 << 20), deep[8192];

	process(10, POD "/" C64A);
	memset(big, ' ', (5 << 20) - 1);
	big[(5 << 20) - 1] = 0;
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = 0;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts) + 2; i++) {
		const char *text = i >= 2 ? texts[i - 2] : i ? deep : big;

		tree_write(TASK "/k8s.io/" C64A "/config.json", text);
		tree_write(DOCKER C64A "/config.v2.json", text);
		tree_write(PODMAN "containers.json", text);
		tree_write(PODMAN C64A "/userdata/config.json", text);
		tree_write("/proc/10/mountinfo", text);
		tree_dir("/var/log/pods/_" UID36 "/");
		tree_dir("/var/log/containers/-" C64A ".log/");
		assert_int_equal(get(10, NOW)->kind, OWNER_UNATTRIBUTED);
		tick(NOW + i);
	}
	free(big);
	containerd_task("k8s.io", C64A, CRI("container-name", "a\\u001b[2J\\u00e4\\n") "," CRI_POD);
	tick(NOW + NS_PER_SEC);
	expect(get(10, NOW), OWNER_POD, "containerd", "shop/cart-0:a?[2J???");
}

static void bound(void **state)
{
	struct owner *o;
	char file[64], text[128];
	int pid, err = 0;

	for (pid = 1; pid < 6000 && !err; pid++) {
		snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
		snprintf(text, sizeof(text), "1:cpu:/docker/%064x\n", pid);
		tree_write(file, text);
		err = owner_index_get(x, pid, "c", NOW, &o);
		if (!err)
			owner_index_put(x, o, NOW);
	}
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(pid, 4098);
	tick(NOW + 6 * NS_PER_SEC); /* more than half full: what is gone goes after 5 s */
	assert_true(freed >= 2048);
	assert_int_equal(owner_index_get(x, 4097, "c", NOW, &o), 0);
}

/* Containers that come and go in numbers: each gone one is a row and a history. */
static void many_gone(void **state)
{
	static const struct {
		int cnt;
		bool freed_early;
	} rows[] = {{200, false}, {300, true}};
	struct owner *o;
	char file[64], text[128];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t now = NOW + (i + 1) * 100 * NS_PER_SEC;

		for (int pid = 1; pid <= rows[i].cnt; pid++) {
			snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
			snprintf(text, sizeof(text), "1:cpu:/docker/%064x\n", pid);
			tree_write(file, text);
			assert_int_equal(owner_index_get(x, pid, "c", now, &o), 0);
			owner_index_put(x, o, now);
		}
		freed = 0;
		tick(now + 6 * NS_PER_SEC);
		assert_int_equal(freed > 0, rows[i].freed_early);
		tick(now + 61 * NS_PER_SEC);
		tick(now + 68 * NS_PER_SEC);
		assert_int_equal(freed, rows[i].cnt);
	}
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(containerd),     ROW(containerd_alone), ROW(crio),
		ROW(docker),         ROW(podman),           ROW(kubelet_traces),
		ROW(resolved_later), ROW(pod_cgroup),       ROW(gone),
		ROW(below),          ROW(cpu_level_on_v2),  ROW(host),
		ROW(only_in_v2),     ROW(hostile_files),    ROW(bound),
		ROW(many_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
