/* SPDX-License-Identifier: BSD-2-Clause */
/* A second model is fed with what is known now (owners, processes) and then with the records of the ring, and traced.
 * What ended before the ring's oldest record is in neither; a process that ended since has only what it did until then.
 */
#include "flight.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "events/recorder.h"
#include "model.h"
#include "outputs.h"

struct flight {
	struct model *model;
	struct outputs *outputs;
};

static void on_trace(const struct trace_event *e, void *arg)
{
	outputs_event(arg, e);
}

static int put(const struct record *r, void *arg)
{
	struct flight *f = arg;

	outputs_record(f->outputs, r);
	model_feed(f->model, r);
	return outputs_error(f->outputs);
}

static int write_all(struct flight *f, const struct record_ring *ring, const struct model *now)
{
	int err = model_dump(now, put, f);

	return err ? err : record_ring_each(ring, put, f);
}

void flight_write(const struct record_ring *ring, const struct model *now, char *say, size_t sz)
{
	struct options opts = {.format = "pftrace", .quiet = true};
	struct model_ops ops = {.trace = on_trace};
	struct flight f = {0};
	uint64_t since = record_ring_since(ring), events = 0;
	char name[256] = "";
	int err = outputs_open(&opts, &f.outputs);

	ops.arg = f.outputs;
	if (!err)
		err = model_new(&ops, &f.model);
	if (!err)
		err = write_all(&f, ring, now);
	if (f.outputs) {
		int closed;

		outputs_name(f.outputs, name, sizeof(name));
		events = outputs_event_cnt(f.outputs);
		closed = outputs_close(f.outputs, !err, 0, 0);
		err = err ? err : closed;
	}
	clock_sync(); /* the records have set older pairs */
	if (err)
		snprintf(say, sz, "cannot write a trace: %s", strerror(-err));
	else
		snprintf(say, sz, "%s: the last %.0f s, %llu events", name,
			 since ? (double)(clock_mono_ns() - since) / 1e9 : 0.0, (unsigned long long)events);
	model_free(f.model);
	outputs_free(f.outputs);
}
