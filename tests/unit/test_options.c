/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line: what each form means, and that what is wrong is refused before anything is done. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "options.h"
#include "signal_id.h"

#define ARGS_MAX 24
#define ALL      (((1u << SIGNAL_CNT) - 1) & ~SIGNALS_UNASKED) /* by default */

static char said[4096]; /* both streams of the last parse() */

/* Parses one line, words between blanks ('_' is an empty word), with both streams in said[]. The line is kept: options
 * borrow from it. */
static int parse(const char *line, struct options *ret)
{
	static char copy[512];
	char *argv[ARGS_MAX + 1] = {(char *)"gopherscope"}, *save = NULL;
	int argc = 1, out = dup(1), err = dup(2), code;
	FILE *f = tmpfile();

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w = strtok_r(copy, " ", &save); w && argc < ARGS_MAX; w = strtok_r(NULL, " ", &save))
		argv[argc++] = strcmp(w, "_") ? w : (char *)"";
	fflush(stdout);
	dup2(fileno(f), 1);
	dup2(fileno(f), 2);
	code = options_parse(argc, argv, ret);
	fflush(stdout);
	dup2(out, 1);
	dup2(err, 2);
	close(out);
	close(err);
	rewind(f);
	said[fread(said, 1, sizeof(said) - 1, f)] = 0;
	fclose(f);
	return code;
}

static void test_defaults(void **state)
{
	struct options o;

	assert_int_equal(parse("", &o), 0);
	assert_int_equal(o.command, COMMAND_TOP);
	assert_null(o.target);
	assert_int_equal(o.interval_ns, NS_PER_SEC);
	assert_int_equal(o.window_ns, 10 * NS_PER_SEC);
	assert_int_equal(o.duration_ns, 0);
	assert_int_equal(o.signals, ALL);
	assert_string_equal(o.root, "");
	assert_int_equal(o.color, COLOR_AUTO);
	assert_int_equal(o.sort, SORT_WHY);
	assert_string_equal(said, "");
}

static void test_commands_and_targets(void **state)
{
	static const struct {
		const char *line;
		enum command command;
		const char *target;
	} rows[] = {
		{"top", COMMAND_TOP, NULL},
		{"list", COMMAND_LIST, NULL},
		{"list shop/*", COMMAND_LIST, "shop/*"},
		{"why cart", COMMAND_WHY, "cart"},
		{"why -w 3 cart", COMMAND_WHY, "cart"},
		{"-w 3 why cart", COMMAND_WHY, "cart"},
		{"why cart -w 3", COMMAND_WHY, "cart"},
		{"trace", COMMAND_TRACE, NULL},
		{"check --json", COMMAND_CHECK, NULL},
		{"check --signals +go_sched", COMMAND_CHECK, NULL},
		{"-n list top", COMMAND_TOP, NULL}, /* the value of an option is no command */
		{"-c why list", COMMAND_LIST, NULL},
		{"why list", COMMAND_WHY, "list"}, /* nor is a TARGET that is called like one */
		{"why top", COMMAND_WHY, "top"},
		{"why -- -x", COMMAND_WHY, "-x"},
		{"-- list", COMMAND_LIST, NULL},
		{"why -p 12", COMMAND_WHY, NULL},
		{"why -n shop", COMMAND_WHY, NULL},
		{"why -c app", COMMAND_WHY, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options o;

		if (parse(rows[i].line, &o))
			fail_msg("%s: %s", rows[i].line, said);
		assert_int_equal(o.command, rows[i].command);
		if (rows[i].target)
			assert_string_equal(o.target, rows[i].target);
		else
			assert_null(o.target);
	}
}

static void test_values(void **state)
{
	struct options o;

	assert_int_equal(
		parse("top -p 12 -n shop --container=app -i 500ms -w 1m -d 2h -s gc --reverse --once --json --all "
		      "-q",
		      &o),
		0);
	assert_int_equal(o.pid, 12);
	assert_string_equal(o.namespace_, "shop");
	assert_string_equal(o.container, "app");
	assert_int_equal(o.interval_ns, 500 * NS_PER_MS);
	assert_int_equal(o.window_ns, 60 * NS_PER_SEC);
	assert_int_equal(o.duration_ns, 7200 * NS_PER_SEC);
	assert_int_equal(o.sort, SORT_GC);
	assert_true(o.reverse && o.once && o.json && o.quiet);
	assert_int_equal(parse("top --all --ascii --color always --root /host -vv", &o), 0);
	assert_true(o.all && o.ascii && o.verbose == 2 && o.color == COLOR_ALWAYS);
	assert_string_equal(o.root, "/host");
	assert_int_equal(parse("list --root /", &o), 0);
	assert_string_equal(o.root, "");
	assert_int_equal(parse("trace -o x.jsonl --force --toggle -f jsonl", &o), 0);
	assert_int_equal(o.output_cnt, 1);
	assert_string_equal(o.outputs[0], "x.jsonl");
	assert_string_equal(o.format, "jsonl");
	assert_true(o.force && o.toggle);
	assert_int_equal(parse("trace -o a.gsraw -o b.pftrace --dns-names --span-min cpu.throttle=5ms", &o), 0);
	assert_int_equal(o.output_cnt, 2);
	assert_string_equal(o.outputs[1], "b.pftrace");
	assert_null(o.format);
	assert_true(o.dns_names && !o.all_spans);
	assert_int_equal(o.span_min_ns[TRACE_THROTTLE], 5 * NS_PER_MS);
	assert_int_equal(o.span_min_ns[TRACE_GC_PAUSE], 0);
	assert_int_equal(parse("trace --json --span-min all=0", &o), 0);
	assert_string_equal(o.format, "jsonl");
	assert_true(o.all_spans);
	assert_int_equal(parse("replay x.gsraw --speed 2.5 --json", &o), 0);
	assert_string_equal(o.file, "x.gsraw");
	assert_true(o.json && o.speed == 2.5 && !o.format);
	assert_int_equal(parse("replay -f otlp -", &o), 0);
	assert_string_equal(o.file, "-");
	assert_string_equal(o.format, "otlp");
	assert_int_equal(parse("top --plain -s runq", &o), 0);
	assert_true(o.plain && o.sort == SORT_RUNQ);
	assert_int_equal(parse("top -f json", &o), 0);
	assert_true(o.json);
	assert_int_equal(parse("top --json -f text", &o), 0);
	assert_false(o.json);
}

static void test_signals(void **state)
{
	struct options o;

	assert_int_equal(parse("--signals -go_gc,-proc_watch,+go_gc", &o), 0);
	assert_int_equal(o.signals, ALL & ~(1u << SIGNAL_PROC_WATCH));
	assert_int_equal(parse("--signals +go_assist", &o), 0);
	assert_int_equal(o.signals, ALL | 1u << SIGNAL_GO_ASSIST);
	assert_int_equal(parse("--signals -cpu_runq,-net_tcp,-net_dns,-mem_oom", &o), 0);
	assert_int_equal(o.signals, ALL & ~(1u << SIGNAL_CPU_SCHED | 1u << SIGNAL_NET_TCP | 1u << SIGNAL_NET_DNS |
					    1u << SIGNAL_MEM_OOM));
	assert_int_equal(parse("--signals=-cpu_throttle --signals=-go_runtime", &o), 0);
	assert_int_equal(o.signals, ALL & ~(1u << SIGNAL_CPU_THROTTLE | 1u << SIGNAL_GO_RUNTIME));
}

static void test_overhead(void **state)
{
	static const struct {
		const char *line;
		double ratio;
	} rows[] = {
		{"top", 0.005},
		{"top --max-overhead 0.5%", 0.005},
		{"trace --max-overhead 2", 0.02},
		{"why x --max-overhead .25%", 0.0025},
		{"top --max-overhead=100", 1},
		{"trace --max-overhead none", -1},
		{"top --max-overhead 0", 0},
		{"top --max-overhead 0%", 0},
	};
	struct options o;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (parse(rows[i].line, &o))
			fail_msg("%s: %s", rows[i].line, said);
		assert_float_equal(o.max_overhead, rows[i].ratio, 1e-12);
	}
	assert_int_equal(o.signals, ALL & ~(1u << SIGNAL_CPU_SCHED));
	assert_int_equal(parse("trace --signals +go_sched --sched-trigger 5ms --at-quota", &o), 0);
	assert_int_equal(o.signals, ALL | 1u << SIGNAL_GO_SCHED);
	assert_int_equal(o.sched_trigger_ns, 5 * NS_PER_MS);
	assert_true(o.at_quota);
	assert_int_equal(parse("top --sched-trigger 1 --signals +go_sched", &o), 0);
	assert_int_equal(o.sched_trigger_ns, NS_PER_SEC);
	assert_false(o.at_quota);
}

static void test_refused(void **state)
{
	static const struct {
		const char *line, *words;
	} rows[] = {
		{"lsit", "unknown command 'lsit': top, list, why, trace, replay, check"},
		{"_", "unknown command ''"},
		{"shop/cart list", "unknown command 'shop/cart'"},
		{"top a b", "unexpected argument 'b': one TARGET only"},
		{"top _", "TARGET '': is empty"},
		{"check x", "check takes no TARGET"},
		{"why", "why needs a TARGET"},
		{"top --nonsense", "unknown option or missing value '--nonsense'"},
		{"top -z", "unknown option or missing value '-z'"},
		{"top -d", "missing value '-d'"},
		{"list -o x", "option '--output': not for this command"},
		{"list --once", "option '--once': not for this command"},
		{"check --force", "option '--force': not for this command"},
		{"top -w 0", "window '0': out of range, 1s to 60s"},
		{"top -w 61", "out of range"},
		{"top -i 99ms", "interval '99ms': out of range, 100ms to 1h"},
		{"top -d 25h", "out of range"},
		{"top -d 0", "out of range"},
		{"top -w x", "window 'x': no duration; write 500ms, 10s or 2m"},
		{"top -p 0", "pid '0': no process id"},
		{"top -p 4194305", "no process id"},
		{"top -p -1", "no process id"},
		{"top -s mem,cpu", "sort key 'mem,cpu'"},
		{"top --color yes", "color 'yes': auto, always or never"},
		{"top -f xml", "format 'xml': text or json"},
		{"trace -f text", "format 'text': pftrace, jsonl, otlp or gsraw"},
		{"trace -o a -o a", "output 'a': given twice"},
		{"trace -o _", "output '': no file name"},
		{"trace --span-min gc.cycle", "write KIND=DURATION"},
		{"trace --span-min gc.cycle=x", "no duration"},
		{"trace --span-min tea=5ms", "no kind of span"},
		{"replay", "replay needs a FILE"},
		{"replay a b", "unexpected argument 'b': one FILE only"},
		{"replay a --speed -1", "speed '-1': a number from 0"},
		{"replay a --speed fast", "speed 'fast'"},
		{"replay a -p 3", "option '--pid': not for this command"},
		{"replay a -f xml", "format 'xml'"},
		{"top --signals go_gc", "write +NAME or -NAME"},
		{"top --signals=", "write +NAME or -NAME"},
		{"top --signals +telepathy", "unknown signal 'telepathy'"},
		{"top --signals +", "unknown signal ''"},
		{"top --max-overhead x", "max-overhead 'x': percent"},
		{"top --max-overhead -1", "max-overhead '-1': percent"},
		{"top --max-overhead 101", "percent"},
		{"top --max-overhead 0.5%%", "percent"},
		{"top --max-overhead 0x1", "percent"},
		{"top --max-overhead nan", "percent"},
		{"top --max-overhead 1e1", "percent"},
		{"top --max-overhead=", "percent"},
		{"list --max-overhead 1", "option '--max-overhead': not for this command"},
		{"replay a --at-quota", "option '--at-quota': not for this command"},
		{"why a --sched-trigger 1s", "option '--sched-trigger': not for this command"},
		{"top --sched-trigger 1s", "--sched-trigger is about windows of go_sched: add --signals +go_sched"},
		{"trace --at-quota", "--at-quota is about windows of go_sched"},
		{"top --sched-trigger 0 --signals +go_sched", "out of range"},
		{"top --signals +go_sched --max-overhead 0", "--max-overhead 0 allows no optional probe"},
		{"top --max-overhead 0 --signals +go_assist", "leave out --signals +go_assist"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options o = {.pid = 77};

		assert_int_equal(parse(rows[i].line, &o), -EINVAL);
		if (!strstr(said, rows[i].words) || strncmp(said, "gopherscope: ", 13) ||
		    strchr(said, '\n') != said + strlen(said) - 1)
			fail_msg("%s: said %s", rows[i].line, said);
		assert_int_equal(o.pid, 77); /* written only on success */
	}
}

static void test_help_and_version(void **state)
{
	static const char *const helps[] = {"--help", "-h", "top --help", "why -h", "trace x y -h"};
	struct options o;

	for (size_t i = 0; i < ARRAY_SIZE(helps); i++) {
		assert_int_equal(parse(helps[i], &o), OPTIONS_EXIT);
		assert_non_null(strstr(said, "usage: gopherscope"));
	}
	assert_int_equal(parse("-V", &o), OPTIONS_EXIT);
	assert_memory_equal(said, "gopherscope ", 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),         cmocka_unit_test(test_commands_and_targets),
		cmocka_unit_test(test_values),           cmocka_unit_test(test_signals),
		cmocka_unit_test(test_overhead),         cmocka_unit_test(test_refused),
		cmocka_unit_test(test_help_and_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
