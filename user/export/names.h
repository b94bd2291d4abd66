/* SPDX-License-Identifier: BSD-2-Clause */
/* The one table of telemetry names: attributes of resources and spans, thresholds of spans, and words for numbers that
 * formats share. Conventional names are those of OpenTelemetry's semantic conventions 1.44.0; what has no convention is
 * gopherscope.*. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "stats/trace_event.h"

#define NAMES_SCOPE      "gopherscope"
#define NAMES_SCHEMA_URL "https://opentelemetry.io/schemas/1.44.0"
#define NAMES_TEXT_SZ    32
#define NAMES_ADDRESS_SZ 48

enum attr {
	/* resources */
	ATTR_SERVICE_NAME,
	ATTR_SERVICE_NAMESPACE,
	ATTR_SERVICE_INSTANCE_ID,
	ATTR_K8S_NAMESPACE_NAME,
	ATTR_K8S_POD_NAME,
	ATTR_K8S_POD_UID,
	ATTR_K8S_CONTAINER_NAME,
	ATTR_K8S_NODE_NAME,
	ATTR_CONTAINER_ID,
	ATTR_CONTAINER_NAME,
	ATTR_CONTAINER_RUNTIME_NAME,
	ATTR_PROCESS_PID,
	ATTR_PROCESS_VPID,
	ATTR_PROCESS_CREATION_TIME,
	ATTR_PROCESS_EXECUTABLE_NAME,
	ATTR_PROCESS_BUILD_ID_GO,
	ATTR_PROCESS_RUNTIME_NAME,
	ATTR_PROCESS_RUNTIME_VERSION,
	ATTR_HOST_NAME,
	ATTR_OS_TYPE,
	ATTR_DISTRO_NAME,
	ATTR_DISTRO_VERSION,
	/* spans */
	ATTR_THREAD_ID,
	ATTR_ERROR_TYPE,
	ATTR_CPU_LOGICAL_NUMBER,
	ATTR_NETWORK_TRANSPORT,
	ATTR_NETWORK_TYPE,
	ATTR_NETWORK_PEER_ADDRESS,
	ATTR_NETWORK_PEER_PORT,
	ATTR_DNS_QUESTION_NAME,
	ATTR_GC_TRIGGER,
	ATTR_PROCESSOR_LIMIT,
	ATTR_GOID,
	ATTR_ASSIST_WAIT,
	ATTR_CREATED_BY,
	ATTR_WAKER_GOID,
	ATTR_WINDOW_END,
	ATTR_WINDOW_LOST,
	ATTR_WINDOW_COST,
	ATTR_WINDOW_CPU,
	ATTR_GC_NUMBER,
	ATTR_GC_CPU_SHARE,
	ATTR_GC_HEAP_BEFORE,
	ATTR_GC_HEAP_AFTER,
	ATTR_GC_HEAP_LIVE,
	ATTR_GC_HEAP_GOAL,
	ATTR_GOGC,
	ATTR_CPU_LIMIT,
	ATTR_CPU_PERIOD,
	ATTR_STW_REASON,
	ATTR_STW_STOPPING,
	ATTR_CGROUP,
	ATTR_PREEMPTED_BY,
	ATTR_SYN_RETRANSMITS,
	ATTR_DNS_RESPONSE_CODE,
	ATTR_CNT,
};

const char *names_attr(enum attr a);
/* "k8s.deployment.name" for "Deployment"; NULL where the kind has no attribute. */
const char *names_workload_attr(const char *workload_kind);
/* How long it took. A wait for a CPU is net of the time that its quota held it, and ends when it got the CPU. */
uint64_t names_duration_ns(const struct trace_event *e);
/* Default of --span-min; 0: this kind is no span. */
uint64_t names_span_min_ns(enum trace_kind k);

/* "10.2.3.4", "2001:db8::1"; "" for no family that we know. addr: 4 or 16 bytes in network order. */
void names_address(uint16_t family, const uint8_t *addr, char buf[static NAMES_ADDRESS_SZ]);

/* Words. buf holds numbers without a name; the result is valid as long as buf is. */
const char *names_errno(uint32_t error, char buf[static NAMES_TEXT_SZ]);     /* "ECONNREFUSED" */
const char *names_dns_rcode(uint32_t rcode, char buf[static NAMES_TEXT_SZ]); /* "NXDOMAIN"; unknown: NULL */
const char *names_dns_qtype(uint16_t qtype, char buf[static NAMES_TEXT_SZ]); /* "AAAA"; 0: NULL */
const char *names_gc_trigger(uint32_t trigger);                              /* "heap"; unknown: NULL */
/* The runtime's words: before Go 1.21 there is no number for the reason but text. NULL unknown. */
const char *names_stw_reason(const struct event_gc_pause *e, char buf[static NAMES_TEXT_SZ + 1]);
/* Is it known when the last P had stopped? Then stopped_ns lies within the pause. */
bool names_stw_stopped(const struct event_gc_pause *e);
/* What went wrong with a query: "timeout", or its rcode; NULL: a good answer. */
const char *names_dns_error(const struct event_dns_query *e, char buf[static NAMES_TEXT_SZ]);
/* Of goroutine windows. NULL unknown. */
const char *names_sched_wake(enum goroutine_wake w);       /* "woken", "netpoll" */
const char *names_sched_run_end(enum goroutine_run_end e); /* "parked"; it is "unknown" that says so itself */
const char *names_sched_window_end(uint32_t end);          /* "time"; of one that is open: NULL */
const char *names_sched_hits(uint32_t kind);               /* of enum go_sched_kind: "run"; NULL: no probe's */
