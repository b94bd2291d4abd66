/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments sent again: each costs its request at least the retransmission timeout (200 ms on Linux), a SYN a second.
 *
 * Three things tell of it: data segments, as a share of those sent, from ten on (below, the share of a quiet container
 * jumps with each single one), less those that the peer reported to have had already: they were not lost, only answered
 * late, as by a peer that waited for a CPU; SYNs and SYN-ACKs, which are no share of anything but the attempts;
 * connects that gave up. Where most of it goes to one peer the path is at fault, where it is spread the node is. */
#include "diagnose/rule.h"
#include "diagnose/words.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define WARN_RATIO      0.01
#define CRITICAL_RATIO  0.05
#define RETRANSMITS_MIN 10
#define SYN_MIN         3
#define TIMEOUTS_MIN    1    /* it took minutes, or a dozen SYNs, to get one */
#define FAILED_RATIO    0.50 /* of the connects that timed out: critical, from FAILED_MIN on */
#define FAILED_MIN      3
#define PEER_SHARE      0.60 /* of the loss: it is this path */
#define ADDRESS_TEXT_SZ 64

enum net_loss { NET_LOSS_DATA, NET_LOSS_SYN, NET_LOSS_CONNECT, NET_LOSS_KINDS };

struct found {
	bool holds[NET_LOSS_KINDS];
	double ratio; /* of data segments sent again that the peer did not have; NAN unknown */
	int64_t lost; /* these */
	int64_t timeouts;
};

/* Data segments sent again that the peer did not have. Negative: unknown. */
static int64_t lost(int64_t retransmits, int64_t spurious)
{
	if (retransmits < 0 || spurious <= 0)
		return retransmits;
	return retransmits > spurious ? retransmits - spurious : 0;
}

static int64_t timeouts(const struct snapshot_net *n)
{
	for (int i = 0; i < n->failed_by_cnt; i++)
		if (n->failed_by[i].error == ETIMEDOUT)
			return n->failed_by[i].cnt;
	return 0;
}

/* Counts that are unknown are negative and hold nothing. */
static struct found look(const struct snapshot_net *n, double scale)
{
	struct found f = {.ratio = NAN, .lost = lost(n->retransmits, n->spurious), .timeouts = timeouts(n)};

	if (n->segments > 0 && f.lost >= 0)
		f.ratio = fmin((double)f.lost / (double)n->segments, 1);
	f.holds[NET_LOSS_DATA] = (double)f.lost >= RETRANSMITS_MIN * scale && f.ratio >= WARN_RATIO * scale;
	f.holds[NET_LOSS_SYN] = (double)n->syn_retransmits >= SYN_MIN * scale;
	f.holds[NET_LOSS_CONNECT] = f.timeouts >= TIMEOUTS_MIN;
	return f;
}

static enum verdict_severity severity(const struct snapshot_net *n, const struct found *f, double scale)
{
	bool data = f->holds[NET_LOSS_DATA] && f->ratio >= CRITICAL_RATIO * scale;
	bool connects = f->timeouts >= FAILED_MIN && (double)f->timeouts >= FAILED_RATIO * scale * (double)n->connects;

	return data || connects ? VERDICT_CRITICAL : VERDICT_WARNING;
}

static int64_t peer_loss(const struct snapshot_peer *p, enum net_loss kind)
{
	return kind == NET_LOSS_DATA  ? lost(p->retransmits, p->spurious)
	       : kind == NET_LOSS_SYN ? p->syn_retransmits
				      : p->failed;
}

/* Peers only know how many connects failed. One that timed out sent its SYN again, one that was refused did not. */
static bool is_worse(const struct snapshot_peer *p, const struct snapshot_peer *than, enum net_loss kind)
{
	if (kind == NET_LOSS_CONNECT && p->syn_retransmits != than->syn_retransmits)
		return p->syn_retransmits > than->syn_retransmits;
	return peer_loss(p, kind) > peer_loss(than, kind);
}

/* No wire is between them. */
static bool is_loopback(const struct snapshot_peer *p)
{
	return !strncmp(p->address, "127.", 4) || !strcmp(p->address, "::1");
}

/* The peer with most of it; NULL where none has any. */
static const struct snapshot_peer *worst_peer(const struct snapshot_net *n, enum net_loss kind)
{
	const struct snapshot_peer *worst = NULL;

	for (int i = 0; i < n->peer_cnt; i++)
		if (peer_loss(&n->peers[i], kind) > 0 && (kind != NET_LOSS_DATA || !is_loopback(&n->peers[i])) &&
		    (!worst || is_worse(&n->peers[i], worst, kind)))
			worst = &n->peers[i];
	return worst;
}

/* "10.2.3.4:5432", "[2001:db8::1]:443", "10.2.3.4" */
static char *peer_text(const struct snapshot_peer *p, char *buf)
{
	if (!strcmp(p->address, "other"))
		str_copy(buf, ADDRESS_TEXT_SZ, "peers beyond the busiest");
	else if (!p->port)
		str_copy(buf, ADDRESS_TEXT_SZ, p->address);
	else
		snprintf(buf, ADDRESS_TEXT_SZ, strchr(p->address, ':') ? "[%s]:%u" : "%s:%u", p->address, p->port);
	return buf;
}

static enum net_loss first_kind(const struct found *f)
{
	return f->holds[NET_LOSS_DATA] ? NET_LOSS_DATA : f->holds[NET_LOSS_CONNECT] ? NET_LOSS_CONNECT : NET_LOSS_SYN;
}

static void say_text(const struct snapshot_net *n, const struct found *f, struct verdict *ret)
{
	const struct snapshot_peer *worst = worst_peer(n, first_kind(f));
	char *buf = ret->text, word[WORD_SZ], peer[ADDRESS_TEXT_SZ];
	size_t sz = sizeof(ret->text);

	if (f->holds[NET_LOSS_DATA])
		words_part(buf, sz, "; ", "%s of its TCP segments were sent again (%lld of %lld)",
			   words_percent(f->ratio, word), (long long)f->lost, (long long)n->segments);
	if (f->holds[NET_LOSS_CONNECT])
		words_part(buf, sz, "; ", "%lld of %lld connects timed out", (long long)f->timeouts,
			   (long long)n->connects);
	if (f->holds[NET_LOSS_SYN])
		words_part(buf, sz, "; ", "%lld SYN%s sent again (a second or more each)",
			   (long long)n->syn_retransmits, n->syn_retransmits == 1 ? "" : "s");
	if (worst)
		words_add(buf, sz, "; most %s %s", worst->role == TCP_ROLE_SERVER ? "by its client" : "to",
			  peer_text(worst, peer));
	words_add(buf, sz, ".");
}

/* Does one peer stand for the loss, or is it everywhere? */
static void say_data(const struct snapshot_net *n, const struct found *f, char *buf, size_t sz)
{
	const struct snapshot_peer *worst = worst_peer(n, NET_LOSS_DATA);
	int64_t most = worst ? peer_loss(worst, NET_LOSS_DATA) : 0;
	char peer[ADDRESS_TEXT_SZ];

	if (worst && (double)most >= PEER_SHARE * (double)f->lost)
		words_part(buf, sz, "; ",
			   "look at the path to %s (%lld of %lld): MTU, conntrack drops (conntrack -S), links between "
			   "zones",
			   peer_text(worst, peer), (long long)most, (long long)f->lost);
	else
		words_part(buf, sz, "; ",
			   "no single peer stands for it: look at this node: interface drops (ip -s link), conntrack "
			   "(conntrack -S), MTU of the overlay");
}

static void say_connects(const struct snapshot_net *n, const struct found *f, char *buf, size_t sz)
{
	const struct snapshot_peer *worst = worst_peer(n, f->holds[NET_LOSS_CONNECT] ? NET_LOSS_CONNECT : NET_LOSS_SYN);
	char peer[ADDRESS_TEXT_SZ];

	if (worst && worst->role == TCP_ROLE_SERVER)
		words_part(buf, sz, "; ",
			   "its SYN-ACKs go unanswered: accept faster or raise the listen backlog "
			   "(net.core.somaxconn), else its clients' ACKs get lost");
	else
		words_part(
			buf, sz, "; ",
			"check that %s answers: listen backlog, NetworkPolicy or firewall, a Service without endpoints",
			worst ? peer_text(worst, peer) : "the peer");
}

static void say_advice(const struct snapshot_net *n, const struct found *f, struct verdict *ret)
{
	if (f->holds[NET_LOSS_DATA])
		say_data(n, f, ret->advice, sizeof(ret->advice));
	if (f->holds[NET_LOSS_SYN] || f->holds[NET_LOSS_CONNECT])
		say_connects(n, f, ret->advice, sizeof(ret->advice));
	words_add(ret->advice, sizeof(ret->advice), ".");
}

static void say_seen(const struct snapshot_net *n, const struct found *f, struct verdict *ret)
{
	const struct snapshot_peer *worst = worst_peer(n, first_kind(f));
	char *buf = ret->seen, peer[ADDRESS_TEXT_SZ], word[WORD_SZ];
	size_t sz = sizeof(ret->seen);

	if (n->segments >= 0 && n->retransmits >= 0)
		words_part(buf, sz, ", ", "%lld retransmits in %lld segments", (long long)n->retransmits,
			   (long long)n->segments);
	if (n->spurious > 0)
		words_add(buf, sz, " (%lld needless)", (long long)n->spurious);
	if (n->syn_retransmits >= 0)
		words_part(buf, sz, ", ", "%lld SYNs again", (long long)n->syn_retransmits);
	if (n->connects >= 0 && n->failed >= 0)
		words_part(buf, sz, ", ", "%lld of %lld connects failed", (long long)n->failed, (long long)n->connects);
	if (worst)
		words_part(buf, sz, ", ", "%s: %lld of %lld segments again, %lld SYNs, %lld connects failed",
			   peer_text(worst, peer), (long long)worst->retransmits, (long long)worst->segments,
			   (long long)worst->syn_retransmits, (long long)worst->failed);
	if (worst && worst->rtt.cnt > 0)
		words_add(buf, sz, ", RTT p99 %s", words_duration(worst->rtt.p99, word));
	words_add(buf, sz, ".");
}

static void add_evidence(const struct snapshot_net *n, const struct found *f, struct verdict *ret)
{
	words_evidence(ret, "retransmit_ratio", f->ratio, "1",
		       ret->severity == VERDICT_CRITICAL ? CRITICAL_RATIO : WARN_RATIO);
	words_evidence_int(ret, "retransmits", n->retransmits, "{segment}");
	words_evidence_int(ret, "spurious_retransmits", n->spurious, "{segment}");
	words_evidence_int(ret, "segments", n->segments, "{segment}");
	if (n->syn_retransmits >= 0)
		words_evidence(ret, "syn_retransmits", (double)n->syn_retransmits, "{segment}", SYN_MIN);
	words_evidence(ret, "connect_timeouts", (double)f->timeouts, "{connection}", TIMEOUTS_MIN);
	words_evidence_int(ret, "connects", n->connects, "{connection}");
}

bool rule_net_loss(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret)
{
	struct found f = look(&c->net, scale);

	if (!c->net.on || !(f.holds[NET_LOSS_DATA] || f.holds[NET_LOSS_SYN] || f.holds[NET_LOSS_CONNECT]))
		return false;
	ret->severity = severity(&c->net, &f, scale);
	if (!f.holds[NET_LOSS_DATA])
		str_copy(ret->culprit, sizeof(ret->culprit), f.holds[NET_LOSS_CONNECT] ? "timeout" : "syn");
	say_text(&c->net, &f, ret);
	say_advice(&c->net, &f, ret);
	say_seen(&c->net, &f, ret);
	add_evidence(&c->net, &f, ret);
	return true;
}
