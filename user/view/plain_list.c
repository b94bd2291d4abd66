/* SPDX-License-Identifier: BSD-2-Clause */
/* `list` as text (screens.md 6): one line a process, and in the last column what can be observed of it. `all`, or what
 * works and then why the rest does not: "cpu net mem go_gc; go_runtime: no layout for go1.29-dev". How
 * the runtime's values are found is said unless DWARF and symbol table tell: "all (table, code refs)". `cpu`, `net` and
 * `mem` need no Go at all, only a cgroup that is known. */
#include "view/plain.h"

#include <stdio.h>
#include <string.h>

#include "pods/owner_index.h"
#include "procs/process.h"
#include "view/format.h"
#include "view/pen.h"

#define PID_WIDTH    7 /* pid_max is 4194304 at most */
#define GO_WIDTH     8
#define BINARY_WIDTH 12 /* "stripped pie" */
#define GAP          2
#define NAME_AT      (PID_WIDTH + GAP)

/* Where the columns after the name begin. */
static int go_at(int name_width)
{
	return NAME_AT + name_width + GAP;
}

static int binary_at(int name_width)
{
	return go_at(name_width) + GO_WIDTH + GAP;
}

static int observable_at(int name_width)
{
	return binary_at(name_width) + BINARY_WIDTH + GAP;
}

void plain_list_header(bool all, int name_width, struct str *out)
{
	struct pen p = {.out = out};

	pen_text(&p, GRADE_FINE, "PID");
	pen_to(&p, NAME_AT);
	pen_text(&p, GRADE_FINE,
		 all && name_width >= 31 ? "NAMESPACE/POD:CONTAINER OR NAME" : "NAMESPACE/POD:CONTAINER");
	pen_to(&p, go_at(name_width));
	pen_text(&p, GRADE_FINE, "GO");
	pen_to(&p, binary_at(name_width));
	pen_text(&p, GRADE_FINE, "BINARY");
	pen_to(&p, observable_at(name_width));
	pen_text(&p, GRADE_FINE, "OBSERVABLE");
	pen_end(&p);
}

static void name_text(const struct process *p, const struct owner *o, int width, bool ascii, char *buf, size_t sz)
{
	char name[OWNER_NAME_SZ * 4];

	if (o)
		owner_format(o, name, sizeof(name));
	else
		snprintf(name, sizeof(name), "%s", *p->comm ? p->comm : "?");
	format_squeeze(name, width, ascii, buf, sz);
}

/* "1.22.5", "1.29-dev" */
static void go_text(const struct binary *b, char *buf, size_t sz)
{
	const char *version = str_starts(b->go_version, "go") ? b->go_version + 2 : b->go_version;

	if (b->go_devel && version == b->go_version) /* "devel go1.29-abcdef Tue ..." */
		snprintf(buf, sz, "1.%d-dev", b->go_minor);
	else
		snprintf(buf, sz, "%.*s", (int)strcspn(version, " "), version);
}

static const char *binary_text(const struct binary *b)
{
	if (b->pie)
		return b->stripped ? "stripped pie" : "symbols pie";
	return b->stripped ? "stripped" : "symbols";
}

static const char *reason(const struct process *p, const char *why)
{
	return *why ? why : *p->why ? p->why : "not observed";
}

/* How the runtime's values are found, where the program does not say it by itself. */
static void add_way(const struct process *p, struct str *ret)
{
	const struct binary *b = p->binary;

	if (b && !(b->layout == LAYOUT_DWARF && b->globals_source == GLOBALS_SYMTAB))
		str_addf(ret, " (%s)", binary_layout_text(b));
}

static void observable_text(const struct process *p, const struct owner *o, struct str *ret)
{
	const char *gc = reason(p, p->go_gc_why), *runtime = reason(p, p->go_runtime_why);

	if (p->state == PROCESS_HELPER || p->state == PROCESS_SKIPPED) {
		str_addf(ret, "no: %s",
			 *p->why                      ? p->why
			 : p->state == PROCESS_HELPER ? "container plumbing"
						      : "not Go");
		return;
	}
	if (p->go_gc_on && p->go_runtime_on && o) {
		str_add(ret, "all");
		add_way(p, ret);
		return;
	}
	str_add(ret, o ? "cpu net mem" : "");
	str_addf(ret, "%s%s", p->go_gc_on ? " go_gc" : "", p->go_runtime_on ? " go_runtime" : "");
	if (p->go_runtime_on)
		add_way(p, ret);
	if (!o)
		str_add(ret, "; cpu net mem: its cgroup is not known");
	if (!p->go_gc_on && !p->go_runtime_on && !strcmp(gc, runtime)) {
		str_addf(ret, "; go_*: %s", gc);
		return;
	}
	if (!p->go_gc_on)
		str_addf(ret, "; go_gc: %s", gc);
	if (!p->go_runtime_on)
		str_addf(ret, "; go_runtime: %s", runtime);
}

void plain_list_row(const struct process *proc, const struct owner *o, bool all, int name_width,
		    const struct plain_style *st, struct str *out)
{
	struct pen p = {.out = out, .color = st->color, .ascii = st->ascii};
	bool go = proc->state != PROCESS_HELPER && proc->state != PROCESS_SKIPPED;
	bool good = proc->go_gc_on && proc->go_runtime_on && o;
	char name[OWNER_NAME_SZ * 4], version[GO_VERSION_SZ] = "-", squeezed[GO_VERSION_SZ];
	struct str observable;
	const char *text;

	if (!go && !all)
		return;
	name_text(proc, o, name_width, st->ascii, name, sizeof(name));
	if (proc->binary)
		go_text(proc->binary, version, sizeof(version));
	format_squeeze(version, GO_WIDTH, st->ascii, squeezed, sizeof(squeezed));
	str_init(&observable);
	observable_text(proc, o, &observable);
	text = str_get(&observable);

	pen_textf(&p, GRADE_FINE, "%d", (int)proc->pid);
	pen_to(&p, NAME_AT);
	pen_text(&p, GRADE_FINE, name);
	pen_to(&p, go_at(name_width));
	pen_text(&p, proc->binary ? GRADE_FINE : GRADE_DIM, squeezed);
	pen_to(&p, binary_at(name_width));
	pen_text(&p, proc->binary ? GRADE_FINE : GRADE_DIM, proc->binary ? binary_text(proc->binary) : "-");
	pen_to(&p, observable_at(name_width));
	pen_text(&p, good ? GRADE_FINE : go ? GRADE_WARNING : GRADE_DIM, text + strspn(text, " ;"));
	pen_end(&p);
	str_deinit(&observable);
}
