/* SPDX-License-Identifier: BSD-2-Clause */
/* amd64: Go addresses its variables relative to rip, in any instruction with a memory operand, so that each one must be
 * decoded (capstone, which probe_site.c has already). arm64: the assembler writes each reference as two neighbouring
 * instructions, adrp (page of the address, into a register) and an addition, load or store with the rest; a mask and
 * the register's number tell. Branches are not references. */
#include "symbols/code_refs.h"

#include <capstone/capstone.h>
#include <errno.h>
#include <stdlib.h>

#define PAGE_4K 0xfffull

struct code_refs {
	uint16_t machine;
	csh cs;      /* amd64 */
	cs_insn *in; /* owned */
	uint8_t code[CODE_REFS_FUNCTION_MAX];
};

int code_refs_open(const struct elf_image *img, struct code_refs **ret)
{
	struct code_refs *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->machine = img->machine;
	if (img->machine == EM_X86_64) {
		if (cs_open(CS_ARCH_X86, CS_MODE_64, &r->cs) != CS_ERR_OK) {
			free(r);
			return -ENOMEM;
		}
		cs_option(r->cs, CS_OPT_DETAIL, CS_OPT_ON);
		r->in = cs_malloc(r->cs);
		if (!r->in) {
			code_refs_close(r);
			return -ENOMEM;
		}
	}
	*ret = r;
	return 0;
}

struct code_refs *code_refs_close(struct code_refs *r)
{
	if (!r)
		return NULL;
	if (r->in)
		cs_free(r->in, 1);
	if (r->cs)
		cs_close(&r->cs);
	free(r);
	return NULL;
}

static bool rip_target(const cs_insn *in, uint64_t *ret)
{
	const cs_x86 *x = &in->detail->x86;

	for (unsigned i = 0; i < x->op_count; i++) {
		if (x->operands[i].type == X86_OP_MEM && x->operands[i].mem.base == X86_REG_RIP) {
			*ret = in->address + in->size + (uint64_t)x->operands[i].mem.disp;
			return true;
		}
	}
	return false;
}

static unsigned list_amd64(struct code_refs *r, uint64_t addr, size_t len, uint64_t *targets)
{
	const uint8_t *p = r->code;
	unsigned cnt = 0;

	while (cnt < CODE_REFS_MAX && len > 0 && cs_disasm_iter(r->cs, &p, &len, &addr, r->in))
		cnt += rip_target(r->in, &targets[cnt]);
	return cnt;
}

/* The bits of an address within its page that the second instruction of a pair adds; false if it is none. */
static bool low_bits(uint32_t in, unsigned reg, uint64_t *ret)
{
	uint64_t imm = in >> 10 & 0xfff;
	unsigned scale = in >> 30;

	if ((in >> 5 & 31) != reg)
		return false;
	if ((in & 0xffc00000u) == 0x91000000u) { /* add xd, xn, #imm */
		*ret = imm;
		return true;
	}
	if ((in & 0x3b000000u) != 0x39000000u) /* loads and stores with an unsigned offset, also of vector registers */
		return false;
	if ((in & 0x04800000u) == 0x04800000u && scale == 0)
		scale = 4;
	*ret = imm << scale;
	return true;
}

static unsigned list_arm64(struct code_refs *r, uint64_t addr, size_t len, uint64_t *targets)
{
	unsigned cnt = 0;

	for (size_t i = 0; cnt < CODE_REFS_MAX && i + 8 <= len; i += 4) {
		uint32_t in = elf_u32(r->code + i);
		int64_t pages;
		uint64_t low;

		if ((in & 0x9f000000u) != 0x90000000u) /* adrp */
			continue;
		pages = (int64_t)((uint64_t)((in >> 5 & 0x7ffff) << 2 | (in >> 29 & 3)) << 43) >> 43;
		if (low_bits(elf_u32(r->code + i + 4), in & 31, &low))
			targets[cnt++] = ((addr + i) & ~PAGE_4K) + (uint64_t)(pages * 4096) + low;
	}
	return cnt;
}

unsigned code_refs_list(struct code_refs *r, struct elf_image *img, uint64_t entry, uint64_t end,
			uint64_t targets[CODE_REFS_MAX])
{
	const struct elf_segment *l = elf_image_find_load(img, entry, 1);
	uint64_t len;

	if (!l || !(l->flags & PF_X) || end <= entry)
		return 0;
	len = l->filesz - (entry - l->vaddr);
	if (end - entry < len)
		len = end - entry;
	if (len > sizeof(r->code))
		len = sizeof(r->code);
	if (elf_image_read(img, entry - l->vaddr + l->offset, r->code, (size_t)len) != 0)
		return 0;
	return r->machine == EM_X86_64 ? list_amd64(r, entry, (size_t)len, targets)
				       : list_arm64(r, entry, (size_t)len, targets);
}
