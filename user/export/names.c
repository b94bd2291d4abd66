/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of telemetry. "Development" names of the conventions may still change: here, and nowhere else, they are
 * spelled. DNS: IANA's registry of DNS parameters. */
#include "export/names.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

static const char *const attrs[ATTR_CNT] = {
	[ATTR_SERVICE_NAME] = "service.name",
	[ATTR_SERVICE_NAMESPACE] = "service.namespace",
	[ATTR_SERVICE_INSTANCE_ID] = "service.instance.id",
	[ATTR_K8S_NAMESPACE_NAME] = "k8s.namespace.name",
	[ATTR_K8S_POD_NAME] = "k8s.pod.name",
	[ATTR_K8S_POD_UID] = "k8s.pod.uid",
	[ATTR_K8S_CONTAINER_NAME] = "k8s.container.name",
	[ATTR_K8S_NODE_NAME] = "k8s.node.name",
	[ATTR_CONTAINER_ID] = "container.id",
	[ATTR_CONTAINER_NAME] = "container.name",
	[ATTR_CONTAINER_RUNTIME_NAME] = "container.runtime.name",
	[ATTR_PROCESS_PID] = "process.pid",
	[ATTR_PROCESS_VPID] = "process.vpid",
	[ATTR_PROCESS_CREATION_TIME] = "process.creation.time",
	[ATTR_PROCESS_EXECUTABLE_NAME] = "process.executable.name",
	[ATTR_PROCESS_BUILD_ID_GO] = "process.executable.build_id.go",
	[ATTR_PROCESS_RUNTIME_NAME] = "process.runtime.name",
	[ATTR_PROCESS_RUNTIME_VERSION] = "process.runtime.version",
	[ATTR_HOST_NAME] = "host.name",
	[ATTR_OS_TYPE] = "os.type",
	[ATTR_DISTRO_NAME] = "telemetry.distro.name",
	[ATTR_DISTRO_VERSION] = "telemetry.distro.version",
	[ATTR_THREAD_ID] = "thread.id",
	[ATTR_ERROR_TYPE] = "error.type",
	[ATTR_CPU_LOGICAL_NUMBER] = "cpu.logical_number",
	[ATTR_NETWORK_TRANSPORT] = "network.transport",
	[ATTR_NETWORK_TYPE] = "network.type",
	[ATTR_NETWORK_PEER_ADDRESS] = "network.peer.address",
	[ATTR_NETWORK_PEER_PORT] = "network.peer.port",
	[ATTR_DNS_QUESTION_NAME] = "dns.question.name",
	[ATTR_GC_TRIGGER] = "gopherscope.go.gc.trigger",
	[ATTR_PROCESSOR_LIMIT] = "gopherscope.go.processor.limit",
	[ATTR_GOID] = "gopherscope.goid",
	[ATTR_ASSIST_WAIT] = "gopherscope.go.assist.wait_seconds",
	[ATTR_CREATED_BY] = "gopherscope.go.goroutine.created_by",
	[ATTR_WAKER_GOID] = "gopherscope.waker.goid",
	[ATTR_WINDOW_END] = "gopherscope.sched.window.end",
	[ATTR_WINDOW_LOST] = "gopherscope.sched.window.lost_events",
	[ATTR_WINDOW_COST] = "gopherscope.sched.window.cost_seconds",
	[ATTR_WINDOW_CPU] = "gopherscope.sched.window.cpu_seconds",
	[ATTR_GC_NUMBER] = "gopherscope.go.gc.number",
	[ATTR_GC_CPU_SHARE] = "gopherscope.go.gc.cpu.share",
	[ATTR_GC_HEAP_BEFORE] = "gopherscope.go.gc.heap.before",
	[ATTR_GC_HEAP_AFTER] = "gopherscope.go.gc.heap.after",
	[ATTR_GC_HEAP_LIVE] = "gopherscope.go.gc.heap.live",
	[ATTR_GC_HEAP_GOAL] = "gopherscope.go.gc.heap.goal",
	[ATTR_GOGC] = "gopherscope.go.gogc",
	[ATTR_CPU_LIMIT] = "gopherscope.cpu.limit",
	[ATTR_CPU_PERIOD] = "gopherscope.cpu.period_seconds",
	[ATTR_STW_REASON] = "gopherscope.go.stw.reason",
	[ATTR_STW_STOPPING] = "gopherscope.go.stw.stopping_seconds",
	[ATTR_CGROUP] = "gopherscope.cgroup",
	[ATTR_PREEMPTED_BY] = "gopherscope.preempted_by",
	[ATTR_SYN_RETRANSMITS] = "gopherscope.tcp.syn_retransmits",
	[ATTR_DNS_RESPONSE_CODE] = "gopherscope.dns.response_code",
};

/* A mark phase goes with its cycle; one whose cycle never ended counts as long as a cycle must. Windows always go: they
 * say whether waits were lost. */
static const uint64_t span_min_ns[TRACE_KIND_CNT] = {
	[TRACE_GC_CYCLE] = 100 * NS_PER_MS,  [TRACE_GC_MARK] = 100 * NS_PER_MS,
	[TRACE_GC_PAUSE] = 10 * NS_PER_MS,   [TRACE_THROTTLE] = 20 * NS_PER_MS,
	[TRACE_RUNQ] = 20 * NS_PER_MS,       [TRACE_TCP_CONNECT] = 100 * NS_PER_MS,
	[TRACE_DNS_QUERY] = 100 * NS_PER_MS, [TRACE_GC_ASSIST] = 10 * NS_PER_MS,
	[TRACE_SCHED_WAIT] = 5 * NS_PER_MS,  [TRACE_SCHED_WINDOW] = 1,
};

const char *names_attr(enum attr a)
{
	return attrs[a];
}

const char *names_workload_attr(const char *workload_kind)
{
	static const char *const rows[][2] = {
		{"Deployment", "k8s.deployment.name"},
		{"ReplicaSet", "k8s.replicaset.name"},
		{"StatefulSet", "k8s.statefulset.name"},
		{"DaemonSet", "k8s.daemonset.name"},
		{"Job", "k8s.job.name"},
		{"CronJob", "k8s.cronjob.name"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(workload_kind, rows[i][0]))
			return rows[i][1];
	return NULL;
}

uint64_t names_span_min_ns(enum trace_kind k)
{
	return k < TRACE_KIND_CNT ? span_min_ns[k] : 0;
}

uint64_t names_duration_ns(const struct trace_event *e)
{
	const struct event_runq *r;
	uint64_t whole_ns;

	if (e->kind != TRACE_RUNQ)
		return e->duration_ns;
	r = &e->u.event->runq;
	whole_ns = r->hdr.time_ns > r->start_ns ? r->hdr.time_ns - r->start_ns : 0;
	return whole_ns > r->throttled_ns ? whole_ns - r->throttled_ns : 0;
}

void names_address(uint16_t family, const uint8_t *addr, char buf[static NAMES_ADDRESS_SZ])
{
	if (!inet_ntop(family == NET_AF_INET6 ? AF_INET6 : AF_INET, addr, buf, NAMES_ADDRESS_SZ) ||
	    (family != NET_AF_INET && family != NET_AF_INET6))
		*buf = 0;
}

static const char *numbered(const char *prefix, uint32_t v, char *buf)
{
	snprintf(buf, NAMES_TEXT_SZ, "%s%u", prefix, v);
	return buf;
}

const char *names_errno(uint32_t error, char buf[static NAMES_TEXT_SZ])
{
	const char *name = error <= INT32_MAX ? strerrorname_np((int)error) : NULL;

	return name ? name : numbered("errno ", error, buf);
}

const char *names_dns_rcode(uint32_t rcode, char buf[static NAMES_TEXT_SZ])
{
	static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
					    "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE"};

	if (rcode == DNS_RCODE_UNKNOWN)
		return NULL;
	return rcode < ARRAY_SIZE(names) ? names[rcode] : numbered("RCODE", rcode, buf);
}

const char *names_dns_qtype(uint16_t qtype, char buf[static NAMES_TEXT_SZ])
{
	static const struct {
		uint16_t type;
		const char *name;
	} rows[] = {{1, "A"},     {2, "NS"},   {5, "CNAME"},  {6, "SOA"},   {12, "PTR"},   {15, "MX"},  {16, "TXT"},
		    {28, "AAAA"}, {33, "SRV"}, {35, "NAPTR"}, {64, "SVCB"}, {65, "HTTPS"}, {255, "ANY"}};

	if (!qtype)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].type == qtype)
			return rows[i].name;
	return numbered("TYPE", qtype, buf);
}

const char *names_gc_trigger(uint32_t trigger)
{
	static const char *const names[] = {
		[GC_TRIGGER_HEAP] = "heap", [GC_TRIGGER_TIME] = "time", [GC_TRIGGER_FORCED] = "forced"};

	return trigger < ARRAY_SIZE(names) ? names[trigger] : NULL;
}

const char *names_stw_reason(const struct event_gc_pause *e, char buf[static NAMES_TEXT_SZ + 1])
{
	_Static_assert(STW_TEXT_SZ <= NAMES_TEXT_SZ, "words of the runtime");

	if (e->reason != STW_UNKNOWN)
		return stw_reason_name(e->reason);
	memcpy(buf, e->text, STW_TEXT_SZ);
	buf[STW_TEXT_SZ] = 0;
	return *buf ? buf : NULL;
}

bool names_stw_stopped(const struct event_gc_pause *e)
{
	return e->stopped_ns && e->stopped_ns >= e->start_ns && e->stopped_ns <= e->hdr.time_ns;
}

const char *names_dns_error(const struct event_dns_query *e, char buf[static NAMES_TEXT_SZ])
{
	if (e->result == DNS_TIMEOUT)
		return "timeout";
	return e->rcode ? names_dns_rcode(e->rcode, buf) : NULL;
}

#define WORD(words, i) ((size_t)(i) < ARRAY_SIZE(words) ? (words)[i] : NULL)

const char *names_sched_wake(enum goroutine_wake w)
{
	static const char *const words[] = {
		[WAKE_UNKNOWN] = NULL,      [WAKE_READY] = "woken",     [WAKE_NETPOLL] = "netpoll",
		[WAKE_CREATED] = "created", [WAKE_YIELDED] = "yielded", [WAKE_SYSCALL] = "syscall",
	};

	return WORD(words, w);
}

const char *names_sched_run_end(enum goroutine_run_end e)
{
	static const char *const words[] = {
		[RUN_PARKED] = "parked",   [RUN_YIELDED] = "yielded", [RUN_EXITED] = "exited",
		[RUN_STOPPED] = "stopped", [RUN_P_TAKEN] = "p_taken", [RUN_UNKNOWN] = "unknown",
	};

	return WORD(words, e);
}

const char *names_sched_window_end(uint32_t end)
{
	static const char *const words[SCHED_WINDOW_END_CNT] = {
		[SCHED_WINDOW_TIME] = "time", [SCHED_WINDOW_BUDGET] = "budget", [SCHED_WINDOW_GONE] = "gone",
		[SCHED_WINDOW_STOP] = "stop", [SCHED_WINDOW_QUOTA] = "quota",
	};

	return WORD(words, end);
}

const char *names_sched_hits(uint32_t kind)
{
	static const char *const words[GO_SCHED_KIND_CNT] = {
		[GO_SCHED_RUN] = "run",     [GO_SCHED_READY] = "ready", [GO_SCHED_NETPOLL] = "netpoll",
		[GO_SCHED_NEW] = "new",     [GO_SCHED_PARK] = "park",   [GO_SCHED_EXIT] = "exit",
		[GO_SCHED_YIELD] = "yield", [GO_SCHED_STOP] = "stop",   [GO_SCHED_SYSCALL] = "syscall",
	};

	return WORD(words, kind);
}
