/* SPDX-License-Identifier: BSD-2-Clause */
/* The four maps that all objects share. They are created here rather than by the first object, so that it does not
 * matter which object is first or fails; libbpf takes sizes and flags of a reused map from its descriptor. Counters and
 * binaries are mapped: reading them costs no system call. Nothing is pinned: a killed agent leaves nothing behind. */
#include "probes/shared_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "signal_id.h"

#define RING_BYTES_DEFAULT (512u * 1024)
#define RING_BYTES_MAX     (1u << 30)

static size_t page_round(size_t sz)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (sz + page - 1) / page * page;
}

static uint32_t ring_size(uint32_t bytes)
{
	uint32_t sz = (uint32_t)sysconf(_SC_PAGESIZE);

	if (!bytes)
		bytes = RING_BYTES_DEFAULT;
	while (sz < bytes && sz < RING_BYTES_MAX)
		sz *= 2;
	return sz;
}

/* Kernels before 5.11 charge maps to RLIMIT_MEMLOCK, usually 64 KiB, and answer EPERM. */
static int map_error(const char *name, int err, char *why)
{
	struct rlimit lim;

	if (err == -EPERM && !getrlimit(RLIMIT_MEMLOCK, &lim) && lim.rlim_cur < (64u << 20))
		return err_why(why, err,
			       "cannot create BPF map %s: locked memory is limited to %llu KiB and the limit cannot be "
			       "raised: "
			       "CAP_SYS_RESOURCE is missing, or raise it with ulimit -l",
			       name, (unsigned long long)lim.rlim_cur / 1024);
	return err_why(why, err, "cannot create BPF map %s: %s", name, strerror(-err));
}

static int create(enum bpf_map_type type, const char *name, uint32_t key_sz, uint32_t value_sz, uint32_t entries,
		  uint32_t flags, int *ret_fd, char *why)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	int fd = bpf_map_create(type, name, key_sz, value_sz, entries, &opts);

	if (fd < 0)
		return map_error(name, fd, why);
	*ret_fd = fd;
	return 0;
}

static int create_all(struct shared_maps *m, uint32_t ring_bytes, char *why)
{
	int err;

	err = create(BPF_MAP_TYPE_RINGBUF, "events", 0, 0, ring_size(ring_bytes), 0, &m->events_fd, why);
	if (err)
		return err;
	err = create(BPF_MAP_TYPE_ARRAY, "counters", sizeof(uint32_t), sizeof(struct signal_counters), SIGNAL_MAX,
		     BPF_F_MMAPABLE, &m->counters_fd, why);
	if (err)
		return err;
	err = create(BPF_MAP_TYPE_HASH, "processes", sizeof(uint32_t), sizeof(struct process_entry), PROCESS_TABLE_MAX,
		     0, &m->processes_fd, why);
	if (err)
		return err;
	return create(BPF_MAP_TYPE_ARRAY, "binaries", sizeof(uint32_t), sizeof(struct binary_entry), BINARY_TABLE_MAX,
		      BPF_F_MMAPABLE, &m->binaries_fd, why);
}

#define COUNTERS_SZ page_round(SIGNAL_MAX * sizeof(struct signal_counters))
#define BINARIES_SZ page_round(BINARY_TABLE_MAX * sizeof(struct binary_entry))

static int map_memory(struct shared_maps *m, char *why)
{
	void *p = mmap(NULL, COUNTERS_SZ, PROT_READ | PROT_WRITE, MAP_SHARED, m->counters_fd, 0);

	if (p == MAP_FAILED)
		return err_why(why, -errno, "cannot map BPF map counters: %s", strerror(errno));
	m->counters = p;
	p = mmap(NULL, BINARIES_SZ, PROT_READ | PROT_WRITE, MAP_SHARED, m->binaries_fd, 0);
	if (p == MAP_FAILED)
		return err_why(why, -errno, "cannot map BPF map binaries: %s", strerror(errno));
	m->binaries = p;
	return 0;
}

int shared_maps_init(struct shared_maps *m, uint32_t ring_bytes, char *why)
{
	int err;

	*m = (struct shared_maps){.events_fd = -1, .counters_fd = -1, .processes_fd = -1, .binaries_fd = -1};
	err = create_all(m, ring_bytes, why);
	if (!err)
		err = map_memory(m, why);
	if (err)
		shared_maps_deinit(m);
	return err;
}

void shared_maps_deinit(struct shared_maps *m)
{
	if (m->binaries)
		munmap((void *)m->binaries, BINARIES_SZ);
	if (m->counters)
		munmap((void *)m->counters, COUNTERS_SZ);
	cleanup_close(&m->binaries_fd);
	cleanup_close(&m->processes_fd);
	cleanup_close(&m->counters_fd);
	cleanup_close(&m->events_fd);
	*m = (struct shared_maps){.events_fd = -1, .counters_fd = -1, .processes_fd = -1, .binaries_fd = -1};
}

int shared_maps_reuse(const struct shared_maps *m, struct bpf_object *obj)
{
	const struct {
		const char *name;
		int fd;
	} maps[] = {
		{"events", m->events_fd},
		{"counters", m->counters_fd},
		{"processes", m->processes_fd},
		{"binaries", m->binaries_fd},
	};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, maps[i].name);
		int err = map ? bpf_map__reuse_fd(map, maps[i].fd) : 0;

		if (err)
			return err;
	}
	return 0;
}
