/* SPDX-License-Identifier: BSD-2-Clause */
/* Puts together what the other files of this folder find in one executable. Order matters for cost only: whatever is no
 * Go program is known after the build information; names are looked up in one pass over the symbol table, and only what
 * it does not have (stripped programs: everything) in one pass over pclntab. */
#include "symbols/binary.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "symbols/elf_image.h"
#include "symbols/globals.h"
#include "symbols/go_binary.h"
#include "symbols/dwarf.h"
#include "symbols/layout.h"
#include "symbols/pclntab.h"
#include "symbols/probe_site.h"
#include "symbols/symtab.h"

/* Cold is a few hits a GC cycle: a single-stepped first instruction is acceptable where nothing better exists. */
static const struct {
	const char *symbol;
	bool cold;
	enum go_site after; /* not the prologue: what follows the only call of this site's function; 0 none */
} sites[GO_SITE_CNT] = {
	[GO_SITE_START_CYCLE] = {"runtime.(*gcControllerState).startCycle", true},
	[GO_SITE_END_CYCLE] = {"runtime.(*gcControllerState).endCycle", true},
	[GO_SITE_STOP_WORLD] = {"runtime.stopTheWorldWithSema", true},
	[GO_SITE_START_WORLD] = {"runtime.startTheWorldWithSema", true},
	[GO_SITE_FINISH] = {"runtime.(*gcCPULimiterState).finishGCTransition", true},
	[GO_SITE_ASSIST] = {"runtime.gcAssistAlloc1", false},
	[GO_SITE_PARK] = {"runtime.gcParkAssist", false},
	[GO_SITE_PARK_END] = {"runtime.gcAssistAlloc", false, GO_SITE_PARK},
	[GO_SITE_RUN] = {"runtime.execute", false},
	[GO_SITE_READY] = {"runtime.ready", false},
	[GO_SITE_NETPOLL] = {"runtime.netpollready", false},
	[GO_SITE_NEW] = {"runtime.isSystemGoroutine", false},
	[GO_SITE_PARK_M] = {"runtime.park_m", false},
	[GO_SITE_EXIT] = {"runtime.goexit0", false},
	[GO_SITE_GOSCHED] = {"runtime.goschedImpl", false},
	[GO_SITE_GOYIELD] = {"runtime.goyield_m", false},
	[GO_SITE_PREEMPT] = {"runtime.preemptPark", false},
	[GO_SITE_SYSCALL] = {"runtime.exitsyscall0", false},
};

/* Functions that got another name. */
static const struct {
	enum go_site site;
	const char *symbol;
} renamed[] = {
	{GO_SITE_SYSCALL, "runtime.exitsyscallNoP"}, /* 1.26 */
};

/* Where they are in the list of what is looked up. */
#define NEWPROC1     GO_SITE_CNT
#define RENAMED      (NEWPROC1 + 1)
#define GDESTROY     (RENAMED + ARRAY_SIZE(renamed)) /* 1.22+, part of goexit0 before */
#define FUNCTION_CNT (GDESTROY + 1)

const char *go_site_symbol(enum go_site site)
{
	return (unsigned)site < GO_SITE_CNT ? sites[site].symbol : "unknown";
}

const char *probe_how_text(enum probe_how how)
{
	switch (how) {
	case SITE_PUSH:
		return "push (emulated)";
	case SITE_JBE:
		return "branch of the stack check (emulated)";
	case SITE_STORE:
		return "store of the link register";
	case SITE_FIRST:
		return "first instruction (single-stepped)";
	case SITE_AFTER_CALL:
		return "branch after the call (emulated)";
	case SITE_BRANCH:
		return "first branch (emulated)";
	case SITE_NONE:
		break;
	}
	return "none";
}

const char *binary_layout_text(const struct binary *b)
{
	static const char *const texts[4][3] = {
		[LAYOUT_NONE] = {"no layout", "no layout", "no layout"},
		[LAYOUT_DWARF] = {"DWARF, no addresses", "DWARF, symbol table", "DWARF, code refs"},
		[LAYOUT_TABLE] = {"table, no addresses", "table, symbol table", "table, code refs"},
		[LAYOUT_NEAREST] = {"newest table, no addresses", "newest table, symbol table",
				    "newest table, code refs"},
	};

	return texts[b->layout][b->globals_source];
}

static void find_sites(struct elf_image *img, const struct symbol *functions, const char *table_why, struct binary *b)
{
	for (int i = 0; i < GO_SITE_CNT; i++) {
		const struct symbol *s = &functions[i];

		if (s->vaddr && sites[i].after)
			probe_site_after_call(img, s->vaddr, s->end, functions[sites[i].after].vaddr, &b->sites[i]);
		else if (s->vaddr)
			probe_site_find(img, s->vaddr, s->end, sites[i].cold, &b->sites[i]);
		else if (table_why[0])
			err_why(b->sites[i].why, 0, "%s: %.100s", sites[i].symbol, table_why);
		else
			err_why(b->sites[i].why, 0, "no function %s in the program", sites[i].symbol);
	}
}

static void name_symbols(struct symbol symbols[FUNCTION_CNT + GLOBAL_CNT])
{
	for (int i = 0; i < GO_SITE_CNT; i++)
		symbols[i].name = sites[i].symbol;
	symbols[NEWPROC1].name = "runtime.newproc1";
	symbols[GDESTROY].name = "runtime.gdestroy";
	for (size_t i = 0; i < ARRAY_SIZE(renamed); i++)
		symbols[RENAMED + i].name = renamed[i].symbol;
	for (int i = 0; i < GLOBAL_CNT; i++)
		symbols[FUNCTION_CNT + i].name = globals_symbol(i);
}

static void take_renamed(struct symbol *functions)
{
	for (size_t i = 0; i < ARRAY_SIZE(renamed); i++)
		if (!functions[renamed[i].site].vaddr) {
			functions[renamed[i].site].vaddr = functions[RENAMED + i].vaddr;
			functions[renamed[i].site].end = functions[RENAMED + i].end;
		}
}

/* What the table of functions has and the symbol table did not. */
static int find_functions(struct elf_image *img, const struct pclntab *table, struct symbol *functions,
			  struct binary *b)
{
	int err = 0;

	b->text_vaddr = table->text;
	take_renamed(functions);
	if (!symbol_all_found(functions, RENAMED))
		err = pclntab_find(img, table, functions, FUNCTION_CNT);
	take_renamed(functions);
	if (err != -ENOMEM)
		err = pclntab_find_runtime(img, table, functions[GO_SITE_RUN].vaddr, &b->runtime_from, &b->runtime_to);
	return err == -ENOMEM ? err : 0;
}

static void take_range(const struct symbol *s, uint64_t *from, uint64_t *to)
{
	if (s->end <= s->vaddr)
		return;
	*from = s->vaddr;
	*to = s->end;
}

static int read_symbols(struct elf_image *img, struct binary *b)
{
	struct symbol symbols[FUNCTION_CNT + GLOBAL_CNT] = {{0}};
	char table_why[WHY_SZ] = "";
	struct pclntab table;
	bool functions;
	int err;

	name_symbols(symbols);
	err = symtab_find(img, symbols, ARRAY_SIZE(symbols));
	if (err == -ENOMEM)
		return err;
	functions = pclntab_open(img, &table, table_why) == 0;
	if (functions && find_functions(img, &table, symbols, b) != 0)
		return -ENOMEM;
	take_renamed(symbols);
	find_sites(img, symbols, table_why, b);
	take_range(&symbols[NEWPROC1], &b->newproc1_from, &b->newproc1_to);
	take_range(&symbols[symbols[GDESTROY].vaddr ? GDESTROY : GO_SITE_EXIT], &b->exit_from, &b->exit_to);
	err = globals_take(img, functions ? &table : NULL, symbols + FUNCTION_CNT, b);
	b->moduledata = functions ? table.moduledata : 0;
	return err;
}

static void set_unknown(struct binary *b, const char *why)
{
	for (int i = 0; i < GO_SITE_CNT; i++)
		str_copy(b->sites[i].why, sizeof(b->sites[i].why), why);
	for (int f = 0; f < FIELD_CNT; f++)
		b->fields[f] = -1;
	str_copy(b->layout_why, sizeof(b->layout_why), why);
}

static int read_image(struct elf_image *img, struct binary *b, char *why)
{
	int err;

	b->pie = img->pie;
	b->stripped = !symtab_exists(img);
	b->has_dwarf = dwarf_exists(img);
	b->lowest_vaddr = elf_image_lowest_vaddr(img);
	err = go_binary_read(img, b, why);
	if (err == BINARY_TOO_OLD)
		set_unknown(b, "Go before 1.18 is not supported");
	if (err)
		return err;
	err = layout_read(img, b);
	if (!err)
		err = read_symbols(img, b);
	return err ? err_why(why, err, "out of memory") : 0;
}

static int take_identity(int fd, struct binary *b, char *why)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_why(why, -errno, "cannot look at the executable: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_why(why, BINARY_NOT_ELF, "not a regular file");
	b->dev = st.st_dev;
	b->ino = st.st_ino;
	b->size = (uint64_t)st.st_size;
	b->ctime_ns = (uint64_t)st.st_ctim.tv_sec * NS_PER_SEC + (uint64_t)st.st_ctim.tv_nsec;
	return 0;
}

int binary_read(int fd, struct binary **ret, char *why)
{
	struct binary *b = calloc(1, sizeof(*b)), now;
	struct elf_image img;
	int err;

	if (!b)
		return err_why(why, -ENOMEM, "out of memory");
	err = take_identity(fd, b, why);
	if (err) {
		binary_free(b);
		return err;
	}
	err = elf_image_open(&img, fd, b->size, why);
	if (!err)
		err = read_image(&img, b, why);
	elf_image_close(&img);
	if (err >= 0 && (take_identity(fd, &now, NULL) || now.size != b->size || now.ctime_ns != b->ctime_ns))
		err = err_why(why, -EAGAIN, "the executable changed while it was read");
	if (err == 0 || err == BINARY_TOO_OLD)
		*ret = b;
	else
		binary_free(b);
	return err;
}

struct binary *binary_free(struct binary *b)
{
	free(b);
	return NULL;
}

/* path is `module` itself, or a package below it, also of a later major version (".../v2"). */
static bool is_package_of(const char *path, const char *module)
{
	size_t len = strlen(module);

	return strncmp(path, module, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

bool binary_is_runtime_helper(const struct binary *b)
{
	static const char *const modules[] = {
		"github.com/opencontainers/runc",
		"github.com/containers/conmon",
		"github.com/containers/crun",
		"gvisor.dev/gvisor/runsc",
		"github.com/kata-containers/kata-containers/src/runtime/cmd",
	};
	const char *last = strrchr(b->main_path, '/');

	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		if (is_package_of(b->main_path, modules[i]))
			return true;
	/* every shim is called so: .../containerd/v2/cmd/containerd-shim-runc-v2, runsc's, Kata's */
	return last && str_starts(last + 1, "containerd-shim");
}
