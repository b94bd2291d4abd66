/* SPDX-License-Identifier: BSD-2-Clause */
/* The placement test: each attach point of each Go version and kind of build sits on an instruction that the kernel
 * emulates (amd64) or on the store of the link register (arm64), at the file offset that the segments say, inside of
 * the function that the symbol table says. And prologues by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <capstone/capstone.h>
#include <cmocka.h>

#include "symbols/binary.h"
#include "symbols/probe_site.h"
#include "symbols/symtab.h"
#include "unit/fixture.h"

#define SZ      4096
#define CODE_AT 0x400

static void test_prologues(void **state)
{
	static const struct {
		const char *what;
		uint16_t machine;
		bool cold;
		size_t len;
		const char *code;
		enum probe_how how;
		unsigned at;
	} rows[] = {
		{"1.21+", EM_X86_64, false, 14, "\x49\x3b\x66\x10\x76\x20\x55\x48\x89\xe5\x90\x90\x90\x90", SITE_PUSH,
		 6},
		{"1.21+ long jbe", EM_X86_64, false, 14, "\x49\x3b\x66\x10\x0f\x86\x20\x01\x00\x00\x55\x48\x89\xe5",
		 SITE_PUSH, 10},
		{"1.21+ lea", EM_X86_64, false, 19,
		 "\x4c\x8d\x64\x24\xb0\x4d\x3b\x66\x10\x0f\x86\x20\x01\x00\x00\x55\x48\x89\xe5", SITE_PUSH, 15},
		{"huge frame", EM_X86_64, false, 28,
		 "\x49\x89\xe4\x49\x81\xec\x00\x20\x00\x00\x72\x20\x4d\x3b\x66\x10\x76\x10\x55\x48\x89\xe5\x90\x90\x90"
		 "\x90"
		 "\x90\x90",
		 SITE_PUSH, 18},
		{"system stack", EM_X86_64, false, 10, "\x49\x3b\x66\x18\x76\x20\x55\x48\x89\xe5", SITE_PUSH, 6},
		{"nosplit", EM_X86_64, false, 8, "\x55\x48\x89\xe5\x48\x83\xec\x20", SITE_PUSH, 0},
		{"1.18", EM_X86_64, false, 12, "\x49\x3b\x66\x10\x76\x20\x48\x83\xec\x20\x48\x89", SITE_JBE, 4},
		{"1.18 long", EM_X86_64, false, 14, "\x49\x3b\x66\x10\x0f\x86\x20\x01\x00\x00\x48\x83\xec\x20",
		 SITE_JBE, 4},
		{"1.18 nosplit, cold", EM_X86_64, true, 8, "\x48\x83\xec\x20\x48\x89\x6c\x24", SITE_FIRST, 0},
		{"1.18 nosplit, hot", EM_X86_64, false, 8, "\x48\x83\xec\x20\x48\x89\x6c\x24", SITE_NONE, 0},
		{"jbe of something else", EM_X86_64, false, 8, "\x48\x39\xd8\x76\x20\x90\x90\x90", SITE_NONE, 0},
		{"push behind a call", EM_X86_64, false, 10, "\x90\xe8\x00\x00\x00\x00\x55\x90\x90\x90", SITE_NONE, 0},
		{"push behind a jump", EM_X86_64, false, 10, "\x74\x02\x90\x90\x55\x90\x90\x90\x90\x90", SITE_NONE, 0},
		{"push rbx", EM_X86_64, false, 8, "\x53\x90\x90\x90\x90\x90\x90\xc3", SITE_NONE, 0},
		{"ends before the push", EM_X86_64, false, 6, "\x49\x3b\x66\x10\x76\x20\x55", SITE_JBE, 4},
		{"no code", EM_X86_64, true, 4, "\x06\x06\x06\x06", SITE_NONE, 0},
		{"arm64", EM_AARCH64, false, 20,
		 "\x90\x0b\x40\xf9\xff\x63\x30\xeb\x09\x02\x00\x54\xfe\x0f\x1a\xf8\xfd\x83\x1f\xf8", SITE_STORE, 12},
		{"arm64 huge frame", EM_AARCH64, false, 24,
		 "\x90\x0b\x40\xf9\xf1\x83\x04\xd1\x3f\x02\x10\xeb\x09\x02\x00\x54\xf4\x03\x05\xd1\x9f\x02\x00\x91",
		 SITE_JBE, 12},
		{"arm64 nosplit", EM_AARCH64, false, 8, "\xfe\x0f\x1e\xf8\xfd\x83\x1f\xf8", SITE_STORE, 0},
		{"arm64 leaf, cold", EM_AARCH64, true, 8, "\xe0\x03\x01\xaa\xc0\x03\x5f\xd6", SITE_FIRST, 0},
		{"arm64 leaf, hot", EM_AARCH64, false, 8, "\xe0\x03\x01\xaa\xc0\x03\x5f\xd6", SITE_NONE, 0},
		{"arm64 b.ls of something else", EM_AARCH64, false, 12,
		 "\x1f\x00\x01\xeb\x09\x02\x00\x54\xfe\x0f\x1a\xf8", SITE_NONE, 0},
		{"1.18 leaf: cmp ecx, 114; je", EM_X86_64, false, 9, "\x83\xf9\x72\x74\x02\x90\x90\x90\xc3",
		 SITE_BRANCH, 3},
		{"leaf: jne, long", EM_X86_64, false, 12, "\x83\xf9\x72\x0f\x85\x01\0\0\0\x90\x90\xc3", SITE_BRANCH, 3},
		{"leaf: jb", EM_X86_64, false, 9, "\x83\xf9\x72\x72\x02\x90\x90\x90\xc3", SITE_NONE, 0},
		{"leaf: compares memory", EM_X86_64, false, 9, "\x83\x39\x72\x74\x02\x90\x90\x90\xc3", SITE_NONE, 0},
		{"leaf: compares registers", EM_X86_64, false, 8, "\x39\xd9\x74\x02\x90\x90\x90\xc3", SITE_NONE, 0},
		{"leaf: a loop to its begin", EM_X86_64, false, 8, "\x83\xf9\x72\x74\x02\xeb\xf9\xc3", SITE_NONE, 0},
		{"leaf: a loop to the branch", EM_X86_64, false, 8, "\x83\xf9\x72\x74\x02\xeb\xfc\xc3", SITE_NONE, 0},
		{"leaf: a loop behind it", EM_X86_64, false, 8, "\x83\xf9\x72\x74\x02\xeb\xfe\xc3", SITE_BRANCH, 3},
		{"leaf: no code behind it", EM_X86_64, false, 8, "\x83\xf9\x72\x74\x02\x06\x06\xc3", SITE_NONE, 0},
		{"leaf: ends before the branch", EM_X86_64, false, 3, "\x83\xf9\x72", SITE_NONE, 0},
		{"arm64 leaf: cmp w2, 114; b.eq", EM_AARCH64, false, 12, "\x5f\xc8\x01\x71\x40\0\0\x54\xc0\x03\x5f\xd6",
		 SITE_BRANCH, 4},
		{"arm64 leaf: b.hi", EM_AARCH64, false, 12, "\x5f\xc8\x01\x71\x48\0\0\x54\xc0\x03\x5f\xd6", SITE_NONE,
		 0},
		{"arm64 leaf: a loop to its begin", EM_AARCH64, false, 12,
		 "\x5f\xc8\x01\x71\x40\0\0\x54\xfe\xff\xff\x17", SITE_NONE, 0},
		{"arm64 leaf: only the comparison", EM_AARCH64, false, 4, "\x5f\xc8\x01\x71", SITE_NONE, 0},
		{"arm64 zeros", EM_AARCH64, true, 8, "\0\0\0\0\0\0\0\0", SITE_NONE, 0},
	};
	uint8_t buf[SZ];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t entry = FIXTURE_VADDR + CODE_AT;
		struct elf_image img;
		struct probe_site s;
		int fd;

		fixture_elf(buf, sizeof(buf), rows[i].machine, PF_R | PF_X);
		memcpy(buf + CODE_AT, rows[i].code, rows[i].len);
		fd = fixture_memfd(buf, sizeof(buf));
		assert_int_equal(elf_image_open(&img, fd, sizeof(buf), NULL), 0);
		probe_site_find(&img, entry, entry + rows[i].len, rows[i].cold, &s);
		if (s.how != rows[i].how)
			fail_msg("%s: %s, want %s", rows[i].what, probe_how_text(s.how), probe_how_text(rows[i].how));
		if (s.how == SITE_NONE)
			assert_true(s.why[0] && !s.file_offset);
		else if (s.vaddr != entry + rows[i].at || s.file_offset != CODE_AT + rows[i].at)
			fail_msg("%s: at +%ld", rows[i].what, (long)(s.vaddr - entry));
		probe_site_find(&img, FIXTURE_VADDR + SZ, 0, true, &s);
		assert_int_equal(s.how, SITE_NONE);
		probe_site_find(&img, FIXTURE_VADDR + SZ - 1, UINT64_MAX, false, &s);
		assert_int_equal(s.how, SITE_NONE);
		elf_image_close(&img);
		close(fd);
	}
}

static void test_not_code(void **state)
{
	uint8_t buf[SZ];
	struct elf_image img;
	struct probe_site s;
	int fd;

	fixture_elf(buf, sizeof(buf), EM_X86_64, PF_R | PF_W);
	memcpy(buf + CODE_AT, "\x55\x48\x89\xe5", 4);
	fd = fixture_memfd(buf, sizeof(buf));
	assert_int_equal(elf_image_open(&img, fd, sizeof(buf), NULL), 0);
	probe_site_find(&img, FIXTURE_VADDR + CODE_AT, FIXTURE_VADDR + CODE_AT + 4, true, &s);
	assert_int_equal(s.how, SITE_NONE);
	assert_non_null(strstr(s.why, "executable"));
	elf_image_close(&img);
	close(fd);
}

/* Behind a call: `callee` is CALLEE bytes behind the first one. */
#define CALLEE 0x100

static void test_after_call(void **state)
{
	static const struct {
		const char *what;
		uint16_t machine;
		size_t len;
		const char *code;
		int at; /* -1: refused */
	} rows[] = {
		{"1.21+", EM_X86_64, 14, "\x90\xe8\xfa\0\0\0\x84\xc0\x74\x02\xc3\x90\xc3\x90", 8},
		{"long je", EM_X86_64, 18, "\x90\xe8\xfa\0\0\0\x84\xc0\x0f\x84\xf2\xff\xff\xff\xc3\x90\xc3\x90", 8},
		{"jne", EM_X86_64, 14, "\x90\xe8\xfa\0\0\0\x84\xc0\x75\x02\xc3\x90\xc3\x90", 8},
		{"1.19: xchg ax, ax", EM_X86_64, 14, "\x90\xe8\xfa\0\0\0\x66\x90\x84\xc0\x74\x01\xc3\xc3", 10},
		{"1.18: nopl", EM_X86_64, 19, "\x90\xe8\xfa\0\0\0\x0f\x1f\x44\0\0\x84\xc0\x74\x01\xc3\xc3\x90\x90", 13},
		{"kept elsewhere first", EM_X86_64, 16, "\x90\xe8\xfa\0\0\0\x88\x44\x24\x08\x84\xc0\x74\x01\xc3\xc3",
		 -1},
		{"another register", EM_X86_64, 12, "\x90\xe8\xfa\0\0\0\x84\xc9\x74\x01\xc3\xc3", -1},
		{"another branch", EM_X86_64, 12, "\x90\xe8\xfa\0\0\0\x84\xc0\x72\x01\xc3\xc3", -1},
		{"another callee", EM_X86_64, 12, "\x90\xe8\xfb\0\0\0\x84\xc0\x74\x01\xc3\xc3", -1},
		{"called twice", EM_X86_64, 17, "\x90\xe8\xfa\0\0\0\x84\xc0\x74\x01\xc3\xe8\xf0\0\0\0\xc3", -1},
		{"not tested", EM_X86_64, 10, "\x90\xe8\xfa\0\0\0\x74\x01\xc3\xc3", -1},
		{"ends before the branch", EM_X86_64, 8, "\x90\xe8\xfa\0\0\0\x84\xc0", -1},
		{"somebody jumps to the test", EM_X86_64, 14, "\xeb\x05\xe8\xf9\0\0\0\x84\xc0\x74\x02\xc3\x90\xc3", -1},
		{"somebody jumps to the branch", EM_X86_64, 14, "\xeb\x07\xe8\xf9\0\0\0\x84\xc0\x74\x02\xc3\x90\xc3",
		 -1},
		{"jumps around it", EM_X86_64, 14, "\xeb\x09\xe8\xf9\0\0\0\x84\xc0\x74\x02\xc3\x90\xc3", 9},
		{"no code behind it", EM_X86_64, 12, "\x90\xe8\xfa\0\0\0\x84\xc0\x74\x00\x06\x06", -1},
		{"arm64 tbz", EM_AARCH64, 16, "\x1f\x20\x03\xd5\x3f\0\0\x94\x40\0\0\x36\xc0\x03\x5f\xd6", 8},
		{"arm64 cbz", EM_AARCH64, 16, "\x1f\x20\x03\xd5\x3f\0\0\x94\x40\0\0\x34\xc0\x03\x5f\xd6", 8},
		{"arm64 tbz of w1", EM_AARCH64, 16, "\x1f\x20\x03\xd5\x3f\0\0\x94\x41\0\0\x36\xc0\x03\x5f\xd6", -1},
		{"arm64 somebody jumps to it", EM_AARCH64, 16, "\x02\0\0\x14\x3f\0\0\x94\x40\0\0\x36\xc0\x03\x5f\xd6",
		 -1},
		{"arm64 backwards", EM_AARCH64, 16, "\x1f\x20\x03\xd5\x3f\0\0\x94\x40\0\0\x36\xff\xff\xff\x17", -1},
		{"arm64 called twice", EM_AARCH64, 16, "\x40\0\0\x94\x3f\0\0\x94\x40\0\0\x36\xc0\x03\x5f\xd6", -1},
	};
	uint64_t entry = FIXTURE_VADDR + CODE_AT;
	uint8_t buf[SZ];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int want = rows[i].at, fd;
		struct elf_image img;
		struct probe_site s;

		fixture_elf(buf, sizeof(buf), rows[i].machine, PF_R | PF_X);
		memcpy(buf + CODE_AT, rows[i].code, rows[i].len);
		fd = fixture_memfd(buf, sizeof(buf));
		assert_int_equal(elf_image_open(&img, fd, sizeof(buf), NULL), 0);
		probe_site_after_call(&img, entry, entry + rows[i].len, entry + CALLEE, &s);
		if ((s.how == SITE_AFTER_CALL) != (want >= 0) || (want >= 0 && s.vaddr != entry + (uint64_t)want))
			fail_msg("%s: %s at +%ld", rows[i].what, probe_how_text(s.how), (long)(s.vaddr - entry));
		assert_true(want >= 0 ? s.file_offset == CODE_AT + (uint64_t)want : s.why[0] && !s.file_offset);
		probe_site_after_call(&img, entry, entry + rows[i].len, 0, &s);
		assert_int_equal(s.how, SITE_NONE);
		probe_site_after_call(&img, entry, entry, entry + CALLEE, &s);
		assert_int_equal(s.how, SITE_NONE);
		probe_site_after_call(&img, entry, UINT64_MAX, entry + CALLEE, &s);
		assert_int_equal(s.how, SITE_NONE);
		probe_site_after_call(&img, FIXTURE_VADDR + SZ - 1, FIXTURE_VADDR + SZ, entry + CALLEE, &s);
		assert_int_equal(s.how, SITE_NONE);
		elf_image_close(&img);
		close(fd);
	}
}

/* The bytes at the file offset, judged without the disassembler. */
static bool bytes_fit(const uint8_t *p, enum probe_how how, const char *arch)
{
	if (how == SITE_AFTER_CALL && strcmp(arch, "arm64") == 0)
		return (elf_u32(p) & 0xff00001f) == 0x36000000; /* tbz w0, #0 */
	if (how == SITE_AFTER_CALL)
		return p[-2] == 0x84 && p[-1] == 0xc0 && (p[0] == 0x74 || (p[0] == 0x0f && p[1] == 0x84));
	if (how == SITE_BRANCH && strcmp(arch, "arm64") == 0)
		return elf_u32(p - 4) == 0x7101c85f && (elf_u32(p) & 0xff00001f) == 0x54000000; /* cmp w2, 'r'; b.eq */
	if (how == SITE_BRANCH)
		return p[-3] == 0x83 && p[-2] == 0xf9 && p[-1] == 'r' && p[0] == 0x74;
	if (strcmp(arch, "arm64") == 0)
		return how == SITE_STORE && (elf_u32(p) & 0xffe00fff) == 0xf8000ffe;
	if (how == SITE_PUSH)
		return p[0] == 0x55;
	return how == SITE_JBE && (p[0] == 0x76 || (p[0] == 0x0f && p[1] == 0x86)) &&
	       (p[-1] == 0x10 || p[-1] == 0x18) && p[-2] == 0x66;
}

static void read_fixture(const char *version, const char *variant, int *fd, struct binary **b)
{
	char why[WHY_SZ] = "";

	*fd = fixture_open(version, variant);
	assert_true(*fd >= 0);
	if (binary_read(*fd, b, why) != 0)
		fail_msg("%s %s: %s", version, variant, why);
}

#define NEWPROC1 GO_SITE_CNT
#define SYM_CNT  (NEWPROC1 + 1)

static void functions_of(int fd, int minor, struct symbol *s)
{
	struct elf_image img;

	memset(s, 0, SYM_CNT * sizeof(*s));
	for (int i = 0; i < GO_SITE_CNT; i++)
		s[i].name = go_site_symbol(i);
	if (minor >= 26)
		s[GO_SITE_SYSCALL].name = "runtime.exitsyscallNoP";
	s[NEWPROC1].name = "runtime.newproc1";
	assert_int_equal(elf_image_open(&img, fd, (uint64_t)lseek(fd, 0, SEEK_END), NULL), 0);
	assert_int_equal(symtab_find(&img, s, SYM_CNT), 0);
	elf_image_close(&img);
}

/* What kind of site each function has: on amd64 the push, before 1.21 the branch of the stack check; on arm64 the
 * store. netpollready had no frame before 1.22, gcAssistAlloc's is behind a call. None is single-stepped. */
static enum probe_how how_of(enum go_site site, const struct binary *b)
{
	if (site == GO_SITE_PARK_END)
		return SITE_AFTER_CALL;
	if (site == GO_SITE_NETPOLL && b->go_minor < 22)
		return SITE_BRANCH;
	if (strcmp(b->arch, "arm64") == 0)
		return SITE_STORE;
	return b->go_minor < 21 ? SITE_JBE : SITE_PUSH;
}

/* truth: where the symbol table of this or of the equal unstripped program has the functions */
static void check_sites(const char *version, const char *variant, const struct symbol *truth, int fd,
			const struct binary *b)
{
	for (int i = 0; i < GO_SITE_CNT; i++) {
		const struct probe_site *s = &b->sites[i];
		uint8_t p[12] = {0};

		if (i == GO_SITE_FINISH && b->go_minor < 19) {
			assert_int_equal(s->how, SITE_NONE); /* not there yet */
			continue;
		}
		if (s->how == SITE_NONE)
			fail_msg("%s %s %s: %s", version, variant, go_site_symbol(i), s->why);
		assert_int_equal(pread(fd, p, sizeof(p), (off_t)s->file_offset - 4), sizeof(p));
		if (!bytes_fit(p + 4, s->how, b->arch) || s->how != how_of(i, b))
			fail_msg("%s %s %s: %s on %02x %02x", version, variant, go_site_symbol(i),
				 probe_how_text(s->how), p[4], p[5]);
		if (i == GO_SITE_PARK_END && (s->vaddr <= truth[i].vaddr || s->vaddr >= truth[i].end))
			fail_msg("%s %s: %lx is not in gcAssistAlloc", version, variant, (long)s->vaddr);
		if (i != GO_SITE_PARK_END &&
		    (s->vaddr < truth[i].vaddr || s->vaddr - truth[i].vaddr > 23 || s->vaddr >= truth[i].end))
			fail_msg("%s %s %s: site %lx, function %lx", version, variant, go_site_symbol(i),
				 (long)s->vaddr, (long)truth[i].vaddr);
	}
}

static unsigned int count_calls(csh cs, const uint8_t *p, size_t len, uint64_t addr, uint64_t end, uint64_t callee)
{
	cs_insn *in = cs_malloc(cs);
	unsigned int cnt = 0;

	while (addr < end && cs_disasm_iter(cs, &p, &len, &addr, in)) {
		bool call = in->id == X86_INS_CALL, immediate = call && in->detail->x86.operands[0].type == X86_OP_IMM;

		cnt += immediate && (uint64_t)in->detail->x86.operands[0].imm == callee;
	}
	assert_int_equal(addr, end);
	cs_free(in, 1);
	return cnt;
}

static unsigned int count_calls_arm64(const uint8_t *p, size_t len, uint64_t addr, uint64_t callee)
{
	unsigned int cnt = 0;

	for (size_t i = 0; i + 4 <= len; i += 4) {
		uint32_t in = elf_u32(p + i);
		int64_t to = (int64_t)(addr + i) + ((int64_t)(int32_t)(in << 6) >> 6) * 4;

		cnt += in >> 26 == 0x25 && (uint64_t)to == callee; /* bl */
	}
	return cnt;
}

/* newproc1 asks isSystemGoroutine exactly once about each new goroutine: one call, and it is not inlined. */
static void check_newproc1(const char *what, const struct symbol *truth, int fd, const struct binary *b)
{
	uint64_t from = truth[NEWPROC1].vaddr, to = truth[NEWPROC1].end, callee = truth[GO_SITE_NEW].vaddr;
	uint8_t code[8192];
	struct elf_image img;
	unsigned int cnt;
	csh cs;

	if (!from || b->newproc1_from != from || b->newproc1_to < to || b->newproc1_to - to > 64)
		fail_msg("%s: newproc1 at %lx..%lx, not %lx..%lx", what, (long)b->newproc1_from, (long)b->newproc1_to,
			 (long)from, (long)to);
	assert_true(to - from <= sizeof(code));
	assert_int_equal(elf_image_open(&img, fd, (uint64_t)lseek(fd, 0, SEEK_END), NULL), 0);
	assert_int_equal(elf_image_read_vaddr(&img, from, code, to - from), 0);
	elf_image_close(&img);
	if (strcmp(b->arch, "arm64") == 0) {
		cnt = count_calls_arm64(code, to - from, from, callee);
	} else {
		assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &cs), CS_ERR_OK);
		cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
		cnt = count_calls(cs, code, to - from, from, to, callee);
		cs_close(&cs);
	}
	if (cnt != 1)
		fail_msg("%s: newproc1 calls isSystemGoroutine %u times", what, cnt);
}

static void test_placement(void **state)
{
	static const char *const versions[] = {"1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12",
					       "1.23.12", "1.24.13", "1.25.5",  "1.26.8",  "1.27.4"};
	static const char *const variants[] = {"plain", "stripped", "pie", "cgo", "arm64"};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		struct symbol truth[SYM_CNT];

		for (size_t j = 0; j < sizeof(variants) / sizeof(variants[0]); j++) {
			struct binary *b;
			char what[64];
			int fd;

			snprintf(what, sizeof(what), "%s %s", versions[i], variants[j]);
			read_fixture(versions[i], variants[j], &fd, &b);
			if (j != 1) /* -s -w does not move code: the plain program before it is the truth */
				functions_of(fd, b->go_minor, truth);
			check_sites(versions[i], variants[j], truth, fd, b);
			check_newproc1(what, truth, fd, b);
			binary_free(b);
			close(fd);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prologues),
		cmocka_unit_test(test_not_code),
		cmocka_unit_test(test_after_call),
		cmocka_unit_test(test_placement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
