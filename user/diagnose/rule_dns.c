/* SPDX-License-Identifier: BSD-2-Clause */
/* Names that resolve slowly, not at all, or only after detours. With the resolver settings that Kubernetes gives to
 * pods (ndots:5) a name with fewer than five dots is tried with each suffix of the search list first, A and AAAA apart:
 * most answers are then NXDOMAIN, and each lookup waits for all of them. A timeout counts into the delays with the time
 * it waited. */
#include "diagnose/rule.h"
#include "diagnose/words.h"

#include <math.h>
#include <string.h>

#include "base/str.h"

#define WARN_SECONDS     0.050
#define CRITICAL_SECONDS 0.500
#define QUERIES_MIN      5
#define NXDOMAIN_RATIO   0.50
#define NXDOMAIN_MIN     20 /* queries: a handful of lookups of one wrong name is that name's matter */
#define FAILED_RATIO     0.05
#define FAILED_CRITICAL  0.50
#define FAILED_MIN       2 /* one datagram gets lost now and then */

struct found {
	int64_t queries, failed;             /* failed: timeouts and SERVFAIL */
	double failed_ratio, nxdomain_ratio; /* NAN unknown */
	bool slow, fails, nxdomain;
	enum verdict_severity severity;
};

static int64_t known(int64_t n)
{
	return n > 0 ? n : 0; /* STAT_UNKNOWN is negative */
}

static double share(int64_t n, int64_t of)
{
	return of > 0 ? fmin((double)n / (double)of, 1) : NAN;
}

static struct found look(const struct snapshot_net *n, double scale)
{
	struct found f = {.queries = known(n->dns_queries), .failed = known(n->dns_timeouts) + known(n->dns_servfail)};
	double queries = (double)f.queries;
	bool enough = queries >= QUERIES_MIN * scale;

	f.failed_ratio = share(f.failed, f.queries);
	f.nxdomain_ratio = share(known(n->dns_nxdomain), f.queries);
	f.slow = enough && n->dns.p99 >= WARN_SECONDS * scale;
	f.fails = enough && f.failed >= FAILED_MIN && f.failed_ratio >= FAILED_RATIO * scale;
	f.nxdomain = queries >= NXDOMAIN_MIN * scale && f.nxdomain_ratio >= NXDOMAIN_RATIO * scale;
	f.severity = (f.slow && n->dns.p99 >= CRITICAL_SECONDS * scale) ||
				     (f.fails && f.failed_ratio >= FAILED_CRITICAL * scale)
			     ? VERDICT_CRITICAL
			     : VERDICT_WARNING;
	return f;
}

/* Slow alone has none: that it is slow is what "dns" says. */
static const char *culprit(const struct snapshot_net *n, const struct found *f)
{
	if (f->fails)
		return known(n->dns_servfail) > known(n->dns_timeouts) ? "servfail" : "timeout";
	return f->nxdomain ? "nxdomain" : "";
}

static void say_text(const struct snapshot_net *n, const struct found *f, struct verdict *ret)
{
	char *buf = ret->text, word[WORD_SZ], max[WORD_SZ];
	size_t sz = sizeof(ret->text);

	if (f->fails)
		words_part(buf, sz, "; ", "%s of its DNS queries fail (%lld timeouts, %lld SERVFAIL of %lld)",
			   words_percent(f->failed_ratio, word), (long long)known(n->dns_timeouts),
			   (long long)known(n->dns_servfail), (long long)f->queries);
	if (f->slow)
		words_part(buf, sz, "; ", "DNS answers take %s (p99), up to %s", words_duration(n->dns.p99, word),
			   words_duration(n->dns.max, max));
	if (f->nxdomain)
		words_part(buf, sz, "; ",
			   "%s of its DNS answers are NXDOMAIN: names are tried with the search list first",
			   words_percent(f->nxdomain_ratio, word));
	words_add(buf, sz, ".");
}

static void say_advice(const struct snapshot *s, const struct snapshot_net *n, const struct found *f,
		       struct verdict *ret)
{
	char *buf = ret->advice;
	size_t sz = sizeof(ret->advice);
	int64_t nxdomain = known(n->dns_nxdomain);

	if (f->nxdomain)
		words_part(buf, sz, "; ",
			   "set ndots:2 in dnsConfig, or write names with a dot at the end: saves up to %.1f of %.1f "
			   "queries/s",
			   (double)nxdomain / s->window_seconds, (double)f->queries / s->window_seconds);
	if (f->fails && known(n->dns_timeouts) >= known(n->dns_servfail))
		words_part(buf, sz, "; ",
			   "check that the resolver answers: its pods, a NetworkPolicy on port 53, conntrack drops "
			   "(conntrack "
			   "-S); a node-local cache avoids the last");
	else if (f->fails)
		words_part(buf, sz, "; ",
			   "SERVFAIL comes from behind the resolver: look at its upstream servers and log");
	else if (f->slow)
		words_part(
			buf, sz, "; ",
			"look at the resolver (its CPU limit, its upstream), use a node-local cache, keep connections "
			"open so that fewer names are asked for");
	words_add(buf, sz, ".");
}

static void say_seen(const struct snapshot *s, const struct snapshot_net *n, const struct found *f, struct verdict *ret)
{
	char *buf = ret->seen, p50[WORD_SZ], p99[WORD_SZ];
	size_t sz = sizeof(ret->seen);

	words_add(buf, sz, "%lld queries in %.0f s", (long long)f->queries, s->window_seconds);
	if (n->dns.cnt > 0)
		words_add(buf, sz, ", p50 %s, p99 %s", words_duration(n->dns.p50, p50),
			  words_duration(n->dns.p99, p99));
	words_add(buf, sz, ", %lld NXDOMAIN, %lld SERVFAIL, %lld timeouts.", (long long)known(n->dns_nxdomain),
		  (long long)known(n->dns_servfail), (long long)known(n->dns_timeouts));
}

static void add_evidence(const struct snapshot_net *n, const struct found *f, struct verdict *ret)
{
	words_evidence(ret, "dns_p99", n->dns.cnt > 0 ? n->dns.p99 : NAN, "s",
		       ret->severity == VERDICT_CRITICAL ? CRITICAL_SECONDS : WARN_SECONDS);
	words_evidence_int(ret, "dns_queries", n->dns_queries, "{query}");
	words_evidence(ret, "dns_nxdomain_ratio", f->nxdomain_ratio, "1", NXDOMAIN_RATIO);
	words_evidence(ret, "dns_failed_ratio", f->failed_ratio, "1", FAILED_RATIO);
	words_evidence_int(ret, "dns_timeouts", n->dns_timeouts, "{query}");
	words_evidence_int(ret, "dns_servfail", n->dns_servfail, "{query}");
}

bool rule_dns(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret)
{
	struct found f = look(&c->net, scale);

	if (!c->net.dns_on || !(f.slow || f.fails || f.nxdomain))
		return false;
	ret->severity = f.severity;
	str_copy(ret->culprit, sizeof(ret->culprit), culprit(&c->net, &f));
	say_text(&c->net, &f, ret);
	say_advice(s, &c->net, &f, ret);
	say_seen(s, &c->net, &f, ret);
	add_evidence(&c->net, &f, ret);
	return true;
}
