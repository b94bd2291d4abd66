/* SPDX-License-Identifier: BSD-2-Clause */
/* Signal net_dns against a DNS server and clients of our own (dns_world.h): each query is compared with both ends'
 * clocks. What we report must lie between the time that the server held the query and the time that the client waited,
 * both on the same clock; so a busy machine loosens nothing.
 *
 *   test_net_dns [-v] [CASE...] */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "dns_world.h"
#include "net_dns.h"
#include "probes_harness.h"
#include "throttle_harness.h"

#define WANT_DNS (1u << SIGNAL_NET_DNS)
#define DELAY_US 40000
#define A        1
#define AAAA     28

static struct dns_server *server;
static char v2_mount[256];

/* The signal with a client that is not yet told to go. */
struct world {
	struct rig rig;
	struct dns_client client;
};

/* ---- helpers --------------------------------------------------------------------------------------------- */

static void on_user_event(const union event *e, void *arg)
{
	struct rig *r = arg;

	if (r->ev_cnt < RIG_EVENTS_MAX)
		memcpy(&r->ev[r->ev_cnt++], e, e->hdr.size);
}

static bool find_v2_mount(void)
{
	char line[512], type[64];
	FILE *f = fopen("/proc/self/mounts", "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %255s %63s", v2_mount, type) == 2 && !strcmp(type, "cgroup2");
	if (f)
		fclose(f);
	return found;
}

/* Groups of our own: the client's ids differ from those of everything else here. */
static struct group cpu_group;
static char v2_group[320];

static int groups_make(void)
{
	int err = group_make(&cpu_group, NULL, "gs-test-dns");

	if (cpu_group.v2)
		snprintf(v2_group, sizeof(v2_group), "%s", cpu_group.path);
	else
		snprintf(v2_group, sizeof(v2_group), "%s/gs-test-dns-%d", v2_mount, getpid());
	return err || cpu_group.v2 || !mkdir(v2_group, 0755) ? err : -errno;
}

static void groups_remove(void)
{
	group_remove(&cpu_group);
	rmdir(v2_group);
}

static int groups_enter(pid_t pid)
{
	char path[360];
	FILE *f;
	int err = group_add(&cpu_group, &cpu_group, pid);

	snprintf(path, sizeof(path), "%s/cgroup.procs", v2_group);
	f = fopen(path, "we");
	if (err || !f)
		return err ? err : -errno;
	fprintf(f, "%d", pid);
	return fclose(f) ? -errno : 0;
}

static uint64_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

static int world_start(struct world *w, struct probes_cfg cfg, const struct ask *ask)
{
	char why[WHY_SZ] = "";
	int err;

	memset(w, 0, sizeof(*w));
	cfg.wanted = WANT_DNS;
	cfg.event = on_user_event;
	cfg.event_arg = &w->rig;
	strcpy(cfg.v2_mount, v2_mount);
	dns_server_reset(server);
	err = rig_start(&w->rig, &cfg, why);
	if (!err && probes_signal(w->rig.probes, SIGNAL_NET_DNS)->mode != SIGNAL_ON)
		err = err_why(why, -ENOTSUP, "%s", probes_signal(w->rig.probes, SIGNAL_NET_DNS)->why);
	if (!err && ask)
		err = dns_client_start(ask, &w->client);
	if (!err && ask)
		err = groups_enter(w->client.pid);
	if (err)
		expect(false, "set up: %d %s", err, why);
	return err;
}

static void world_stop(struct world *w)
{
	dns_client_end(&w->client);
	rig_stop(&w->rig);
}

static bool is_running(pid_t pid)
{
	siginfo_t info = {0};

	return pid > 0 && !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) && !info.si_pid;
}

/* Tells the client to go and waits until nothing it asked for can come any more; on a slow machine it takes longer. */
static void world_run(struct world *w, unsigned int ms)
{
	dns_client_go(&w->client);
	rig_run(&w->rig, ms);
	for (int i = 0; harness_slow && i < 100 && is_running(w->client.pid); i++)
		rig_run(&w->rig, 100);
}

static const struct event_dns_query *find_query(const struct rig *r, uint32_t tgid, uint16_t id)
{
	for (unsigned int i = 0; i < r->ev_cnt; i++) {
		const struct event_dns_query *q = &r->ev[i].dns_query;

		if (q->hdr.kind == EVENT_DNS_QUERY && q->hdr.tgid == tgid && q->id == id)
			return q;
	}
	return NULL;
}

static const struct served *find_served(uint16_t id)
{
	unsigned int cnt;
	const struct served *log = dns_server_log(server, &cnt);

	for (unsigned int i = 0; i < cnt; i++)
		if (log[i].id == id)
			return &log[i];
	return NULL;
}

static unsigned int count_queries(const struct world *w)
{
	return rig_count(&w->rig, EVENT_DNS_QUERY, w->client.pid, -1);
}

static bool dns_explained(const struct world *w, struct signal_counters *c)
{
	int64_t gap = rig_unexplained(&w->rig, SIGNAL_NET_DNS, c);

	return expect(!gap,
		      "hits %" PRIu64 " = events %" PRIu64 " + filtered %" PRIu64 " + losses %" PRIu64 " (gap %" PRId64
		      ")",
		      (uint64_t)c->hits, (uint64_t)c->events, (uint64_t)c->filtered, rig_losses(c), gap);
}

static int by_value(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t median(int64_t *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n ? v[n / 2] : 0;
}

/* ---- latency and identity -------------------------------------------------------------------------------- */

static bool check_identity(const struct world *w, const struct ask *ask, const struct asked *a,
			   const struct event_dns_query *q)
{
	static const uint8_t v4[16] = {127, 0, 0, 1}, v6[16] = {[15] = 1};
	bool is_v6 = ask->family == AF_INET6 && !ask->mapped;
	uint64_t v2 = inode_of(v2_group);
	bool good;

	good = expect(q->addr.family == (is_v6 ? NET_AF_INET6 : NET_AF_INET), "family %u", q->addr.family);
	good &= expect(q->addr.lport == a->lport && q->addr.rport == DNS_PORT, "ports %u %u, the socket's is %u",
		       q->addr.lport, q->addr.rport, a->lport);
	good &= expect(!memcmp(q->addr.raddr, is_v6 ? v6 : v4, 16), "the server's address");
	good &= expect(!memcmp(q->addr.laddr, is_v6 ? v6 : v4, 16), "the client's address");
	good &= expect(q->netns == inode_of("/proc/self/ns/net"), "network namespace %u", q->netns);
	good &= expect(q->hdr.tid == (uint32_t)w->client.pid, "thread %u", q->hdr.tid);
	good &= expect(q->hdr.v2_cgid == v2, "v2 cgroup %" PRIu64 ", %" PRIu64 " wanted", (uint64_t)q->hdr.v2_cgid, v2);
	good &= expect(q->hdr.cpu_cgid == cpu_group.id, "cpu cgroup %" PRIu64 ", %" PRIu64 " wanted",
		       (uint64_t)q->hdr.cpu_cgid, cpu_group.id);
	return good;
}

/* Held by the server <= ours <= waited by the client: to the nanosecond, as stamps are taken in this order. */
static bool check_times(const struct asked *a, const struct event_dns_query *q, const struct served *s)
{
	uint64_t ours = q->hdr.time_ns - q->start_ns;

	return expect(a->sent_ns <= q->start_ns && q->start_ns <= s->got_ns && s->sent_ns <= q->hdr.time_ns &&
			      q->hdr.time_ns <= a->got_ns,
		      "id %u: ours %.3f ms, held %.3f ms, waited %.3f ms", a->id, (double)ours / 1e6,
		      (double)(s->sent_ns - s->got_ns) / 1e6, (double)(a->got_ns - a->sent_ns) / 1e6);
}

/* Medians of ours and of the server's own delay: the way between them costs microseconds, 1 ms is for a busy machine. A
 * few queries say nothing of it: their order in time was checked. */
static bool check_medians(int64_t *ours, int64_t *truth, unsigned int n)
{
	int64_t a = median(ours, n), b = median(truth, n);

	return expect(harness_slow || n < 50 || llabs(a - b) < (int64_t)NS_PER_MS,
		      "median of %u: ours %.3f ms, the server's %.3f ms", n, (double)a / 1e6, (double)b / 1e6);
}

static bool check_all(struct world *w, const struct ask *ask, uint32_t rcode)
{
	int64_t ours[512], truth[512];
	unsigned int n = 0;
	bool good = true;
	struct asked a;

	for (; dns_client_next(&w->client, &a); n++) {
		const struct event_dns_query *q = find_query(&w->rig, (uint32_t)w->client.pid, a.id);
		const struct served *s = find_served(a.id);

		if (!expect(q && s && a.got_ns && n < 512, "id %u is there", a.id))
			return false;
		ours[n] = (int64_t)(q->hdr.time_ns - q->start_ns);
		truth[n] = (int64_t)(s->sent_ns - s->got_ns);
		good &= check_times(&a, q, s);
		good &= expect(
			q->qtype == ask->qtype && q->rcode == rcode && q->result == DNS_ANSWERED && q->tries == 1,
			"id %u: type %u, rcode %u, result %u, tries %u", a.id, q->qtype, q->rcode, q->result, q->tries);
		good &= expect(!q->name[0], "no name was asked for");
		if (!n)
			good &= check_identity(w, ask, &a, q);
	}
	good &= expect(n == ask->n && count_queries(w) == n, "%u queries, %u events", n, count_queries(w));
	return good & check_medians(ours, truth, n);
}

static bool run_asked(const struct ask *ask, unsigned int run_ms, uint32_t rcode)
{
	struct signal_counters c;
	struct world w;
	bool good = false;

	if (!world_start(&w, (struct probes_cfg){0}, ask)) {
		probes_watch_process(w.rig.probes, w.client.pid);
		world_run(&w, run_ms);
		good = check_all(&w, ask, rcode);
		good &= dns_explained(&w, &c) && expect(!rig_losses(&c), "nothing is lost");
	}
	world_stop(&w);
	return good;
}

static bool test_latency_v4(void)
{
	struct ask ask = {.family = AF_INET, .name = "ok.test", .qtype = A, .first_id = 100, .n = 60, .wait_ms = 1000};

	return run_asked(&ask, 3200, 0);
}

static bool test_latency_v6(void)
{
	struct ask ask = {
		.family = AF_INET6, .name = "ok.test", .qtype = AAAA, .first_id = 200, .n = 60, .wait_ms = 1000};

	return run_asked(&ask, 3200, 0);
}

static bool test_unconnected(void)
{
	struct ask ask = {.family = AF_INET,
			  .unconnected = true,
			  .name = "ok.test",
			  .qtype = A,
			  .first_id = 0xfff0,
			  .n = 10,
			  .wait_ms = 1000};

	/* its address is read before it is bound to one: the packet's is right */
	return run_asked(&ask, 700, 0);
}

static bool test_mapped(void)
{
	struct ask ask = {.family = AF_INET6,
			  .mapped = true,
			  .name = "ok.test",
			  .qtype = A,
			  .first_id = 300,
			  .n = 10,
			  .wait_ms = 1000};

	return run_asked(&ask, 700, 0);
}

static bool test_extension_headers(void)
{
	struct ask ask = {.family = AF_INET6,
			  .extensions = true,
			  .name = "ok.test",
			  .qtype = A,
			  .first_id = 400,
			  .n = 10,
			  .wait_ms = 1000};

	return run_asked(&ask, 700, 0);
}

static bool test_in_flight(void)
{
	struct ask ask = {.family = AF_INET,
			  .name = "ok.test",
			  .qtype = A,
			  .first_id = 1000,
			  .n = 300,
			  .inflight = 50,
			  .wait_ms = 1000};

	return run_asked(&ask, 800, 0);
}

static bool test_nxdomain(void)
{
	struct ask ask = {.family = AF_INET, .name = "nx.test", .qtype = A, .first_id = 500, .n = 5, .wait_ms = 1000};

	return run_asked(&ask, 500, 3);
}

static bool test_servfail(void)
{
	struct ask ask = {
		.family = AF_INET6, .name = "fail.test", .qtype = AAAA, .first_id = 600, .n = 5, .wait_ms = 1000};

	return run_asked(&ask, 500, 2);
}

/* The second answer finds no query. */
static bool test_answered_twice(void)
{
	struct ask ask = {
		.family = AF_INET, .name = "twice.test", .qtype = A, .first_id = 700, .n = 5, .wait_ms = 1000};

	return run_asked(&ask, 500, 0);
}

/* ---- silence, retries ------------------------------------------------------------------------------------ */

static bool check_timeout(const struct world *w, const struct asked *a)
{
	const struct event_dns_query *q = find_query(&w->rig, (uint32_t)w->client.pid, a->id);
	double waited = q ? (double)(q->hdr.time_ns - q->start_ns) / 1e9 : 0;

	if (!expect(q, "id %u is given up", a->id))
		return false;
	/* user space looks every 100 ms, this test ticks every 100 ms; the rest is for a busy machine */
	return expect(q->result == DNS_TIMEOUT && q->rcode == DNS_RCODE_UNKNOWN && q->tries == 3 && q->qtype == A &&
			      waited >= 1 && waited < 1.5 && a->sent_ns <= q->start_ns,
		      "id %u: result %u, rcode %#x, tries %u, type %u after %.3f s", a->id, q->result, q->rcode,
		      q->tries, q->qtype, waited);
}

static bool test_silence(void)
{
	struct ask ask = {.family = AF_INET,
			  .name = "mute.test",
			  .qtype = A,
			  .first_id = 800,
			  .n = 4,
			  .inflight = 4,
			  .tries = 3,
			  .wait_ms = 100};
	struct signal_counters c;
	struct asked a;
	struct world w;
	bool good = false;

	if (!world_start(&w, (struct probes_cfg){.dns_timeout_ns = NS_PER_SEC}, &ask)) {
		probes_watch_process(w.rig.probes, w.client.pid);
		world_run(&w, 600);
		good = expect(!count_queries(&w), "nothing is given up too early");
		rig_run(&w.rig, 1000);
		while (dns_client_next(&w.client, &a))
			good &= check_timeout(&w, &a);
		good &= expect(count_queries(&w) == 4, "%u events", count_queries(&w));
		good &= dns_explained(&w, &c) && expect(c.events >= 4 && !rig_losses(&c), "timeouts are events");
	}
	world_stop(&w);
	return good;
}

/* The clock starts at the first try: one event, two tries. */
static bool test_retry(void)
{
	struct ask ask = {.family = AF_INET,
			  .name = "second.test",
			  .qtype = A,
			  .first_id = 900,
			  .n = 3,
			  .tries = 3,
			  .wait_ms = 200};
	struct signal_counters c;
	struct asked a;
	struct world w;
	bool good = false;

	if (!world_start(&w, (struct probes_cfg){0}, &ask)) {
		probes_watch_process(w.rig.probes, w.client.pid);
		world_run(&w, 1200);
		good = true;
		while (dns_client_next(&w.client, &a)) {
			const struct event_dns_query *q = find_query(&w.rig, (uint32_t)w.client.pid, a.id);

			good &= expect(q && q->tries == 2 && a.tries == 2 &&
					       q->hdr.time_ns - q->start_ns >= 240 * NS_PER_MS &&
					       a.sent_ns <= q->start_ns && q->hdr.time_ns <= a.got_ns,
				       "id %u: tries %u, %.1f ms", a.id, q ? q->tries : 0,
				       q ? (double)(q->hdr.time_ns - q->start_ns) / 1e6 : 0);
		}
		good &= expect(count_queries(&w) == 3, "%u events", count_queries(&w));
		good &= dns_explained(&w, &c);
	}
	world_stop(&w);
	return good;
}

/* More queries than there is room for: what has no room is lost, the rest is given up. */
static bool test_too_many(void)
{
	struct ask ask = {.family = AF_INET,
			  .name = "mute.test",
			  .qtype = A,
			  .first_id = 0,
			  .n = DNS_PENDING_MAX + 2000,
			  .inflight = DNS_PENDING_MAX + 2000,
			  .wait_ms = 10};
	struct signal_counters c;
	struct world w;
	bool good = false;

	if (!world_start(&w, (struct probes_cfg){.dns_timeout_ns = NS_PER_SEC}, &ask)) {
		probes_watch_process(w.rig.probes, w.client.pid);
		world_run(&w, 2500);
		good = dns_explained(&w, &c);
		/* the kernel counts the entries of a map roughly, by batches of each CPU */
		good &= expect(c.lost[LOSS_STATE_FULL] >= 1900 && c.lost[LOSS_STATE_FULL] <= 2100,
			       "%" PRIu64 " had no room", (uint64_t)c.lost[LOSS_STATE_FULL]);
		good &= expect(count_queries(&w) + c.lost[LOSS_STATE_FULL] == ask.n, "%u events", count_queries(&w));
	}
	world_stop(&w);
	return good;
}

/* ---- who is wanted --------------------------------------------------------------------------------------- */

static bool run_unwanted(struct ask ask, bool ignore, unsigned int expected)
{
	struct signal_counters c;
	struct world w;
	bool good = false;

	ask.family = AF_INET;
	ask.name = "ok.test";
	ask.qtype = A;
	ask.n = 5;
	ask.wait_ms = 1000;
	if (!world_start(&w, (struct probes_cfg){0}, &ask)) {
		if (ignore)
			probes_ignore_process(w.rig.probes, w.client.pid);
		world_run(&w, ask.sleep_ms + 500);
		good = dns_explained(&w, &c);
		good &= expect(count_queries(&w) == expected, "%u events, %u wanted", count_queries(&w), expected);
		good &= expect(c.filtered >= 5 - expected, "%" PRIu64 " filtered", (uint64_t)c.filtered);
	}
	world_stop(&w);
	return good;
}

static bool test_unwanted(void)
{
	return run_unwanted((struct ask){.first_id = 1500}, true, 0);
}

static bool test_unknown(void)
{
	return run_unwanted((struct ask){.first_id = 1600, .sleep_ms = 1100}, false, 0);
}

static bool test_unknown_and_young(void)
{
	return run_unwanted((struct ask){.first_id = 1700}, false, 5);
}

/* ---- content --------------------------------------------------------------------------------------------- */

static bool test_malformed(void)
{
	struct ask ask = {.family = AF_INET6,
			  .garbage = true,
			  .name = "ok.test",
			  .qtype = A,
			  .first_id = 1800,
			  .n = 5,
			  .wait_ms = 1000};

	return run_asked(&ask, 500, 0);
}

static bool check_name(const char *asked, const char *expected)
{
	struct ask ask = {.family = AF_INET, .name = asked, .qtype = A, .first_id = 1900, .n = 1, .wait_ms = 1000};
	const struct event_dns_query *q = NULL;
	struct world w;
	bool good = false;

	if (!world_start(&w, (struct probes_cfg){.dns_names = true}, &ask)) {
		probes_watch_process(w.rig.probes, w.client.pid);
		world_run(&w, 200);
		q = find_query(&w.rig, (uint32_t)w.client.pid, 1900);
		good = expect(q && !strcmp(q->name, expected) && q->qtype == A, "name '%s', '%s' wanted",
			      q ? q->name : "(no event)", expected);
	}
	world_stop(&w);
	return good;
}

#define TEN "abcdefghi."

static bool test_names(void)
{
	bool good = check_name("ok.service.namespace.svc.cluster.local", "ok.service.namespace.svc.cluster.local");

	good &= check_name("", "");
	good &= check_name("a", "a");
	good &= check_name("we\1rd. \377x\nname.test", "we?rd.??x?name.test");
	/* 127 bytes of 142 */
	good &= check_name(TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "ok",
			   TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "abcdefg");
	return good;
}

/* ---- Go's own resolver ----------------------------------------------------------------------------------- */

/* The program, started and waiting. */
static int go_start(const char *server_addr, const char *network, unsigned int n, const char *name,
		    struct dns_client *ret)
{
	static char exe[512];
	char cmd[1024], line[256];
	int in[2], out[2];
	FILE *f;

	snprintf(cmd, sizeof(cmd), "tools/go-fixture tests/fixtures/go/dnsclient 1.26.8 stripped");
	f = exe[0] ? NULL : popen(cmd, "r");
	if (f && !fgets(exe, sizeof(exe), f))
		return -ENOENT;
	if (f)
		pclose(f);
	exe[strcspn(exe, "\n")] = '\0';
	snprintf(line, sizeof(line), "%u", n);
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -errno;
	ret->pid = fork();
	if (!ret->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(exe, exe, "-server", server_addr, "-network", network, "-n", line, name, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	ret->in = fdopen(in[1], "w");
	ret->out = fdopen(out[0], "r");
	return fgets(line, sizeof(line), ret->out) ? 0 : -EPIPE;
}

/* Its own times; the number of lookups. */
static unsigned int go_results(struct dns_client *c, int64_t *ns, unsigned int max, unsigned int *ret_failed)
{
	char line[256];
	unsigned int n = 0;

	*ret_failed = 0;
	while (n < max && fgets(line, sizeof(line), c->out)) {
		json_t *root = json_loads(line, 0, NULL);

		ns[n++] = json_integer_value(json_object_get(root, "ns"));
		*ret_failed += json_is_true(json_object_get(root, "failed"));
		json_decref(root);
	}
	return n;
}

static unsigned int collect(const struct world *w, uint16_t qtype, uint32_t rcode, int64_t *ns, unsigned int max)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < w->rig.ev_cnt && n < max; i++) {
		const struct event_dns_query *q = &w->rig.ev[i].dns_query;

		if (q->hdr.kind == EVENT_DNS_QUERY && q->hdr.tgid == (uint32_t)w->client.pid && q->qtype == qtype &&
		    q->rcode == rcode && q->result == DNS_ANSWERED)
			ns[n++] = (int64_t)(q->hdr.time_ns - q->start_ns);
	}
	return n;
}

static bool run_go(const char *addr, const char *network, const char *name, unsigned int lookups, uint32_t rcode)
{
	bool both = !strcmp(network, "ip");
	int64_t own[128], a[128], aaaa[128];
	unsigned int n, n_a, n_aaaa, failed;
	struct signal_counters c;
	struct world w;
	bool good = false;

	if (!world_start(&w, (struct probes_cfg){0}, NULL) && !go_start(addr, network, lookups, name, &w.client)) {
		probes_watch_process(w.rig.probes, w.client.pid);
		world_run(&w, lookups * 45 + 500);
		n = go_results(&w.client, own, 128, &failed);
		n_a = collect(&w, A, rcode, a, 128);
		n_aaaa = collect(&w, AAAA, rcode, aaaa, 128);
		good = expect(n == lookups && n_a == n && n_aaaa == (both ? n : 0) && failed == (rcode ? n : 0),
			      "%u lookups, %u failed, %u A, %u AAAA", n, failed, n_a, n_aaaa);
		good &= expect(count_queries(&w) == n_a + n_aaaa, "%u events in all", count_queries(&w));
		good &= dns_explained(&w, &c) && expect(!rig_losses(&c), "nothing is lost");
		/* the program's clock includes making sockets and waking goroutines */
		good &= expect(median(own, n) - median(a, n_a) >= 0 && median(a, n_a) - DELAY_US * 1000ll >= 0,
			       "medians: the program's %.3f ms, A %.3f ms, AAAA %.3f ms", (double)median(own, n) / 1e6,
			       (double)median(a, n_a) / 1e6, (double)median(aaaa, n_aaaa) / 1e6);
	}
	world_stop(&w);
	return good;
}

static bool test_go_both_types(void)
{
	return run_go("127.0.0.1:53", "ip", "ok.test.", 60, 0);
}

static bool test_go_v6_one_type(void)
{
	return run_go("[::1]:53", "ip4", "ok.test.", 20, 0);
}

static bool test_go_nxdomain(void)
{
	return run_go("127.0.0.1:53", "ip", "nx.test.", 10, 3);
}

/* ---- states ---------------------------------------------------------------------------------------------- */

static bool expect_state(const char *mount, enum signal_mode mode, const char *word)
{
	struct probes_cfg cfg = {.wanted = WANT_DNS};
	char why[WHY_SZ] = "";
	struct rig r;
	bool good = false;

	strcpy(cfg.v2_mount, mount);
	if (!rig_start(&r, &cfg, why)) {
		const struct signal_state *s = probes_signal(r.probes, SIGNAL_NET_DNS);

		good = expect(s->mode == mode && strstr(s->why, word), "with '%s': state %d, why '%s'", mount, s->mode,
			      s->why);
	}
	rig_stop(&r);
	return good;
}

/* As on a node with cgroup v1 alone. */
static bool test_private_mount(void)
{
	char mount[sizeof(v2_mount)];
	bool good;

	strcpy(mount, v2_mount);
	v2_mount[0] = 0;
	good = test_latency_v4();
	strcpy(v2_mount, mount);
	return good;
}

static bool test_states(void)
{
	char below[320];
	bool good = expect_state("", SIGNAL_ON, "") && expect_state("/nowhere", SIGNAL_OFF, "/nowhere") &&
		    expect_state("/tmp", SIGNAL_OFF, "/tmp");

	snprintf(below, sizeof(below), "%.200s/gs-test-dns-below-%d", v2_mount, getpid());
	if (!expect(!mkdir(below, 0755), "a cgroup of our own"))
		return false;
	good &= expect_state(below, SIGNAL_DEGRADED, "not the root");
	rmdir(below);
	return good;
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		{"latency_v4", test_latency_v4},
		{"latency_v6", test_latency_v6},
		{"unconnected", test_unconnected},
		{"mapped", test_mapped},
		{"extension_headers", test_extension_headers},
		{"in_flight", test_in_flight},
		{"nxdomain", test_nxdomain},
		{"servfail", test_servfail},
		{"answered_twice", test_answered_twice},
		{"silence", test_silence},
		{"retry", test_retry},
		{"too_many", test_too_many},
		{"unwanted", test_unwanted},
		{"unknown", test_unknown},
		{"unknown_and_young", test_unknown_and_young},
		{"malformed", test_malformed},
		{"names", test_names},
		{"go_both_types", test_go_both_types},
		{"go_v6_one_type", test_go_v6_one_type},
		{"go_nxdomain", test_go_nxdomain},
		{"private_mount", test_private_mount},
		{"states", test_states},
	};
	int err;

	if (geteuid() || !find_v2_mount()) {
		printf("skipped: needs root and a mounted cgroup v2\n");
		return 77;
	}
	err = world_enter();
	if (!err)
		err = groups_make();
	if (!err)
		err = dns_server_new(DELAY_US, &server);
	if (err) {
		printf("not ok set_up: %s\n", strerror(-err));
		return 1;
	}
	err = harness_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
	dns_server_free(server);
	groups_remove();
	return err;
}
