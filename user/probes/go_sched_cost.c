/* SPDX-License-Identifier: BSD-2-Clause */
/* One function a kind of hit, as each has a site of its own: `push %rbp` on amd64, the store of the link register on
 * arm64, with g0 and arguments in Go's registers (bpf/go_abi.bpf.h). What they point to is shaped like the runtime's
 * structures, at offsets of our choice: a goroutine whose stack has as many frames as a usual park's (a channel's is 3
 * calls of the runtime deep, a mutex's 4; the program follows up to 8 of the person's own). */
#include "probes/go_sched_cost.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define FRAMES         8
#define FRAMES_RUNTIME 3
#define BATCHES        24
#define BATCH_CALLS    50
#define MEASURE_MAX_NS (4 * NS_PER_MS)

struct fake_p {
	int32_t id;
};
struct fake_g;
struct fake_m {
	struct fake_g *curg;
	struct fake_p *p;
};
struct fake_g {
	uint64_t stack[4];
	struct fake_m *m;
	void *bp;
	uint64_t goid, gopc, startpc;
	uint8_t waitreason;
};
struct fake_frame {
	struct fake_frame *next;
	uint64_t pc;
};
struct fake_pd {
	struct fake_g *rg, *wg;
};

/* In this order in go_sched_cost_enter below. */
struct registers {
	void *a0, *a1;
	uint64_t a2;
	void *g0;
};

static struct fake_frame frames[FRAMES];
static struct fake_p p = {.id = 1};
static struct fake_g g, g0;
static struct fake_m m = {.curg = &g, .p = &p};
static struct fake_pd pd = {.rg = &g};

static const struct {
	enum go_site site;
	enum go_sched_kind kind;
} rows[GO_SCHED_COST_SITES] = {
	{GO_SITE_RUN, GO_SCHED_RUN},      {GO_SITE_READY, GO_SCHED_READY}, {GO_SITE_NETPOLL, GO_SCHED_NETPOLL},
	{GO_SITE_NEW, GO_SCHED_NEW},      {GO_SITE_PARK_M, GO_SCHED_PARK}, {GO_SITE_GOSCHED, GO_SCHED_YIELD},
	{GO_SITE_RUN, GO_SCHED_KIND_CNT},
};

/* enter(registers, function): go_sched_cost_sites holds GO_SCHED_COST_SITES functions, SITE_SZ bytes each. */
#define SITE_SZ 16
void go_sched_cost_enter(const struct registers *r, const char *function);
extern const char go_sched_cost_sites[];

#if defined(__x86_64__)
__asm__(".text\n.p2align 4\n.globl go_sched_cost_enter\n.hidden go_sched_cost_enter\n"
	".type go_sched_cost_enter, @function\n"
	"go_sched_cost_enter:\n\tpush %rbx\n\tpush %r14\n\tmov %rsi, %r11\n\tmov (%rdi), %rax\n\tmov 8(%rdi), %rbx\n"
	"\tmov 16(%rdi), %rcx\n\tmov 24(%rdi), %r14\n\tcall *%r11\n\tpop %r14\n\tpop %rbx\n\tret\n"
	".size go_sched_cost_enter, . - go_sched_cost_enter\n"
	".p2align 4\n.globl go_sched_cost_sites\n.hidden go_sched_cost_sites\n.type go_sched_cost_sites, @function\n"
	"go_sched_cost_sites:\n.rept 7\n\t.p2align 4\n\tpush %rbp\n\tpop %rbp\n\tret\n.endr\n"
	".size go_sched_cost_sites, . - go_sched_cost_sites\n");
#elif defined(__aarch64__)
__asm__(".text\n.p2align 4\n.globl go_sched_cost_enter\n.hidden go_sched_cost_enter\n"
	".type go_sched_cost_enter, %function\n"
	"go_sched_cost_enter:\n\tstp x29, x30, [sp, #-32]!\n\tstr x28, [sp, #16]\n\tmov x9, x0\n\tmov x10, x1\n"
	"\tldr x0, [x9]\n\tldr x1, [x9, #8]\n\tldr x2, [x9, #16]\n\tldr x28, [x9, #24]\n\tblr x10\n"
	"\tldr x28, [sp, #16]\n\tldp x29, x30, [sp], #32\n\tret\n"
	".size go_sched_cost_enter, . - go_sched_cost_enter\n"
	".p2align 4\n.globl go_sched_cost_sites\n.hidden go_sched_cost_sites\n.type go_sched_cost_sites, %function\n"
	"go_sched_cost_sites:\n.rept 7\n\t.p2align 4\n\tstr x30, [sp, #-16]!\n\tldr x30, [sp], #16\n\tret\n.endr\n"
	".size go_sched_cost_sites, . - go_sched_cost_sites\n");
#else
void go_sched_cost_enter(const struct registers *r, const char *function)
{
}
const char go_sched_cost_sites[GO_SCHED_COST_SITES * SITE_SZ];
#endif

static const char *function_of(unsigned int i)
{
	return go_sched_cost_sites + (size_t)i * SITE_SZ;
}

struct search {
	uint64_t addr, offset;
};

/* dl_iterate_phdr: our own program comes first. */
static int find_offset(struct dl_phdr_info *info, size_t sz, void *arg)
{
	struct search *s = arg;
	uint64_t addr = s->addr - info->dlpi_addr;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) && addr >= ph->p_vaddr &&
		    addr - ph->p_vaddr < ph->p_filesz)
			s->offset = addr - ph->p_vaddr + ph->p_offset;
	}
	return 1;
}

uint64_t go_sched_cost_offset(unsigned int i)
{
	struct search s = {.addr = (uintptr_t)function_of(i)};

	dl_iterate_phdr(find_offset, &s);
	return s.offset;
}

enum go_site go_sched_cost_site(unsigned int i)
{
	return rows[i].site;
}

enum go_sched_kind go_sched_cost_kind(unsigned int i)
{
	return rows[i].kind;
}

void go_sched_cost_fill(volatile struct go_sched_slot *slot)
{
	for (int i = 0; i < FRAMES; i++) {
		frames[i].next = i + 1 < FRAMES ? &frames[i + 1] : NULL;
		frames[i].pc = i < FRAMES_RUNTIME ? 0x1000 : 0x10000 + (uint64_t)i;
	}
	g = (struct fake_g){.m = &m, .bp = frames, .goid = 7, .gopc = 1, .startpc = 1, .waitreason = 14};
	g0 = (struct fake_g){.m = &m};
	slot->newproc1_from = 0;
	slot->newproc1_to = UINT64_MAX;
	slot->runtime_from = 0x1000;
	slot->runtime_to = 0x2000;
	slot->g_goid = offsetof(struct fake_g, goid);
	slot->g_m = offsetof(struct fake_g, m);
	slot->g_bp = offsetof(struct fake_g, bp);
	slot->bp_goid = (offsetof(struct fake_g, goid) - offsetof(struct fake_g, bp)) / 8;
	slot->bp_waitreason = offsetof(struct fake_g, waitreason) - offsetof(struct fake_g, bp);
	slot->g_gopc = offsetof(struct fake_g, gopc);
	slot->g_startpc = offsetof(struct fake_g, startpc);
	slot->m_p = offsetof(struct fake_m, p);
	slot->pd_rg = 0;
}

void go_sched_cost_call(unsigned int i, unsigned int times)
{
	const bool poll = rows[i].site == GO_SITE_NETPOLL;
	const struct registers r = {.a0 = &g, .a1 = poll ? (void *)&pd : NULL, .a2 = poll ? 'r' : 0, .g0 = &g0};
	const char *function = function_of(i);

	while (times--)
		go_sched_cost_enter(&r, function);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

double go_sched_cost_time(unsigned int i)
{
	uint64_t ns[BATCHES], start = clock_mono_ns();
	int cnt = 0;

	go_sched_cost_call(i, BATCH_CALLS); /* page faults, caches */
	while (cnt < BATCHES && (cnt < 3 || clock_mono_ns() - start < MEASURE_MAX_NS)) {
		uint64_t begin = clock_mono_ns();

		go_sched_cost_call(i, BATCH_CALLS);
		ns[cnt++] = clock_mono_ns() - begin;
	}
	qsort(ns, (size_t)cnt, sizeof(ns[0]), compare_u64);
	return (double)ns[cnt / 2] / BATCH_CALLS;
}
