/* SPDX-License-Identifier: BSD-2-Clause */
/* Calibration of a uprobe hit. The probed instruction is the one that the Go probes use: `push %rbp` on amd64, which
 * the kernel emulates (0.5 us where a single-stepped instruction costs 10, facts/performance.md 0), and the store of
 * the link register on arm64. Batches, and their median, because a shared machine stalls now and then. */
#include "probes/uprobe_cost.h"

#include <bpf/libbpf.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "probes/link_set.h"
#include "probes/shared_maps.h"
#include "uprobe_cost.skel.h"

void uprobe_cost_target(void);

#if defined(__x86_64__)
__asm__(".text\n.p2align 4\n.globl uprobe_cost_target\n.hidden uprobe_cost_target\n.type uprobe_cost_target, "
	"@function\n"
	"uprobe_cost_target:\n\tpush %rbp\n\tpop %rbp\n\tret\n.size uprobe_cost_target, . - uprobe_cost_target\n");
#elif defined(__aarch64__)
__asm__(".text\n.p2align 4\n.globl uprobe_cost_target\n.hidden uprobe_cost_target\n.type uprobe_cost_target, "
	"%function\n"
	"uprobe_cost_target:\n\tstr x30, [sp, #-16]!\n\tldr x30, [sp], #16\n\tret\n"
	".size uprobe_cost_target, . - uprobe_cost_target\n");
#else
void uprobe_cost_target(void)
{
}
#endif

#define BATCHES        32
#define BATCH_CALLS    50
#define MEASURE_MAX_NS (8 * NS_PER_MS)

struct uprobe_cost {
	struct uprobe_cost_bpf *skel; /* owned */
	struct link_set *links;       /* owned until taken */
};

/* dl_iterate_phdr: the file offset of our function in the main program, which comes first. */
static int find_offset(struct dl_phdr_info *info, size_t sz, void *arg)
{
	uint64_t *offset = arg, addr = (uintptr_t)uprobe_cost_target - info->dlpi_addr;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_LOAD && addr >= ph->p_vaddr && addr - ph->p_vaddr < ph->p_filesz)
			*offset = addr - ph->p_vaddr + ph->p_offset;
	}
	return 1;
}

static uint64_t time_batch(void)
{
	uint64_t start = clock_mono_ns();

	for (int i = 0; i < BATCH_CALLS; i++)
		uprobe_cost_target();
	return clock_mono_ns() - start;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Median over the batches of one call's time. */
static double time_call(void)
{
	uint64_t ns[BATCHES], start = clock_mono_ns();
	int cnt = 0;

	time_batch(); /* page faults, caches */
	while (cnt < BATCHES && (cnt < 3 || clock_mono_ns() - start < MEASURE_MAX_NS))
		ns[cnt++] = time_batch();
	qsort(ns, (size_t)cnt, sizeof(ns[0]), compare_u64);
	return (double)ns[cnt / 2] / BATCH_CALLS;
}

static int attach(struct uprobe_cost *c, bool multi, const struct shared_maps *maps, uint32_t pidns_inum, char *why)
{
	struct link_site site = {0};
	int err;

	dl_iterate_phdr(find_offset, &site.file_offset);
	if (!site.file_offset)
		return err_why(why, -ENOENT, "own function not found in own program");
	c->skel = uprobe_cost_bpf__open();
	if (!c->skel)
		return err_why(why, -errno, "cannot open the BPF object: %s", strerror(errno));
	if (multi)
		bpf_program__set_expected_attach_type(c->skel->progs.uprobe_cost, ATTACH_TYPE_UPROBE_MULTI);
	c->skel->rodata->agent_pidns_inum = pidns_inum;
	err = shared_maps_reuse(maps, c->skel->obj);
	if (!err)
		err = uprobe_cost_bpf__load(c->skel);
	if (err)
		return err_why(why, err, "cannot load the BPF object: %s", strerror(-err));
	site.prog = c->skel->progs.uprobe_cost;
	return link_set_new("/proc/self/exe", &site, 1, multi, &c->links, why);
}

int uprobe_cost_measure(bool multi, const struct shared_maps *maps, uint32_t pidns_inum, struct uprobe_cost **ret,
			double *ret_ns, char *why)
{
	struct uprobe_cost *c = calloc(1, sizeof(*c));
	double without, with;
	int err;

	if (!c)
		return err_why(why, -ENOMEM, "out of memory");
	without = time_call();
	err = attach(c, multi, maps, pidns_inum, why);
	if (err) {
		uprobe_cost_free(c);
		return err;
	}
	with = time_call();
	*ret_ns = with > without ? with - without : 0;
	*ret = c;
	return 0;
}

struct link_set *uprobe_cost_take_links(struct uprobe_cost *c)
{
	struct link_set *links = c->links;

	c->links = NULL;
	return links;
}

struct uprobe_cost *uprobe_cost_free(struct uprobe_cost *c)
{
	if (!c)
		return NULL;
	link_set_free(c->links);
	uprobe_cost_bpf__destroy(c->skel);
	free(c);
	return NULL;
}
