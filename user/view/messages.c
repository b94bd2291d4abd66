/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/messages.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"

#define KEPT_MAX 200 /* lines; the first ones say more about a cause than the last ones */
#define LINE_SZ  256

struct messages {
	pthread_mutex_t lock;
	char newest[LINE_SZ];
	bool fresh;
	struct {
		enum log_level level;
		char text[LINE_SZ];
	} kept[KEPT_MAX];
	size_t cnt, dropped;
};

static void on_line(enum log_level level, const char *text, void *arg)
{
	struct messages *m = arg;

	pthread_mutex_lock(&m->lock);
	str_copy(m->newest, sizeof(m->newest), text);
	m->fresh = true;
	if (m->cnt < KEPT_MAX) {
		m->kept[m->cnt].level = level;
		str_copy(m->kept[m->cnt++].text, LINE_SZ, text);
	} else {
		m->dropped++;
	}
	pthread_mutex_unlock(&m->lock);
}

int messages_new(struct messages **ret)
{
	struct messages *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	pthread_mutex_init(&m->lock, NULL);
	log_set_sink(on_line, m);
	*ret = m;
	return 0;
}

struct messages *messages_free(struct messages *m)
{
	if (!m)
		return NULL;
	log_set_sink(NULL, NULL);
	for (size_t i = 0; i < m->cnt; i++)
		log_write(m->kept[i].level, "%s", m->kept[i].text);
	if (m->dropped)
		log_warn("%zu more messages while the view was open are not shown", m->dropped);
	pthread_mutex_destroy(&m->lock);
	free(m);
	return NULL;
}

bool messages_next(struct messages *m, char *buf, size_t sz)
{
	bool ret;

	pthread_mutex_lock(&m->lock);
	ret = m->fresh;
	m->fresh = false;
	if (ret)
		str_copy(buf, sz, m->newest);
	pthread_mutex_unlock(&m->lock);
	return ret;
}
