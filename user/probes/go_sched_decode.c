/* SPDX-License-Identifier: BSD-2-Clause */
#include "probes/go_sched_decode.h"

static uint64_t mix(uint64_t key)
{
	return (key >> 4) * 0x9e3779b97f4a7c15ull >> 32;
}

/* NULL: the table is full, or the thread is not in it and it is only looked for. */
static struct thread_row *thread_of(struct go_sched_decoder *d, uint64_t g0, bool add)
{
	uint64_t i = mix(g0) & (DECODE_THREADS - 1);

	while (d->threads[i].g0 && d->threads[i].g0 != g0)
		i = (i + 1) & (DECODE_THREADS - 1);
	if (d->threads[i].g0)
		return &d->threads[i];
	if (!add || !g0 || d->thread_cnt >= DECODE_THREADS * 3 / 4)
		return NULL;
	d->thread_cnt++;
	d->threads[i].g0 = g0;
	return &d->threads[i];
}

/* A P keeps its address and its number for as long as the process lives. */
static uint16_t p_of(struct go_sched_decoder *d, uint64_t addr)
{
	uint64_t i = mix(addr) & (DECODE_PS - 1);
	int32_t id = -1;

	while (d->ps[i].addr && d->ps[i].addr != addr)
		i = (i + 1) & (DECODE_PS - 1);
	if (d->ps[i].addr)
		return d->ps[i].id;
	if (!addr || !d->memory_open || d->p_cnt >= DECODE_PS * 3 / 4)
		return GO_SCHED_P_UNKNOWN;
	if (memory_read(&d->memory, addr, &id, sizeof(id)) || id < 0 || id >= (int32_t)GO_SCHED_P_UNKNOWN)
		return GO_SCHED_P_UNKNOWN; /* p.id comes first, 1.18-1.27 */
	d->p_cnt++;
	d->ps[i] = (struct p_row){addr, (uint16_t)id};
	return (uint16_t)id;
}

/* All of these run on the g0 of the thread that the goroutine has been on, or will be on. */
static void complete(struct go_sched_decoder *d, const struct go_sched_raw *e, struct go_sched_event *x)
{
	struct thread_row *t = thread_of(d, e->g0, e->kind == GO_SCHED_RUN);

	switch (e->kind) {
	case GO_SCHED_RUN:
		x->p = p_of(d, e->arg);
		x->arg = 0;
		if (t)
			t->goid = e->goid;
		break;
	case GO_SCHED_READY:
		x->arg = t ? t->goid : 0;
		break;
	case GO_SCHED_NEW:
		x->goid = t ? t->goid : 0;
		x->startpc = e->startpc;
		break;
	case GO_SCHED_NETPOLL:
		break;
	default:
		if (t)
			t->goid = 0;
	}
}

void go_sched_decode(struct go_sched_decoder *d, const struct go_sched_raw *e, struct go_sched_event *ret)
{
	*ret = (struct go_sched_event){.time_ns = e->time_ns,
				       .g = e->g,
				       .goid = e->goid,
				       .arg = e->arg,
				       .slot = e->slot,
				       .kind = e->kind,
				       .reason = e->reason,
				       .p = GO_SCHED_P_UNKNOWN};
	complete(d, e, ret);
}

void go_sched_decoder_open(struct go_sched_decoder *d, const char *root, pid_t pid)
{
	d->memory_open = !memory_open(&d->memory, root, pid);
}

void go_sched_decoder_close(struct go_sched_decoder *d)
{
	if (d->memory_open)
		memory_close(&d->memory);
	d->memory_open = false;
}
