/* SPDX-License-Identifier: BSD-2-Clause */
/* Spans of a run, the resources that they belong to, and the lines of OTLP/JSON that they end up in. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "export/exporter.h"
#include "export/jw.h"

struct hashmap;

struct otlp_resource;

struct otlp_span_id {
	uint64_t trace[2], span;
};

struct otlp_span {
	struct otlp_span *next;        /* in the list that it is in */
	struct otlp_span *bucket_next; /* while pending */
	struct otlp_span *parts;       /* owned, of a cycle */
	struct otlp_resource *resource;
	enum trace_kind kind;
	bool send, failed, pod_wide;
	uint32_t container_id;
	int32_t pid;
	uint64_t scope; /* of the pod or container: who can overlap with whom */
	uint64_t start_ns, end_ns, start_unix_ns;
	struct otlp_span_id id;
	uint64_t parent;            /* 0: root */
	char *attributes;           /* owned, a list in JSON */
	struct otlp_span_id *links; /* owned */
	unsigned int link_cnt, link_dropped;
};

struct otlp_span_list {
	struct otlp_span *head, **tail;
	size_t cnt;
};

/* A process, or a container where the process is not known. */
struct otlp_resource {
	struct otlp_resource *next; /* of the line that is being filled */
	struct owner owner;         /* what text was made from */
	struct record_process process;
	struct jw text;  /* its attributes */
	struct jw spans; /* of the line, with commas */
	unsigned int span_cnt;
	unsigned int refs;             /* spans that point to it */
	struct otlp_span_list waiting; /* pauses and mark phases without their cycle yet */
};

struct otlp_lines {
	FILE *file;                      /* borrowed */
	char *node_name, *agent_version; /* owned */
	uint64_t random;
	struct hashmap *resources;  /* owns them */
	struct hashmap *first_pids; /* by container: pid of its first process, as a pointer */
	struct otlp_resource *batch, **batch_tail;
	unsigned int batch_cnt; /* spans */
	uint64_t batch_ns;      /* when its first span came */
	bool trim_due;
	struct jw line;
	int err; /* first one */
};

/* 0 or -errno; otlp_lines_deinit() in either case. */
int otlp_lines_init(struct otlp_lines *l, const struct exporter_cfg *cfg);
void otlp_lines_deinit(struct otlp_lines *l);
/* The span of an event, with ids and no parent. Its resource takes the event's owner and process. 0 or -ENOMEM. */
int otlp_lines_span(struct otlp_lines *l, const struct trace_event *e, struct otlp_span **ret);
void otlp_span_free(struct otlp_lines *l, struct otlp_span *s); /* with its parts */
/* Puts it into the line; a full line is written. Errors stay in l->err. */
void otlp_lines_add(struct otlp_lines *l, const struct otlp_span *s, uint64_t now_ns);
void otlp_lines_write(struct otlp_lines *l);
/* A line that has waited long enough is written; resources that are not in use go. Not while iterating resources. */
void otlp_lines_settle(struct otlp_lines *l, uint64_t now_ns);

void otlp_list_init(struct otlp_span_list *l);
void otlp_list_add(struct otlp_span_list *l, struct otlp_span *s);
struct otlp_span *otlp_list_pop(struct otlp_span_list *l); /* NULL: empty */
