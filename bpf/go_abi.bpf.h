/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Go's register ABI (ABIInternal, Go 1.17+ amd64, 1.18+ arm64) as seen by a uprobe: integer arguments, the current g,
 * and whether a probed conditional branch is about to be taken (facts/go-runtime.md 1.2, attach.md 10). */
#pragma once

#if defined(__TARGET_ARCH_x86)

#define GO_ARG0(ctx) ((ctx)->ax)
#define GO_ARG1(ctx) ((ctx)->bx)
#define GO_ARG2(ctx) ((ctx)->cx)
#define GO_ARG3(ctx) ((ctx)->di)
#define GO_G(ctx)    ((ctx)->r14)

#define X86_FLAG_CF 0x01
#define X86_FLAG_ZF 0x40

/* jbe: carry or zero */
static __always_inline bool go_branch_taken(struct pt_regs *ctx)
{
	return ctx->flags & (X86_FLAG_CF | X86_FLAG_ZF);
}

#elif defined(__TARGET_ARCH_arm64)

#define GO_REGS(ctx) ((struct user_pt_regs *)(ctx))
#define GO_ARG0(ctx) (GO_REGS(ctx)->regs[0])
#define GO_ARG1(ctx) (GO_REGS(ctx)->regs[1])
#define GO_ARG2(ctx) (GO_REGS(ctx)->regs[2])
#define GO_ARG3(ctx) (GO_REGS(ctx)->regs[3])
#define GO_G(ctx)    (GO_REGS(ctx)->regs[28])

#define ARM64_PSTATE_C (1ull << 29)
#define ARM64_PSTATE_Z (1ull << 30)

/* b.ls: carry clear or zero */
static __always_inline bool go_branch_taken(struct pt_regs *ctx)
{
	__u64 pstate = GO_REGS(ctx)->pstate;

	return !(pstate & ARM64_PSTATE_C) || (pstate & ARM64_PSTATE_Z);
}

#endif
