/* SPDX-License-Identifier: BSD-2-Clause */
/* Where in a Go function the probe goes. The kernel emulates `push` and conditional jumps, everything else on amd64 is
 * single-stepped out of line at 6 to 30 times the cost; and behind the stack check a call hits once, while the first
 * instruction is met again after the stack grew. All arguments are still in their registers there.
 *   amd64 1.21+:     cmp rsp,[r14+16]; jbe; push rbp      the push (nosplit functions begin with it)
 *   amd64 1.18-1.20: cmp rsp,[r14+16]; jbe; sub rsp,N     the jbe, whose taken hits are dropped
 *   arm64:           ldr x16,[x28,#16]; cmp sp,x16; b.ls; str x30,[sp,#-N]!    the store, else the b.ls (big frames)
 * Frames above 128 bytes compare r12 (x17) = sp - N instead, frames above some kilobytes check that for wrap-around
 * with a `jb` (`b.lo`) of their own. Functions that always run on a system stack compare with the word behind (+24).
 * Functions without a frame (netpollready up to Go 1.21) that begin with a comparison of an argument have the branch on
 * it: hits of both outcomes count, none is met again.
 * The end of a call whose RETs are too dear is seen behind it, in the caller: a `jcc` (amd64, after `test al, al`) or
 * `tbz` (arm64) on what it gave back, which the kernel emulates as well.
 * The decoded bytes must be in the file's executable segment and inside of the function; anything unexpected ends the
 * search. */
#include "symbols/probe_site.h"

#include <capstone/capstone.h>
#include <string.h>

#define CODE_SZ     64
#define BODY_SZ     4096 /* gcAssistAlloc has 600 to 1,200 bytes in Go 1.18-1.27 */
#define PUSH_WITHIN 24   /* measured: +0, +6, +10, +15, +18 */
#define GUARD_0     0x10 /* g.stackguard0 */
#define GUARD_1     0x18 /* g.stackguard1: functions of the system stack */

struct code {
	uint8_t bytes[CODE_SZ];
	size_t len;
	uint64_t vaddr;
};

static bool is_guard_compare(const cs_insn *in)
{
	const cs_x86_op *op = &in->detail->x86.operands[1];

	return in->id == X86_INS_CMP && in->detail->x86.op_count == 2 && op->type == X86_OP_MEM &&
	       op->mem.base == X86_REG_R14 && op->mem.index == X86_REG_INVALID &&
	       (op->mem.disp == GUARD_0 || op->mem.disp == GUARD_1);
}

static bool is_push_rbp(const cs_insn *in)
{
	return in->id == X86_INS_PUSH && in->detail->x86.operands[0].type == X86_OP_REG &&
	       in->detail->x86.operands[0].reg == X86_REG_RBP;
}

static bool is_flow(csh cs, const cs_insn *in)
{
	return cs_insn_group(cs, in, CS_GRP_JUMP) || cs_insn_group(cs, in, CS_GRP_CALL) ||
	       cs_insn_group(cs, in, CS_GRP_RET) || cs_insn_group(cs, in, CS_GRP_INT);
}

/* Offset of the site in the code; how is SITE_NONE if there is none. */
static size_t decode_amd64(csh cs, const struct code *c, enum probe_how *how)
{
	const uint8_t *p = c->bytes;
	size_t len = c->len, jbe = 0;
	uint64_t addr = c->vaddr;
	bool guarded = false, lowered = false;
	cs_insn *in = cs_malloc(cs);

	*how = SITE_NONE;
	while (in && addr - c->vaddr < PUSH_WITHIN + 8 && cs_disasm_iter(cs, &p, &len, &addr, in)) {
		size_t at = (size_t)(in->address - c->vaddr);

		if (is_push_rbp(in) && at < PUSH_WITHIN) {
			*how = SITE_PUSH;
			jbe = at;
			break;
		}
		if (in->id == X86_INS_JBE && guarded && *how == SITE_NONE) {
			*how = SITE_JBE;
			jbe = at;
		} else if (is_flow(cs, in) && !(in->id == X86_INS_JB && lowered)) {
			break;
		}
		guarded = is_guard_compare(in);
		lowered = in->id == X86_INS_SUB;
	}
	if (in)
		cs_free(in, 1);
	return jbe;
}

/* Length of the first instruction, 0 if the bytes are none. */
static size_t first_length(csh cs, const struct code *c)
{
	const uint8_t *p = c->bytes;
	size_t len = c->len;
	uint64_t addr = c->vaddr;
	cs_insn *in = cs_malloc(cs);

	if (in && cs_disasm_iter(cs, &p, &len, &addr, in))
		len = in->size;
	else
		len = 0;
	if (in)
		cs_free(in, 1);
	return len;
}

static int find_amd64(const struct code *c, bool cold, size_t *at, enum probe_how *how)
{
	csh cs;

	if (cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK)
		return -ENOMEM;
	cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
	*at = decode_amd64(cs, c, how);
	if (*how == SITE_NONE && cold && first_length(cs, c) > 0) {
		*how = SITE_FIRST;
		*at = 0;
	}
	cs_close(&cs);
	return 0;
}

/* arm64 instructions have a fixed width: masks say all that is needed. */
static bool is_store_lr(uint32_t in) /* str x30, [sp, #-N]! */
{
	return (in & 0xfff00fffu) == 0xf8100ffeu;
}
static bool is_guard_load(uint32_t in) /* ldr x16, [x28, #16 or #24] */
{
	return in == 0xf9400b90u || in == 0xf9400f90u;
}
static bool is_guard_compare_arm64(uint32_t in) /* cmp sp, x16; cmp x17, x16 */
{
	return in == 0xeb3063ffu || in == 0xeb10023fu;
}
static bool is_branch_if(uint32_t in, unsigned cond)
{
	return (in & 0xff00001fu) == (0x54000000u | cond);
}
static bool is_flow_arm64(uint32_t in)
{
	return (in & 0x1c000000u) == 0x14000000u; /* branches, exceptions, system instructions */
}

#define COND_EQ 0
#define COND_NE 1
#define COND_LO 3
#define COND_LS 9

static void find_arm64(const struct code *c, bool cold, size_t *at, enum probe_how *how)
{
	bool loaded = false, compared = false;

	*how = SITE_NONE;
	*at = 0;
	for (size_t i = 0; i + 4 <= c->len && i < 48; i += 4) {
		uint32_t in = elf_u32(c->bytes + i);

		if (is_store_lr(in)) {
			*how = SITE_STORE;
			*at = i;
			return;
		}
		if (is_branch_if(in, COND_LS) && compared && *how == SITE_NONE) {
			*how = SITE_JBE;
			*at = i;
		} else if (is_flow_arm64(in) && !(is_branch_if(in, COND_LO) && loaded)) {
			break;
		}
		compared = loaded && is_guard_compare_arm64(in);
		loaded |= is_guard_load(in);
	}
	/* the instruction space with top byte 0 is reserved: such bytes are no code */
	if (*how == SITE_NONE && cold && c->len >= 4 && (elf_u32(c->bytes) >> 24) != 0)
		*how = SITE_FIRST;
}

static void refuse(struct probe_site *ret, const char *why)
{
	*ret = (struct probe_site){.how = SITE_NONE};
	err_why(ret->why, 0, "%s", why);
}

/* Bytes of [entry, end) in an executable segment, at most max of them; the segment, or NULL. */
static const struct elf_segment *find_code(const struct elf_image *img, uint64_t entry, uint64_t end, size_t max,
					   size_t *len)
{
	const struct elf_segment *seg = elf_image_find_load(img, entry, 1);
	uint64_t room;

	if (!seg || !(seg->flags & PF_X))
		return NULL;
	room = seg->filesz - (entry - seg->vaddr);
	if (end > entry && end - entry < room)
		room = end - entry;
	*len = room < max ? (size_t)room : max;
	return seg;
}

/* ---- behind a call --------------------------------------------------------------------------------------- */

/* A whole function, and what was found in it. */
struct body {
	uint8_t bytes[BODY_SZ];
	size_t len;
	uint64_t vaddr, callee;
	uint64_t call; /* its address, 0 none yet; nobody may jump behind it, up to the site */
	uint64_t site; /* the branch behind it, 0 none */
	unsigned int calls;
	bool tested; /* `test al, al` came behind the call */
};

/* Where a jump goes, 0 unknown (through a register or memory). */
static uint64_t x86_target(csh cs, const cs_insn *in)
{
	const cs_x86_op *op = &in->detail->x86.operands[0];

	if (!cs_insn_group(cs, in, CS_GRP_JUMP) && in->id != X86_INS_CALL)
		return 0;
	return in->detail->x86.op_count == 1 && op->type == X86_OP_IMM ? (uint64_t)op->imm : 0;
}

static bool is_test_al(const cs_insn *in)
{
	const cs_x86_op *op = in->detail->x86.operands;

	return in->id == X86_INS_TEST && in->detail->x86.op_count == 2 && op[0].type == X86_OP_REG &&
	       op[1].type == X86_OP_REG && op[0].reg == X86_REG_AL && op[1].reg == X86_REG_AL;
}

/* Go aligns the targets of jumps with them. */
static bool is_padding(const cs_insn *in)
{
	const cs_x86_op *op = in->detail->x86.operands;

	return in->id == X86_INS_NOP || (in->id == X86_INS_XCHG && op[0].type == X86_OP_REG &&
					 op[1].type == X86_OP_REG && op[0].reg == op[1].reg);
}

static void walk_amd64(csh cs, struct body *b, cs_insn *in, bool (*visit)(csh cs, struct body *b, const cs_insn *in),
		       bool *whole)
{
	const uint8_t *p = b->bytes;
	uint64_t addr = b->vaddr;
	size_t len = b->len;

	*whole = true;
	while (len && *whole)
		*whole = cs_disasm_iter(cs, &p, &len, &addr, in) && visit(cs, b, in);
}

/* call callee; [nop;] test al, al; je or jne */
static bool visit_call(csh cs, struct body *b, const cs_insn *in)
{
	bool called = b->call && !b->site, tested = called && b->tested;

	if (in->id == X86_INS_CALL && x86_target(cs, in) == b->callee) {
		b->calls++;
		b->call = in->address;
		b->tested = false;
	} else if (tested && (in->id == X86_INS_JE || in->id == X86_INS_JNE)) {
		b->site = in->address;
	} else if (called && !tested && is_test_al(in)) {
		b->tested = true;
	} else if (called && (tested || !is_padding(in))) {
		return false; /* something else is done with it */
	}
	return true;
}

/* Nobody comes to the branch but from the call. */
static bool visit_target(csh cs, struct body *b, const cs_insn *in)
{
	uint64_t target = x86_target(cs, in);

	return target <= b->call || target > b->site;
}

/* The branch that `visit` finds, behind so many calls, and that nobody else comes to. */
static bool find_branch_amd64(struct body *b, bool (*visit)(csh cs, struct body *b, const cs_insn *in),
			      unsigned int calls)
{
	cs_insn *in;
	bool whole = false;
	csh cs;

	if (cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK)
		return false;
	cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
	in = cs_malloc(cs);
	if (in)
		walk_amd64(cs, b, in, visit, &whole);
	if (in && whole && b->site && b->calls == calls)
		walk_amd64(cs, b, in, visit_target, &whole);
	if (in)
		cs_free(in, 1);
	cs_close(&cs);
	return whole && b->site && b->calls == calls;
}

static bool after_call_amd64(struct body *b)
{
	return find_branch_amd64(b, visit_call, 1);
}

/* A signed field of `bits` bits from bit `low`, in instructions. */
static int64_t arm64_offset(uint32_t in, unsigned int low, unsigned int bits)
{
	return ((int64_t)(int32_t)(in << (32 - low - bits)) >> (32 - bits)) * 4;
}

/* tbz, tbnz, cbz, cbnz */
static bool is_test_branch(uint32_t in)
{
	return (in & 0x7c000000u) == 0x34000000u;
}

/* 0: no branch, or through a register */
static uint64_t arm64_target(uint64_t addr, uint32_t in)
{
	if ((in & 0x7c000000u) == 0x14000000u) /* b, bl */
		return addr + (uint64_t)arm64_offset(in, 0, 26);
	if ((in & 0x7e000000u) == 0x36000000u) /* tbz, tbnz */
		return addr + (uint64_t)arm64_offset(in, 5, 14);
	if ((in & 0x7e000000u) == 0x34000000u || (in & 0xff000000u) == 0x54000000u) /* cbz, cbnz; b.cond */
		return addr + (uint64_t)arm64_offset(in, 5, 19);
	return 0;
}

static bool after_call_arm64(struct body *b)
{
	for (size_t i = 0; i + 8 <= b->len; i += 4) {
		uint32_t in = elf_u32(b->bytes + i), next = elf_u32(b->bytes + i + 4);

		if (in >> 26 != 0x25 || arm64_target(b->vaddr + i, in) != b->callee)
			continue;
		b->calls++;
		if (is_test_branch(next) && !(next & 0x1f)) /* of w0 or x0 */
			b->site = b->vaddr + i + 4;
	}
	for (size_t i = 0; i + 4 <= b->len; i += 4)
		if (b->site && arm64_target(b->vaddr + i, elf_u32(b->bytes + i)) == b->site)
			return false;
	return b->site && b->calls == 1;
}

void probe_site_after_call(struct elf_image *img, uint64_t entry, uint64_t end, uint64_t callee, struct probe_site *ret)
{
	struct body b = {.vaddr = entry, .callee = callee};
	const struct elf_segment *seg = find_code(img, entry, end, BODY_SZ, &b.len);
	bool found;

	if (!seg || !callee)
		return refuse(ret, "the function's address is not in an executable segment");
	if (end <= entry || end - entry > b.len)
		return refuse(ret, "the function is longer than any that is known");
	if (elf_image_read(img, entry - seg->vaddr + seg->offset, b.bytes, b.len) != 0)
		return refuse(ret, "the function's code cannot be read");
	found = img->machine == EM_AARCH64 ? after_call_arm64(&b) : after_call_amd64(&b);
	if (!found)
		return refuse(ret, "no branch on what its call gives back: no instruction to probe");
	*ret = (struct probe_site){
		.vaddr = b.site, .how = SITE_AFTER_CALL, .file_offset = b.site - seg->vaddr + seg->offset};
}

/* ---- the first branch ------------------------------------------------------------------------------------ */

/* cmp ecx, 114; je: the two first instructions */
static bool visit_first(csh cs, struct body *b, const cs_insn *in)
{
	const cs_x86_op *op = in->detail->x86.operands;

	(void)cs;
	if (in->address == b->vaddr)
		return in->id == X86_INS_CMP && op[0].type == X86_OP_REG && op[1].type == X86_OP_IMM;
	if (!b->site && in->id != X86_INS_JE && in->id != X86_INS_JNE)
		return false;
	if (!b->site)
		b->site = in->address;
	return true;
}

static bool first_branch_amd64(struct body *b)
{
	return find_branch_amd64(b, visit_first, 0);
}

static bool first_branch_arm64(struct body *b)
{
	uint32_t compare, branch;

	if (b->len < 8)
		return false;
	compare = elf_u32(b->bytes);
	branch = elf_u32(b->bytes + 4);
	if ((compare & 0x7f80001fu) != 0x7100001fu ||
	    (!is_branch_if(branch, COND_EQ) && !is_branch_if(branch, COND_NE)))
		return false;
	b->site = b->vaddr + 4;
	for (size_t i = 0; i + 4 <= b->len; i += 4) {
		uint64_t target = arm64_target(b->vaddr + i, elf_u32(b->bytes + i));

		if (target >= b->vaddr && target <= b->site)
			return false;
	}
	return true;
}

/* Address of the branch, 0 if the function has none that fits */
static uint64_t find_first_branch(struct elf_image *img, uint64_t entry, uint64_t end)
{
	struct body b = {.vaddr = entry, .call = entry - 1};
	const struct elf_segment *seg = find_code(img, entry, end, BODY_SZ, &b.len);

	if (!seg || end <= entry || end - entry > b.len ||
	    elf_image_read(img, entry - seg->vaddr + seg->offset, b.bytes, b.len) != 0)
		return 0;
	return (img->machine == EM_AARCH64 ? first_branch_arm64(&b) : first_branch_amd64(&b)) ? b.site : 0;
}

void probe_site_find(struct elf_image *img, uint64_t entry, uint64_t end, bool cold, struct probe_site *ret)
{
	struct code c = {.vaddr = entry};
	const struct elf_segment *seg = find_code(img, entry, end, CODE_SZ, &c.len);
	enum probe_how how;
	size_t at;

	if (!seg)
		return refuse(ret, "the function's address is not in an executable segment");
	if (elf_image_read(img, entry - seg->vaddr + seg->offset, c.bytes, c.len) != 0)
		return refuse(ret, "the function's code cannot be read");
	if (img->machine == EM_AARCH64)
		find_arm64(&c, cold, &at, &how);
	else if (find_amd64(&c, cold, &at, &how) != 0)
		return refuse(ret, "the disassembler did not start");
	if (how == SITE_NONE) {
		uint64_t branch = find_first_branch(img, entry, end);

		how = branch ? SITE_BRANCH : SITE_NONE;
		at = branch ? branch - entry : 0;
	}
	if (how == SITE_NONE)
		return refuse(ret, "the function does not begin as Go functions do: no instruction to probe");
	*ret = (struct probe_site){
		.vaddr = entry + at, .how = how, .file_offset = entry + at - seg->vaddr + seg->offset};
}
