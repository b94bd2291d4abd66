/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Kernel types for all of bpf/: only the fields that bpf/ touches, in any order, because every access is relocated by
 * libbpf to the running kernel's BTF (CO-RE). Where a field moved or changed its name between kernels there is a flavour
 * `struct x___before_M_N`, and one accessor in bpf/kernel_compat.bpf.h that picks.
 *
 * Written by hand and kept small on purpose: a full dump is 135,000 lines, and clang before 16 dies on the offsets of
 * fields in cfs_rq ("too big alignment"). `make vmlinux-check` compares every field with a running kernel.
 *
 * Not relocated: contexts whose layout is an ABI (pt_regs, user_pt_regs, bpf_raw_tracepoint_args). */
#pragma once
#define __VMLINUX_H__

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u8 u8;
typedef __s16 s16;
typedef __u16 u16;
typedef __s32 s32;
typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
typedef __u32 dev_t;
typedef int pid_t;
typedef s64 ktime_t;

enum { false = 0, true = 1 };

/* uapi/linux/bpf.h, the part in use */
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 };
enum { BPF_F_NO_PREALLOC = 1, BPF_F_MMAPABLE = 1024 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };

/* Registers of a uprobe hit. */
#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
	unsigned long ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp, pc, pstate;
};
#else
#error "unknown architecture: x86 and arm64 are supported"
#endif

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next, *prev;
};

typedef struct {
	int counter;
} atomic_t;

/* processes and their namespaces */

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	unsigned int level;
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct signal_struct {
	atomic_t live;
	int group_exit_code;
};

/* control groups */

struct kernfs_node {
	struct kernfs_node *__parent;
	const char *name;
	u64 id;
};

struct kernfs_node___before_6_15 {
	struct kernfs_node *parent;
};

struct cgroup;
struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	int level;
	struct kernfs_node *kn;
};

enum cgroup_subsys_id { cpu_cgrp_id = 1, memory_cgrp_id = 4 }; /* relocated: the number depends on the kernel's configuration */

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
};

/* the CPU bandwidth controller */

struct hrtimer {
	int (*function)(struct hrtimer *); /* an enum in the kernel: only the address is compared */
};

struct rq {
	u64 clock;
	int cpu;
};

struct task_group;
struct cfs_rq {
	struct rq *rq;
	struct task_group *tg;
	s64 runtime_remaining;
	u64 throttled_clock;
	bool throttled : 1; /* int before 6.18 */
	int throttle_count;
	struct list_head throttled_list;
};

struct cfs_bandwidth {
	ktime_t period;
	u64 quota;
	struct hrtimer period_timer;
	struct hrtimer slack_timer;
	struct list_head throttled_cfs_rq;
	int nr_periods;
	int nr_throttled;
	u64 throttled_time;
};

struct task_group {
	struct cgroup_subsys_state css;
	struct task_group *parent;
	struct cfs_bandwidth cfs_bandwidth;
};

struct sched_entity {
	u64 sum_exec_runtime;
	struct sched_entity *parent;
	struct cfs_rq *cfs_rq;
};

/* memory and files */

struct super_block {
	dev_t s_dev;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
};

struct file {
	struct inode *f_inode;
};

struct mm_struct {
	unsigned long start_code;
};

struct vm_area_struct {
	unsigned long vm_start, vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_flags;
	struct file *vm_file;
};

struct task_struct {
	struct sched_entity se;
	struct task_group *sched_task_group;
	struct mm_struct *mm;
	int exit_code;
	pid_t pid, tgid;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	u64 start_boottime;
	char comm[16];
	struct signal_struct *signal;
	struct css_set *cgroups;
};

struct linux_binprm;

/* iterators */

struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

#pragma clang attribute pop

/* bpf/cpu_throttle.bpf.c: which hierarchy a cgroup is in */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cgroup_root {
	int hierarchy_id; /* 0: the unified one */
};

struct cgroup___hierarchy {
	struct cgroup_root *root;
};

#pragma clang attribute pop

/* bpf/cpu_sched.bpf.c: the run queue and what it knows of throttling */

enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cfs_rq___self { /* since 6.6 */
	u64 throttled_clock_self;
	u64 throttled_clock_self_time;
};

struct cfs_rq___pelt { /* since 5.19 */
	u64 throttled_clock_pelt_time;
};

struct cfs_rq___before_5_19 {
	u64 throttled_clock_task_time;
};

struct sched_entity___slice {
	u64 sum_exec_runtime, prev_sum_exec_runtime;
};

struct sched_entity___queued {
	unsigned char on_rq; /* unsigned int before 6.12 */
};

struct sched_info {
	unsigned long pcount;
	unsigned long long run_delay;
};

struct task_struct___sched {
	struct sched_entity___queued se;
	unsigned int __state;
	unsigned int on_cpu; /* int, u8 in 7.3: only unsigned loads change their size */
	struct sched_info sched_info;
};

struct task_struct___slice {
	struct sched_entity___slice se;
	int prio;
};

struct task_struct___throttled { /* since 6.18 */
	bool throttled;
};

struct task_struct___before_5_14 {
	long state;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

/* sockets: bpf/net_dns.bpf.c, bpf/net_tcp.bpf.c */

/* uapi: a context, not relocated; the part up to what is read */
struct __sk_buff {
	__u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	__u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid;
	__u32 data, data_end;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

struct sock_common {
	__be32 skc_daddr, skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num; /* local port, host byte order */
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	u16 sk_protocol;
	int sk_err;
};

struct sk_buff {
	struct sock *sk;
};

#pragma clang attribute pop

/* bpf/mem_oom.bpf.c */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct percpu_counter {
	s64 count;
};

struct mm_struct___oom {
	unsigned long total_vm;
	struct percpu_counter rss_stat[4];
};

typedef struct {
	s64 counter;
} atomic64_t;

struct mm_rss_stat___before_6_2 {
	atomic64_t count[4];
};

struct mm_struct___before_6_2 {
	struct mm_rss_stat___before_6_2 rss_stat;
};

struct signal_struct___oom {
	short oom_score_adj;
};

#pragma clang attribute pop

/* bpf/net_tcp.bpf.c */

enum { BPF_MAP_TYPE_SK_STORAGE = 24 };
enum { BPF_F_CLONE = 512, BPF_SK_STORAGE_GET_F_CREATE = 1 };

struct bpf_spin_lock {
	__u32 val;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
};

struct minmax_sample {
	u32 t, v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 segs_in, segs_out;
	u64 bytes_received, bytes_acked;
	u32 srtt_us; /* eighths */
	struct minmax rtt_min;
	u32 total_retrans;
	u32 dsack_dups;
};

struct request_sock {
	struct sock_common __req_common;
};

struct socket {
	struct sock *sk;
};

struct seq_file {
	unsigned long size, count;
};

struct bpf_map;
struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct sock *sk;
	void *value;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
};

#pragma clang attribute pop
