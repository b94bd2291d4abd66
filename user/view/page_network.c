/* SPDX-License-Identifier: BSD-2-Clause */
/* Page 5 of a container: connections, its peers, and name resolution. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "view/format.h"
#include "view/page.h"
#include "view/summary.h"

static const char *count(int64_t n, char *buf)
{
	return format_count(n, buf, TEXT_SZ);
}

static const char *ms(const struct dist *d, double seconds, char *buf)
{
	return d->cnt > 0 ? format_ms(seconds, buf, TEXT_SZ) : d->cnt ? "?" : "-";
}

static void totals(struct pen *p, const struct snapshot_net *n)
{
	char a[TEXT_SZ], b[TEXT_SZ], c[TEXT_SZ];

	page_item(p, "connects %s, failed %s", count(n->connects, a), count(n->failed, b));
	page_item(p, "connect p99 %s ms", ms(&n->connect, n->connect.p99, a));
	if (n->open_unknown > 0)
		page_item(p, "open %s out, %s in, %s of unknown direction", count(n->open_client, a),
			  count(n->open_server, b), count(n->open_unknown, c));
	else
		page_item(p, "open %s out, %s in", count(n->open_client, a), count(n->open_server, b));
	pen_end(p);
	page_item(p, "segments %s, sent again %s (SYN %s)", count(n->segments, a), count(n->retransmits, b),
		  count(n->syn_retransmits, c));
	page_item(p, "resets %s sent, %s received", count(n->resets_sent, a), count(n->resets_received, b));
	pen_end(p);
	for (int i = 0; i < n->failed_by_cnt && i < SNAPSHOT_ERRNOS; i++) {
		pen_textf(p, GRADE_FINE, "  failed: %s %s",
			  n->failed_by[i].error ? strerror((int)n->failed_by[i].error) : "others",
			  count(n->failed_by[i].cnt, a));
		pen_end(p);
	}
}

static void retransmit_share(const struct snapshot_peer *x, char *buf, size_t sz)
{
	char percent[TEXT_SZ];

	if (x->segments > 0 && x->retransmits >= 0)
		snprintf(buf, sz, "%s%%",
			 format_percent_fine((double)x->retransmits / (double)x->segments, percent, sizeof(percent)));
	else
		snprintf(buf, sz, "-");
}

/* The same address may be there twice: as a server that is called, and as a client that calls. */
static const char *direction(const struct snapshot_peer *x)
{
	if (x->role == TCP_ROLE_CLIENT)
		return "to";
	if (x->role == TCP_ROLE_SERVER)
		return "from";
	return strcmp(x->address, "other") ? "?" : "";
}

static void peer_row(struct pen *p, const struct snapshot_peer *x)
{
	char peer[80], text[TEXT_SZ];

	if (x->port)
		snprintf(peer, sizeof(peer), strchr(x->address, ':') ? "[%s]:%u" : "%s:%u", x->address, x->port);
	else
		snprintf(peer, sizeof(peer), "%s", x->address);
	pen_textf(p, GRADE_FINE, "  %s", direction(x));
	pen_to(p, 7);
	pen_text(p, GRADE_FINE, peer);
	pen_right(p, GRADE_FINE, 36, count(x->open, text));
	pen_right(p, GRADE_FINE, 44, count(x->connects, text));
	pen_right(p, x->failed > 0 ? GRADE_WARNING : GRADE_FINE, 50, count(x->failed, text));
	pen_right(p, GRADE_FINE, 58, ms(&x->connect, x->connect.p99, text));
	pen_right(p, GRADE_FINE, 66, isnan(x->rtt_min_seconds) ? "-" : format_ms(x->rtt_min_seconds, text, TEXT_SZ));
	pen_right(p, GRADE_FINE, 72, ms(&x->rtt, x->rtt.p99, text));
	retransmit_share(x, text, sizeof(text));
	pen_right(p, GRADE_FINE, 79, text);
	pen_end(p);
}

static void peers(struct pen *p, const struct snapshot_net *n)
{
	page_rule(p, "peers, most segments first", NULL);
	pen_text(p, GRADE_FINE, "       PEER                     OPEN   CONN  FAIL CONNp99  RTTmin   p99  RETRX");
	pen_end(p);
	for (int i = 0; i < n->peer_cnt && i < SNAPSHOT_PEERS; i++)
		peer_row(p, &n->peers[i]);
	if (n->peer_cnt <= 0) {
		pen_text(p, GRADE_DIM, "  none");
		pen_end(p);
	}
}

static void dns(struct pen *p, const struct snapshot *s, const struct snapshot_net *n)
{
	const char *off = summary_signal_off(s, SIGNAL_NET_DNS);
	char a[TEXT_SZ], b[TEXT_SZ], c[TEXT_SZ], d[TEXT_SZ], e[TEXT_SZ];

	page_rule(p, "DNS", NULL);
	if (off) {
		pen_paragraph(p, 0, off);
		return;
	}
	pen_textf(p, GRADE_FINE, "queries %s, failed %s (no answer %s, NXDOMAIN %s, SERVFAIL %s)",
		  count(n->dns_queries, a), count(n->dns_failures, b), count(n->dns_timeouts, c),
		  count(n->dns_nxdomain, d), count(n->dns_servfail, e));
	pen_end(p);
	pen_textf(p, GRADE_FINE, "query to answer, ms: p50 %s  p99 %s  max %s", ms(&n->dns, n->dns.p50, a),
		  ms(&n->dns, n->dns.p99, b), ms(&n->dns, n->dns.max, c));
	pen_end(p);
}

void tab_network(struct view *v, const struct snapshot_container *c, struct pen *p)
{
	const char *off = summary_signal_off(&v->s, SIGNAL_NET_TCP);

	if (off) {
		pen_textf(p, GRADE_DIM, "TCP: ");
		pen_paragraph(p, 0, off);
	} else {
		totals(p, &c->net);
		peers(p, &c->net);
	}
	dns(p, &v->s, &c->net);
}
