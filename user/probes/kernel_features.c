/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel offers. The cheap part only reads: capabilities from /proc/self/status, names from the string section
 * of the kernel's BTF (a tracepoint NAME has a typedef btf_trace_NAME), addresses from kallsyms, which reads as zeros
 * without CAP_SYSLOG (facts/attach.md 4). The other part loads programs of two or three instructions and watches the
 * answer. */
#include "probes/kernel_features.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "probes/link_set.h"

/* ---- capabilities and lockdown --------------------------------------------------------------------------- */

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

uint64_t kernel_features_parse_caps(const char *text)
{
	const char *line = strstr(text, "CapEff:");

	return line ? strtoull(line + strlen("CapEff:"), NULL, 16) : 0;
}

static void read_caps(struct kernel_features *f)
{
	char text[4096];
	uint64_t caps = 0;

	if (file_read("", "/proc/self/status", text, sizeof(text)) > 0)
		caps = kernel_features_parse_caps(text);
	f->cap_sys_admin = caps >> CAP_SYS_ADMIN & 1;
	/* before 5.8 CAP_SYS_ADMIN was all there was, and it still includes these two */
	f->cap_bpf = f->cap_sys_admin || (caps >> CAP_BPF & 1);
	f->cap_perfmon = f->cap_sys_admin || (caps >> CAP_PERFMON & 1);
	f->cap_sys_ptrace = caps >> CAP_SYS_PTRACE & 1;
	f->cap_dac_read_search = caps >> CAP_DAC_READ_SEARCH & 1;
	f->cap_syslog = f->cap_sys_admin || (caps >> CAP_SYSLOG & 1);
	f->cap_net_admin = caps >> CAP_NET_ADMIN & 1;
}

/* "none [integrity] confidentiality": the brackets mark what holds. */
static void read_lockdown(struct kernel_features *f)
{
	char text[128], *open, *end;

	str_copy(f->lockdown, sizeof(f->lockdown), "unknown");
	if (file_read("", "/sys/kernel/security/lockdown", text, sizeof(text)) <= 0)
		return;
	open = strchr(text, '[');
	end = open ? strchr(open, ']') : NULL;
	if (!end)
		return;
	*end = '\0';
	str_copy(f->lockdown, sizeof(f->lockdown), open + 1);
}

/* ---- BTF ------------------------------------------------------------------------------------------------- */

#define BTF_STRINGS_MAX (64u << 20) /* ten times what large kernels have */

/* All of len bytes; sysfs gives a page at a time. */
static int read_all(int fd, char *buf, size_t len, off_t at)
{
	while (len) {
		ssize_t n = pread(fd, buf, len, at);

		if (n <= 0)
			return n ? -errno : -EINVAL;
		buf += n;
		len -= (size_t)n;
		at += n;
	}
	return 0;
}

/* The string section of the kernel's BTF, NUL terminated; 0, -ENOENT, -EINVAL, -errno. */
static int read_btf_strings(char **ret, size_t *ret_sz)
{
	_cleanup_close_ int fd = file_open("", "/sys/kernel/btf/vmlinux");
	struct btf_header h;
	char *buf;
	int err;

	if (fd < 0)
		return fd;
	if (pread(fd, &h, sizeof(h), 0) != sizeof(h) || h.magic != BTF_MAGIC || !h.str_len ||
	    h.str_len > BTF_STRINGS_MAX)
		return -EINVAL;
	buf = malloc((size_t)h.str_len + 1);
	if (!buf)
		return -ENOMEM;
	err = read_all(fd, buf, h.str_len, (off_t)h.hdr_len + h.str_off);
	if (err) {
		free(buf);
		return err;
	}
	buf[h.str_len] = '\0';
	*ret = buf;
	*ret_sz = h.str_len;
	return 0;
}

/* A whole name: strings are NUL terminated and the section starts with one. */
static bool has_name(const char *strings, size_t sz, const char *name)
{
	size_t len = strlen(name) + 1;
	const char *at = strings;

	while ((at = memmem(at, sz - (size_t)(at - strings), name, len))) {
		if (at > strings && at[-1] == '\0')
			return true;
		at++;
	}
	return false;
}

static void read_btf(struct kernel_features *f)
{
	char *strings;
	size_t sz;

	if (read_btf_strings(&strings, &sz))
		return;
	f->btf = true;
	f->tp_btf = has_name(strings, sz, "btf_trace_sched_process_exec");
	f->raw_tp_csd = has_name(strings, sz, "btf_trace_csd_function_exit");
	f->iter_task_vma = has_name(strings, sz, "bpf_iter__task_vma");
	f->task_storage = has_name(strings, sz, "BPF_MAP_TYPE_TASK_STORAGE");
	free(strings);
}

/* ---- kernel symbols -------------------------------------------------------------------------------------- */

/* "ffffffff81234567 t name\n" or "... name [module]\n" */
static bool is_symbol_end(const char *s)
{
	return *s == '\n' || *s == '\t' || *s == ' ' || *s == '\0' || str_starts(s, ".llvm.") ||
	       str_starts(s, ".lto_priv.");
}

static bool is_text_type(char type)
{
	return type == 't' || type == 'T';
}

uint64_t kernel_features_find_symbol(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = text; (at = strstr(at, name)); at += len) {
		const char *line = at;

		if (at - text < 4 || at[-1] != ' ' || !is_text_type(at[-2]) || !is_symbol_end(at + len))
			continue;
		while (line > text && line[-1] != '\n')
			line--;
		return strtoull(line, NULL, 16);
	}
	return 0;
}

/* The three functions are in one source file (kernel/sched/fair.c), so near each other in a text sorted by address:
 * once the timers are found and this much more was read, the third is not there (kernels before 6.3). */
#define KALLSYMS_NEAR_BYTES (1u << 20)
#define KALLSYMS_CHUNK      (64u * 1024)
#define KALLSYMS_LINE_MAX   1024

static void find_symbols(struct kernel_features *f, const char *text)
{
	if (!f->sym_period_timer)
		f->sym_period_timer = kernel_features_find_symbol(text, "sched_cfs_period_timer");
	if (!f->sym_slack_timer)
		f->sym_slack_timer = kernel_features_find_symbol(text, "sched_cfs_slack_timer");
	if (!f->sym_csd_unthrottle)
		f->sym_csd_unthrottle = kernel_features_find_symbol(text, "__cfsb_csd_unthrottle");
}

/* Hidden addresses read as zeros. Not the first line alone: a kernel with absolute per-CPU symbols starts with a true
 * zero. */
static bool is_hidden(const char *text)
{
	static const char zeros[] = "0000000000000000 ";

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (*line && !str_starts(line, zeros))
			return false;
	}
	return true;
}

/* Bytes of an unfinished last line, moved to the start of the buffer for the next read; cut if absurdly long. */
static size_t keep_tail(char *buf, size_t len)
{
	char *nl = memrchr(buf, '\n', len);
	size_t tail = nl ? len - (size_t)(nl + 1 - buf) : 0;

	if (tail > KALLSYMS_LINE_MAX)
		return 0;
	memmove(buf, buf + len - tail, tail);
	return tail;
}

/* Searches chunk by chunk: the whole text is some 15 MB. */
static int scan_kallsyms(struct kernel_features *f, bool *ret_hidden)
{
	char buf[KALLSYMS_CHUNK + KALLSYMS_LINE_MAX + 1];
	_cleanup_close_ int fd = file_open("", "/proc/kallsyms");
	size_t tail = 0, after = 0;
	bool first = true;
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = read(fd, buf + tail, KALLSYMS_CHUNK)) > 0) {
		size_t len = tail + (size_t)n;
		char *nl;

		buf[len] = '\0';
		nl = memrchr(buf, '\n', len);
		if (nl) /* only whole lines: a name cut at its end could look like another */
			*nl = '\0';
		*ret_hidden = first && is_hidden(buf);
		if (*ret_hidden)
			break;
		first = false;
		find_symbols(f, buf);
		if (nl)
			*nl = '\n';
		tail = keep_tail(buf, len);
		if (f->sym_period_timer && f->sym_slack_timer &&
		    (f->sym_csd_unthrottle || (after += (size_t)n) > KALLSYMS_NEAR_BYTES))
			break;
	}
	return n < 0 ? -errno : 0;
}

static void read_kallsyms(struct kernel_features *f)
{
	bool hidden = false;
	int err = scan_kallsyms(f, &hidden);

	if (err)
		err_why(f->kallsyms_why, err, "cannot read /proc/kallsyms: %s", strerror(-err));
	else if (hidden && !f->cap_syslog)
		err_why(f->kallsyms_why, -EPERM, "addresses in /proc/kallsyms are hidden: CAP_SYSLOG is missing");
	else if (hidden)
		err_why(f->kallsyms_why, -EPERM,
			"addresses in /proc/kallsyms are hidden: sysctl kernel.kptr_restrict is 2");
	else if (!f->sym_period_timer)
		err_why(f->kallsyms_why, -ENOENT,
			"no symbol sched_cfs_period_timer in /proc/kallsyms (CONFIG_CFS_BANDWIDTH)");
}

int kernel_features_read(struct kernel_features *f)
{
	struct utsname u;

	memset(f, 0, sizeof(*f));
	if (!uname(&u)) {
		str_copy(f->release, sizeof(f->release), u.release);
		str_copy(f->machine, sizeof(f->machine), u.machine);
	}
	read_caps(f);
	read_lockdown(f);
	read_btf(f);
	read_kallsyms(f);
	f->uprobe_perf = access("/sys/bus/event_source/devices/uprobe/type", R_OK) == 0;
	return 0;
}

/* ---- trials ---------------------------------------------------------------------------------------------- */

#define INSN_MOV_R0_0          ((struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K})
#define INSN_EXIT              ((struct bpf_insn){.code = BPF_JMP | BPF_EXIT})
#define INSN_CALL(func)        ((struct bpf_insn){.code = BPF_JMP | BPF_CALL, .imm = (func)})
#define FUNC_GET_ATTACH_COOKIE 174 /* bpf_get_attach_cookie */

/* A uprobe program; descriptor or -errno. */
static int load_kprobe(const struct bpf_insn *insns, size_t cnt, enum bpf_attach_type type)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = type);
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "gs_try", "Dual BSD/GPL", insns, cnt, &opts);

	return fd < 0 ? -errno : fd;
}

static int load_empty(enum bpf_attach_type type)
{
	const struct bpf_insn insns[] = {INSN_MOV_R0_0, INSN_EXIT};

	return load_kprobe(insns, ARRAY_SIZE(insns), type);
}

static const char *missing_caps(const struct kernel_features *f)
{
	if (!f->cap_bpf && !f->cap_perfmon)
		return "CAP_BPF and CAP_PERFMON are missing";
	if (!f->cap_bpf)
		return "CAP_BPF is missing";
	if (!f->cap_perfmon)
		return "CAP_PERFMON is missing";
	return NULL;
}

static void explain_refusal(struct kernel_features *f, int err)
{
	const char *caps = missing_caps(f);

	if (err != -EPERM && err != -EACCES)
		err_why(f->bpf_why, err, "the kernel refuses BPF programs: %s", strerror(-err));
	else if (!strcmp(f->lockdown, "confidentiality"))
		err_why(f->bpf_why, err,
			"no permission to load BPF programs: kernel lockdown is 'confidentiality'; boot without it");
	else
		err_why(f->bpf_why, err,
			"no permission to load BPF programs: %s; run as root, or: "
			"kubectl debug node/N -it --profile=sysadmin --image=IMAGE",
			caps ? caps : "forbidden in this user namespace or by a security module");
}

static void try_load(struct kernel_features *f)
{
	_cleanup_close_ int fd = load_empty(0);

	f->bpf_allowed = fd >= 0;
	if (fd < 0)
		explain_refusal(f, fd);
}

static void try_cookie(struct kernel_features *f)
{
	const struct bpf_insn insns[] = {INSN_CALL(FUNC_GET_ATTACH_COOKIE), INSN_MOV_R0_0, INSN_EXIT};
	_cleanup_close_ int fd = load_kprobe(insns, ARRAY_SIZE(insns), 0);

	f->attach_cookie = fd >= 0;
}

static void try_ringbuf(struct kernel_features *f)
{
	_cleanup_close_ int fd =
		bpf_map_create(BPF_MAP_TYPE_RINGBUF, "gs_try", 0, 0, (uint32_t)sysconf(_SC_PAGESIZE), NULL);

	f->ringbuf = fd >= 0;
}

/* A multi link on a directory: EBADF from a kernel that knows the type (it looks at the file last), EINVAL from others.
 * No probe is ever set, so nothing must be detached. */
static void try_multi(struct kernel_features *f)
{
	_cleanup_close_ int prog = load_empty(ATTACH_TYPE_UPROBE_MULTI);
	_cleanup_close_ int link = -1;
	uint64_t offset = 0, cookie = 1;

	if (prog < 0)
		return;
	link = link_set_create_multi(prog, "/", &offset, &cookie, 1, 0);
	f->uprobe_multi = link == -EBADF;
}

int kernel_features_try(struct kernel_features *f)
{
	try_load(f);
	if (!f->bpf_allowed)
		return 0;
	try_ringbuf(f);
	try_cookie(f);
	try_multi(f);
	return 0;
}
