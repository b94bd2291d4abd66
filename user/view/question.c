/* SPDX-License-Identifier: BSD-2-Clause */
/* Key s: a goroutine window costs its program something, so the last line says how much and asks first. While it asks,
 * keys belong to the question alone; snapshots go on, rows may move: the container is the one that was chosen. */
#include <stdio.h>
#include <string.h>

#include "view/columns.h"
#include "view/format.h"
#include "view/page.h"

#define NAME_SZ    1024 /* what owner_format() can write */
#define NAME_LEAST 12
#define NAME_MOST  48
#define ANSWERS    ", y/n"

static const struct snapshot_container *container(const struct view *v)
{
	uint32_t id = v->question.container_id;

	for (int i = 0; i < v->s.container_cnt; i++)
		if (v->s.containers[i].id == id)
			return &v->s.containers[i];
	return NULL;
}

/* Why key s does nothing here; NULL: it can ask. */
static const char *impossible(const struct view *v, const struct snapshot_container *c)
{
	if (v->cfg.replay)
		return "a goroutine window is not possible here: this is a recording";
	if (!v->cfg.ops.sched_ask || !v->cfg.ops.sched_arm)
		return "a goroutine window is not possible here";
	if (v->page > PAGE_CONTAINER)
		return "goroutine window: choose a container on the main screen first (Esc)";
	if (!c)
		return "no container to open a goroutine window on";
	return c->gone ? "it has ended: no goroutine window on it" : NULL;
}

void question_open(struct view *v)
{
	const struct snapshot_container *c = view_container(v);
	const char *why = impossible(v, c);
	struct question *q = &v->question;
	bool force = false;

	if (why) {
		view_say(v, "%s", why);
		return;
	}
	*q = (struct question){.container_id = c->id};
	if (!v->cfg.ops.sched_ask(c->id, &force, q->say, sizeof(q->say), v->cfg.ops.arg)) {
		view_say(v, "%s", *q->say ? q->say : "no goroutine window is possible on it");
		return;
	}
	q->force = force;
	q->kind = QUESTION_COST;
}

static void arm(struct view *v)
{
	char say[VIEW_MESSAGE_SZ] = "";

	v->cfg.ops.sched_arm(v->question.container_id, v->question.force, say, sizeof(say), v->cfg.ops.arg);
	if (*say)
		view_say(v, "%s", say);
}

void question_key(struct view *v, uint32_t key)
{
	struct question *q = &v->question;
	bool yes = key == 'y' || key == 'Y';

	if (yes && q->kind == QUESTION_COST && q->force) {
		q->kind = QUESTION_FORCE;
		return;
	}
	q->kind = QUESTION_NONE;
	if (yes)
		arm(v);
	else
		view_say(v, "no goroutine window was opened");
}

/* "shop/cart-0:cart: about 1.1 % of its CPU for 2 s, y/n": of the words on the left the name gives way first. */
void question_write(const struct view *v, struct pen *p)
{
	const struct question *q = &v->question;
	const struct snapshot_container *c = container(v);
	const char *say = q->kind == QUESTION_FORCE ? "its CPU limit holds it now: open it all the same?" : q->say;
	const char *answers = q->kind == QUESTION_FORCE ? ANSWERS + 1 : ANSWERS;
	char name[NAME_SZ], text[VIEW_MESSAGE_SZ * 4];
	int room = p->width - (int)strlen(answers), left;

	left = room - format_clean(say, p->ascii, text, sizeof(text)) - 2;
	left = left > NAME_MOST ? NAME_MOST : left;
	if (c && left >= NAME_LEAST) {
		columns_name(c, true, name, sizeof(name));
		format_squeeze(name, left, p->ascii, text, sizeof(text));
		pen_textf(p, GRADE_ADVICE, "%s: ", text);
	}
	format_squeeze(say, room - p->at, p->ascii, text, sizeof(text));
	pen_textf(p, GRADE_ADVICE, "%s%s", text, answers);
}
