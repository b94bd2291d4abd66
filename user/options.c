/* SPDX-License-Identifier: BSD-2-Clause */
/* Command line. The grammar is that of kubectl and htop users: `gopherscope COMMAND [TARGET] [options]`, options
 * anywhere, the first word that is no option is the command. Nothing is accepted and then ignored: an option that a
 * command does not use is an error. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "signal_id.h"

enum {
	OPT_ONCE = 256,
	OPT_JSON,
	OPT_ALL,
	OPT_FORCE,
	OPT_TOGGLE,
	OPT_ASCII,
	OPT_COLOR,
	OPT_ROOT,
	OPT_SIGNALS,
	OPT_REVERSE,
	OPT_SPEED,
	OPT_DNS_NAMES,
	OPT_SPAN_MIN,
	OPT_PLAIN,
	OPT_STACKS,
	OPT_DIFF,
	OPT_MIN_AGE,
	OPT_MAX_OVERHEAD,
	OPT_SCHED_TRIGGER,
	OPT_AT_QUOTA,
};

static const struct option long_options[] = {
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{"once", no_argument, NULL, OPT_ONCE},
	{"json", no_argument, NULL, OPT_JSON},
	{"all", no_argument, NULL, OPT_ALL},
	{"force", no_argument, NULL, OPT_FORCE},
	{"toggle", no_argument, NULL, OPT_TOGGLE},
	{"ascii", no_argument, NULL, OPT_ASCII},
	{"reverse", no_argument, NULL, OPT_REVERSE},
	{"color", required_argument, NULL, OPT_COLOR},
	{"root", required_argument, NULL, OPT_ROOT},
	{"signals", required_argument, NULL, OPT_SIGNALS},
	{"speed", required_argument, NULL, OPT_SPEED},
	{"dns-names", no_argument, NULL, OPT_DNS_NAMES},
	{"span-min", required_argument, NULL, OPT_SPAN_MIN},
	{"plain", no_argument, NULL, OPT_PLAIN},
	{"stacks", no_argument, NULL, OPT_STACKS},
	{"diff", required_argument, NULL, OPT_DIFF},
	{"min-age", required_argument, NULL, OPT_MIN_AGE},
	{"max-overhead", required_argument, NULL, OPT_MAX_OVERHEAD},
	{"sched-trigger", required_argument, NULL, OPT_SCHED_TRIGGER},
	{"at-quota", no_argument, NULL, OPT_AT_QUOTA},
	{"pid", required_argument, NULL, 'p'},
	{"namespace", required_argument, NULL, 'n'},
	{"container", required_argument, NULL, 'c'},
	{"interval", required_argument, NULL, 'i'},
	{"window", required_argument, NULL, 'w'},
	{"duration", required_argument, NULL, 'd'},
	{"output", required_argument, NULL, 'o'},
	{"format", required_argument, NULL, 'f'},
	{"sort", required_argument, NULL, 's'},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{0},
};

#define COMMON "hVqvf" /* options that every command takes */
#define SHORTS "hVqvf:p:n:c:i:w:d:o:s:"

static const struct {
	const char *name;
	enum command command;
	const char *shorts; /* options it takes, besides the common ones */
	const int longs[12];
} commands[] = {
	{"top",
	 COMMAND_TOP,
	 "pnciwds",
	 {OPT_ONCE, OPT_JSON, OPT_ASCII, OPT_COLOR, OPT_ROOT, OPT_SIGNALS, OPT_REVERSE, OPT_ALL, OPT_PLAIN,
	  OPT_MAX_OVERHEAD, OPT_SCHED_TRIGGER, OPT_AT_QUOTA}},
	{"list", COMMAND_LIST, "pnc", {OPT_JSON, OPT_ALL, OPT_ASCII, OPT_COLOR, OPT_ROOT}},
	{"why", COMMAND_WHY, "pncw", {OPT_JSON, OPT_ASCII, OPT_COLOR, OPT_ROOT, OPT_SIGNALS, OPT_MAX_OVERHEAD}},
	{"trace",
	 COMMAND_TRACE,
	 "pncdow",
	 {OPT_JSON, OPT_FORCE, OPT_TOGGLE, OPT_ROOT, OPT_SIGNALS, OPT_DNS_NAMES, OPT_SPAN_MIN, OPT_MAX_OVERHEAD,
	  OPT_SCHED_TRIGGER, OPT_AT_QUOTA}},
	{"replay",
	 COMMAND_REPLAY,
	 "ows",
	 {OPT_ONCE, OPT_JSON, OPT_FORCE, OPT_ASCII, OPT_COLOR, OPT_REVERSE, OPT_ALL, OPT_SPEED, OPT_SPAN_MIN,
	  OPT_PLAIN}},
	{"check", COMMAND_CHECK, "", {OPT_JSON, OPT_ROOT, OPT_SIGNALS}},
	{"gctrace", COMMAND_GCTRACE, "pncd", {OPT_JSON, OPT_ROOT}},
	{"schedtrace", COMMAND_SCHEDTRACE, "pncid", {OPT_JSON, OPT_ROOT, OPT_ONCE}},
	{"goroutines",
	 COMMAND_GOROUTINES,
	 "pnco",
	 {OPT_JSON, OPT_ROOT, OPT_ASCII, OPT_COLOR, OPT_ALL, OPT_STACKS, OPT_DIFF, OPT_MIN_AGE, OPT_FORCE}},
	{"runtime", COMMAND_RUNTIME, "pnc", {OPT_JSON, OPT_ROOT}},
};

static const char usage[] =
	"gopherscope: why is this Go pod slow? GC, stop-the-world, CPU throttling, run queue and network per "
	"container,\n"
	"without touching it.\n"
	"\n"
	"usage: gopherscope [COMMAND] [TARGET] [options]\n"
	"\n"
	"  top                live view of all Go containers (default); to a pipe a block each interval; --once: one "
	"window\n"
	"  list               Go processes: version, binary, what can be observed and why not; --all: every process\n"
	"  why TARGET         watches one window, then says what is wrong, what to do, and on which numbers that "
	"stands\n"
	"  trace [TARGET]     records events for -d seconds (default 10) or until Ctrl-C\n"
	"  replay FILE        opens a raw recording (.gsraw) in the view, or with -o converts it; needs no privilege\n"
	"  check              what this kernel, these privileges and this node allow\n"
	"  gctrace TARGET     a line for each GC cycle, as GODEBUG=gctrace=1 would print it\n"
	"  schedtrace TARGET  a line each interval, as GODEBUG=schedtrace=1000 would print it\n"
	"  goroutines TARGET  who created them, where they are blocked, since when; -o FILE.pb.gz: a pprof profile\n"
	"  runtime TARGET     everything that the Go runtime keeps of itself, read without touching it\n"
	"\n"
	"TARGET: PID, pod, namespace/pod, namespace/pod:container, container name or id prefix; globs allowed\n"
	"\n"
	"  -p, --pid PID            only this process\n"
	"  -n, --namespace NS       only this namespace\n"
	"  -c, --container NAME     only this container\n"
	"  -i, --interval DUR       time between blocks, of schedtrace between lines (default 1s)\n"
	"  -w, --window DUR         time that the numbers cover (default 10s, at most 60s)\n"
	"  -d, --duration DUR       end after this time (trace: default 10s; top, gctrace, schedtrace: never)\n"
	"  -o, --output FILE        write here; may be given again (default gopherscope-DATE.pftrace; `-`: JSON lines "
	"to\n"
	"                           stdout): .pftrace Perfetto, .jsonl JSON lines, .json OTLP spans, .gsraw raw "
	"recording\n"
	"  -f, --format FORMAT      pftrace, jsonl, otlp, gsraw (trace, replay); text, json (all but trace)\n"
	"      --json               same as --format json\n"
	"  -s, --sort KEY           why, cpu, mem, thr, runq, gosch, stw, gc, net, dns, name;  --reverse\n"
	"      --once               one window, one block;  --plain: blocks of text, no live view\n"
	"      --all                list: also processes that are not observed; top: a verdict below for every row;\n"
	"                           goroutines: the runtime's own, too\n"
	"      --force              overwrite FILE\n"
	"      --stacks             goroutines: whole stacks;  --diff DUR: growth over that time;  --min-age DUR: only "
	"those\n"
	"                           that have waited for so long\n"
	"      --speed N            replay: times real time (default 1; 0: at once)\n"
	"      --span-min KIND=DUR  .json: shorter spans are left out (all=0: none is)\n"
	"      --dns-names          trace: record the names that are looked up\n"
	"      --signals +A,-B      switch signals on or off: go_gc go_runtime cpu_throttle cpu_sched net_tcp net_dns\n"
	"                           mem_oom proc_watch; only when asked for: go_assist go_sched\n"
	"      --max-overhead P     windows and optional probes may cost a process so many percent of its CPU "
	"(default\n"
	"                           0.5; none: no limit, 0: no optional probe); key s obeys it, too\n"
	"      --sched-trigger DUR  with +go_sched: windows only while the p99 of goroutines' waits for a P reaches "
	"it\n"
	"      --at-quota           with +go_sched: windows also where a CPU limit holds the container now\n"
	"      --root DIR           folder above the node's proc, run and var (in a container: /host)\n"
	"      --color WHEN         auto, always, never (NO_COLOR is obeyed);  --ascii\n"
	"  -q, --quiet   -v, --verbose   -h, --help   -V, --version\n"
	"\n"
	"Durations: 500ms 10s 2m, bare numbers are seconds. Exit: 0 good, 1 failed, 2 usage, 3 nothing to observe,\n"
	"4 missing privilege or kernel feature.\n";

static int bad(const char *what, const char *value, const char *hint)
{
	log_error("%s '%s': %s", what, value, hint);
	return -EINVAL;
}

static int parse_duration(const char *name, const char *text, uint64_t min_ns, uint64_t max_ns, const char *range,
			  uint64_t *ret)
{
	uint64_t v;

	if (str_to_duration_ns(text, &v))
		return bad(name, text, "no duration; write 500ms, 10s or 2m");
	if (v < min_ns || v > max_ns)
		return bad(name, text, range);
	*ret = v;
	return 0;
}

static int signal_of(const char *name)
{
	static const char *const names[] = {
		[SIGNAL_GO_GC] = "go_gc",
		[SIGNAL_GO_RUNTIME] = "go_runtime",
		[SIGNAL_CPU_THROTTLE] = "cpu_throttle",
		[SIGNAL_PROC_WATCH] = "proc_watch",
		[SIGNAL_CPU_SCHED] = "cpu_sched",
		[SIGNAL_NET_TCP] = "net_tcp",
		[SIGNAL_NET_DNS] = "net_dns",
		[SIGNAL_MEM_OOM] = "mem_oom",
		[SIGNAL_GO_ASSIST] = "go_assist",
		[SIGNAL_GO_SCHED] = "go_sched",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return (int)i;
	if (!strcmp(name, "cpu_runq")) /* the part of cpu_sched that the column is named after */
		return SIGNAL_CPU_SCHED;
	return bad(
		"unknown signal", name,
		"there are go_gc, go_assist, go_sched, go_runtime, cpu_throttle, cpu_sched, net_tcp, net_dns, mem_oom, "
		"proc_watch");
}

/* "+A,-B". All signals are on by default, so that a name without its sign could only be misread. */
static int parse_signals(char *text, uint32_t *mask)
{
	char *save = NULL, *one = strtok_r(text, ",", &save);

	if (!one)
		return bad("signals", text, "write +NAME or -NAME, with commas between");
	for (; one; one = strtok_r(NULL, ",", &save)) {
		int id;

		if (*one != '+' && *one != '-')
			return bad("signals", one, "write +NAME or -NAME, with commas between");
		id = signal_of(one + 1);
		if (id < 0)
			return id;
		*mask = *one == '-' ? *mask & ~(1u << id) : *mask | 1u << id;
	}
	return 0;
}

static int parse_word(const char *what, const char *text, const char *const *words, const char *hint)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], text))
			return i;
	return bad(what, text, hint);
}

static int parse_format(struct options *o, const char *text)
{
	static const char *const files[] = {"pftrace", "perfetto", "jsonl", "otlp", "gsraw", NULL};

	if (o->command == COMMAND_TRACE ||
	    (o->command == COMMAND_REPLAY && strcmp(text, "json") && strcmp(text, "text"))) {
		/* there is no other JSON that events could come in, and --json means --format json everywhere */
		if (!strcmp(text, "json"))
			text = "jsonl";
		if (parse_word("format", text, files, "pftrace, jsonl, otlp or gsraw") < 0)
			return -EINVAL;
		o->format = text;
		return 0;
	}
	if (strcmp(text, "json") && strcmp(text, "text"))
		return bad("format", text, "text or json");
	o->json = !strcmp(text, "json");
	return 0;
}

static int add_output(struct options *o, const char *path)
{
	if (!*path)
		return bad("output", path, "no file name");
	if (o->output_cnt == OPTIONS_OUTPUTS)
		return bad("output", path, "too many files");
	for (int i = 0; i < o->output_cnt; i++)
		if (!strcmp(o->outputs[i], path))
			return bad("output", path, "given twice");
	o->outputs[o->output_cnt++] = path;
	return 0;
}

static int parse_speed(const char *text, double *ret)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= 0 && v <= 1e6))
		return bad("speed", text, "a number from 0 (at once) to 1000000");
	*ret = v;
	return 0;
}

/* "gc.pause=5ms", "all=0" */
static int parse_span_min(struct options *o, char *text)
{
	char *eq = strchr(text, '=');
	uint64_t ns;

	if (!eq)
		return bad("span-min", text, "write KIND=DURATION, as cpu.throttle=5ms, or all=0");
	if (str_to_duration_ns(eq + 1, &ns))
		return bad("span-min", text, "no duration; write 500ms, 10s or 2m");
	*eq = 0;
	if (!strcmp(text, "all")) {
		o->all_spans = !ns;
		for (int k = 0; k < TRACE_KIND_CNT; k++)
			o->span_min_ns[k] = ns;
		return 0;
	}
	for (int k = 0; k < TRACE_KIND_CNT; k++) {
		const char *name = trace_kind_name((enum trace_kind)k);

		if (name && !strcmp(name, text)) {
			o->span_min_ns[k] = ns ? ns : 1;
			return 0;
		}
	}
	return bad("span-min", text,
		   "no kind of span; gc.cycle, gc.pause, gc.assist, cpu.throttle, cpu.runq, sched.wait, tcp.connect, "
		   "dns.query or all");
}

/* Percent, with or without its sign. */
static int parse_overhead(const char *text, double *ret)
{
	const char *hint = "percent of a process's CPU from 0 to 100, as 0.5%, or none";
	char *end;
	double v;

	if (!strcmp(text, "none")) {
		*ret = -1;
		return 0;
	}
	v = strtod(text, &end);
	if (end == text || strspn(text, "0123456789.") != (size_t)(end - text) || (*end && strcmp(end, "%")) || v > 100)
		return bad("max-overhead", text, hint);
	*ret = v / 100;
	return 0;
}

static int parse_pid(const char *text, pid_t *ret)
{
	uint64_t v;

	if (str_to_u64(text, &v) || !v || v > (1u << 22))
		return bad("pid", text, "no process id");
	*ret = (pid_t)v;
	return 0;
}

static bool takes(size_t command, int c)
{
	if (c < 256)
		return strchr(COMMON, c) || strchr(commands[command].shorts, c);
	for (size_t i = 0; i < ARRAY_SIZE(commands[command].longs); i++)
		if (commands[command].longs[i] == c)
			return true;
	return false;
}

/* Where an option without value is kept, NULL if c is none. */
static bool *flag_of(struct options *o, int c)
{
	switch (c) {
	case 'q':
		return &o->quiet;
	case OPT_ONCE:
		return &o->once;
	case OPT_JSON:
		return &o->json;
	case OPT_ALL:
		return &o->all;
	case OPT_FORCE:
		return &o->force;
	case OPT_TOGGLE:
		return &o->toggle;
	case OPT_ASCII:
		return &o->ascii;
	case OPT_REVERSE:
		return &o->reverse;
	case OPT_DNS_NAMES:
		return &o->dns_names;
	case OPT_PLAIN:
		return &o->plain;
	case OPT_STACKS:
		return &o->stacks;
	case OPT_AT_QUOTA:
		return &o->at_quota;
	}
	return NULL;
}

static int set_value(struct options *o, int c, char *arg)
{
	static const char *const colors[] = {"auto", "never", "always", NULL};
	int word;

	switch (c) {
	case 'p':
		return parse_pid(arg, &o->pid);
	case 'n':
		o->namespace_ = arg;
		return 0;
	case 'c':
		o->container = arg;
		return 0;
	case OPT_DIFF:
		return parse_duration("diff", arg, NS_PER_SEC, 3600 * NS_PER_SEC, "out of range, 1s to 1h",
				      &o->diff_ns);
	case OPT_MIN_AGE:
		return parse_duration("min-age", arg, 1, 365 * 86400 * NS_PER_SEC, "out of range", &o->min_age_ns);
	case 'i':
		o->interval_given = true;
		return parse_duration("interval", arg, 100 * NS_PER_MS, 3600 * NS_PER_SEC, "out of range, 100ms to 1h",
				      &o->interval_ns);
	case 'w':
		o->window_given = true;
		return parse_duration("window", arg, NS_PER_SEC, 60 * NS_PER_SEC, "out of range, 1s to 60s",
				      &o->window_ns);
	case 'd':
		o->duration_given = true;
		return parse_duration("duration", arg, 1, 86400 * NS_PER_SEC, "out of range, above 0 and at most 24h",
				      &o->duration_ns);
	case 'o':
		return add_output(o, arg);
	case 'f':
		return parse_format(o, arg);
	case 's':
		word = parse_word("sort key", arg, order_names, "why, cpu, mem, thr, runq, stw, gc, net, dns or name");
		o->sort = word < 0 ? SORT_WHY : (enum sort_key)word;
		return word < 0 ? word : 0;
	case OPT_COLOR:
		word = parse_word("color", arg, colors, "auto, always or never");
		o->color = word < 0 ? COLOR_AUTO : (enum color_mode)word;
		return word < 0 ? word : 0;
	case OPT_ROOT:
		o->root = strcmp(arg, "/") ? arg : "";
		return 0;
	case OPT_SIGNALS:
		return parse_signals(arg, &o->signals);
	case OPT_SPEED:
		return parse_speed(arg, &o->speed);
	case OPT_SPAN_MIN:
		return parse_span_min(o, arg);
	case OPT_MAX_OVERHEAD:
		return parse_overhead(arg, &o->max_overhead);
	case OPT_SCHED_TRIGGER:
		return parse_duration("sched-trigger", arg, 1000, 10 * NS_PER_SEC, "out of range, 0.001ms to 10s",
				      &o->sched_trigger_ns);
	}
	return -EINVAL;
}

static int set_option(struct options *o, int c, char *arg)
{
	bool *flag = flag_of(o, c);

	if (flag)
		*flag = true;
	else if (c == 'v')
		o->verbose++;
	else
		return set_value(o, c, arg);
	return 0;
}

/* "--output" for 'o' */
static const char *option_name(int c, char *buf, size_t sz)
{
	for (const struct option *o = long_options; o->name; o++)
		if (o->val == c)
			snprintf(buf, sz, "--%s", o->name);
	return buf;
}

/* The first word that is no option and no option's value; NULL if there is none. */
static char *first_word(int argc, char **argv)
{
	optind = 0; /* glibc: begin anew, and stop at the first word, as the plus says */
	while (getopt_long(argc, argv, "+" SHORTS, long_options, NULL) != -1)
		;
	return optind < argc ? argv[optind] : NULL;
}

/* Index of the command that the word names, top if it names none. *ret: the word if it does, else NULL. */
static size_t find_command(char *word, const char **ret)
{
	*ret = NULL;
	for (size_t i = 0; word && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(word, commands[i].name)) {
			*ret = word;
			return i;
		}
	return 0;
}

static void set_defaults(struct options *o)
{
	memset(o, 0, sizeof(*o));
	o->interval_ns = NS_PER_SEC;
	o->window_ns = 10 * NS_PER_SEC;
	o->root = "";
	o->speed = 1;
	o->max_overhead = 0.005;
	o->signals = ((1u << SIGNAL_CNT) - 1) & ~SIGNALS_UNASKED;
}

static bool needs_target(enum command c)
{
	return c == COMMAND_WHY || c == COMMAND_GCTRACE || c == COMMAND_SCHEDTRACE || c == COMMAND_GOROUTINES ||
	       c == COMMAND_RUNTIME;
}

/* What is left after the options: the command's own word, which may be NULL, and a TARGET. */
static int take_words(struct options *o, int argc, char **argv, const char *command_word)
{
	for (int i = optind; i < argc; i++) {
		if (argv[i] == command_word)
			continue;
		if (o->target || o->file)
			return bad("unexpected argument", argv[i],
				   o->file ? "one FILE only; see gopherscope --help"
					   : "one TARGET only; see gopherscope --help");
		if (!command_word)
			return bad("unknown command", argv[i],
				   "top, list, why, trace, replay, check, gctrace, schedtrace, goroutines, runtime; "
				   "see gopherscope --help");
		if (!*argv[i])
			return bad("TARGET", argv[i], "is empty; gopherscope list shows what there is");
		if (o->command == COMMAND_REPLAY)
			o->file = argv[i];
		else
			o->target = argv[i];
	}
	if (o->command == COMMAND_REPLAY && !o->file) {
		log_error("replay needs a FILE: gopherscope trace -o run.gsraw makes one");
		return -EINVAL;
	}
	if (o->target && o->command == COMMAND_CHECK)
		return bad("unexpected argument", o->target, "check takes no TARGET");
	if (needs_target(o->command) && !o->target && !o->pid && !o->container && !o->namespace_) {
		log_error("%s needs a TARGET: gopherscope %s namespace/pod; gopherscope list shows them", command_word,
			  command_word);
		return -EINVAL;
	}
	return 0;
}

/* One option of the command line. 0, OPTIONS_EXIT, -EINVAL. */
static int take_option(struct options *o, size_t command, int c, const char *given)
{
	char name[32] = "";

	switch (c) {
	case 'h':
		fputs(usage, stdout);
		return OPTIONS_EXIT;
	case 'V':
		printf("gopherscope %s\n", GOPHERSCOPE_VERSION);
		return OPTIONS_EXIT;
	case '?':
		return bad("unknown option or missing value", given, "see gopherscope --help");
	}
	if (!takes(command, c))
		return bad("option", option_name(c, name, sizeof(name)),
			   "not for this command; see gopherscope --help");
	return set_option(o, c, optarg);
}

/* Options that stand in each other's way, or without the one that they are about. */
static int check_sched(struct options *o)
{
	const uint32_t optional = 1u << SIGNAL_CPU_SCHED | 1u << SIGNAL_GO_ASSIST | 1u << SIGNAL_GO_SCHED;
	bool windows = o->signals & (1u << SIGNAL_GO_SCHED);

	if (!windows && (o->sched_trigger_ns || o->at_quota)) {
		log_error("%s is about windows of go_sched: add --signals +go_sched",
			  o->at_quota ? "--at-quota" : "--sched-trigger");
		return -EINVAL;
	}
	if (o->max_overhead < 0 || o->max_overhead > 0)
		return 0;
	if (o->signals & SIGNALS_UNASKED) {
		log_error("--max-overhead 0 allows no optional probe: leave out --signals +%s",
			  windows ? "go_sched" : "go_assist");
		return -EINVAL;
	}
	o->signals &= ~optional;
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret)
{
	const char *command_word;
	struct options o;
	size_t command;
	int c, err;

	set_defaults(&o);
	opterr = 0;
	command = find_command(first_word(argc, argv), &command_word);
	o.command = commands[command].command;
	optind = 0;
	while ((c = getopt_long(argc, argv, SHORTS, long_options, NULL)) != -1) {
		err = take_option(&o, command, c, argv[optind - 1]);
		if (err)
			return err;
	}
	err = take_words(&o, argc, argv, command_word);
	if (!err)
		err = check_sched(&o);
	if (err)
		return err;
	if (o.json && o.command == COMMAND_TRACE && !o.format)
		o.format = "jsonl";
	*ret = o;
	return 0;
}
