// SPDX-License-Identifier: BSD-2-Clause

//go:build ignore

// offsetgen.go MINOR:FIRST-LAST=BINARY ...: the part of tools/offsetgen that reads DWARF. It uses Go's own debug/dwarf, so that
// the table and the agent's reader are independent of each other.
package main

import (
	"debug/buildinfo"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"log"
	"os"
	"strings"
)

type field struct {
	name  string // of enum go_field
	paths []string
}

var fields = []field{
	{"GC_PERCENT", []string{"gcControllerState.gcPercent"}},
	{"GC_MEMORY_LIMIT", []string{"gcControllerState.memoryLimit"}},
	{"GC_HEAP_MINIMUM", []string{"gcControllerState.heapMinimum"}},
	{"GC_HEAP_GOAL", []string{"gcControllerState.gcPercentHeapGoal", "gcControllerState.heapGoal"}},
	{"GC_LAST_HEAP_GOAL", []string{"gcControllerState.lastHeapGoal"}},
	{"GC_HEAP_LIVE", []string{"gcControllerState.heapLive"}},
	{"GC_LAST_STACK_SCAN", []string{"gcControllerState.lastStackScan", "gcControllerState.stackScan"}},
	{"GC_MAX_STACK_SCAN", []string{"gcControllerState.maxStackScan"}},
	{"GC_GLOBALS_SCAN", []string{"gcControllerState.globalsScan"}},
	{"GC_HEAP_MARKED", []string{"gcControllerState.heapMarked"}},
	{"GC_ASSIST_TIME", []string{"gcControllerState.assistTime"}},
	{"GC_DEDICATED_TIME", []string{"gcControllerState.dedicatedMarkTime"}},
	{"GC_FRACTIONAL_TIME", []string{"gcControllerState.fractionalMarkTime"}},
	{"GC_IDLE_TIME", []string{"gcControllerState.idleMarkTime"}},
	{"GC_HEAP_IN_USE", []string{"gcControllerState.heapInUse"}},
	{"GC_HEAP_RELEASED", []string{"gcControllerState.heapReleased"}},
	{"GC_HEAP_FREE", []string{"gcControllerState.heapFree"}},
	{"GC_TOTAL_ALLOC", []string{"gcControllerState.totalAlloc"}},
	{"GC_TOTAL_FREE", []string{"gcControllerState.totalFree"}},
	{"GC_MAPPED_READY", []string{"gcControllerState.mappedReady"}},
	{"MEMSTATS_NUMGC", []string{"mstats.numgc"}},
	{"MEMSTATS_NUMFORCEDGC", []string{"mstats.numforcedgc"}},
	{"MEMSTATS_PAUSE_TOTAL", []string{"mstats.pause_total_ns"}},
	{"MEMSTATS_PAUSE_NS", []string{"mstats.pause_ns"}},
	{"MEMSTATS_PAUSE_END", []string{"mstats.pause_end"}},
	{"MEMSTATS_LAST_GC_UNIX", []string{"mstats.last_gc_unix"}},
	{"MEMSTATS_LAST_GC_MONO", []string{"mstats.last_gc_nanotime"}},
	{"MEMSTATS_GC_CPU_FRACTION", []string{"mstats.gc_cpu_fraction"}},
	{"MEMSTATS_GC_PAUSE_DIST", []string{"mstats.gcPauseDist"}},
	{"MEMSTATS_HEAP_STATS", []string{"mstats.heapStats"}},
	{"MEMSTATS_STACKS_SYS", []string{"mstats.stacks_sys"}},
	{"MEMSTATS_MSPAN_SYS", []string{"mstats.mspan_sys"}},
	{"MEMSTATS_MCACHE_SYS", []string{"mstats.mcache_sys"}},
	{"MEMSTATS_BUCKHASH_SYS", []string{"mstats.buckhash_sys"}},
	{"MEMSTATS_GCMISC_SYS", []string{"mstats.gcMiscSys"}},
	{"MEMSTATS_OTHER_SYS", []string{"mstats.other_sys"}},
	{"HEAPSTATS_COMMITTED", []string{"heapStatsDelta.committed"}},
	{"HEAPSTATS_RELEASED", []string{"heapStatsDelta.released"}},
	{"HEAPSTATS_IN_STACKS", []string{"heapStatsDelta.inStacks"}},
	{"HEAPSTATS_LARGE_ALLOC", []string{"heapStatsDelta.largeAlloc"}},
	{"HEAPSTATS_LARGE_ALLOC_CNT", []string{"heapStatsDelta.largeAllocCount"}},
	{"HEAPSTATS_SMALL_ALLOC_CNT", []string{"heapStatsDelta.smallAllocCount"}},
	{"HEAPSTATS_SIZE", []string{"heapStatsDelta"}},
	{"WORK_TSWEEP_TERM", []string{"workType.tSweepTerm"}},
	{"WORK_TMARK", []string{"workType.tMark"}},
	{"WORK_TMARK_TERM", []string{"workType.tMarkTerm"}},
	{"WORK_TEND", []string{"workType.tEnd"}},
	{"WORK_HEAP0", []string{"workType.heap0"}},
	{"WORK_HEAP1", []string{"workType.heap1"}},
	{"WORK_HEAP2", []string{"workType.heap2"}},
	{"WORK_HEAP_GOAL", []string{"workType.heapGoal"}},
	{"WORK_STWPROCS", []string{"workType.stwprocs"}},
	{"WORK_MAXPROCS", []string{"workType.maxprocs"}},
	{"WORK_USER_FORCED", []string{"workType.userForced"}},
	{"WORK_LEAK_DONE", []string{"workType.goroutineLeak.done"}},
	{"WORK_CPUSTATS", []string{"workType.cpuStats"}},
	{"SCHED_MNEXT", []string{"schedt.mnext"}},
	{"SCHED_NMFREED", []string{"schedt.nmfreed"}},
	{"SCHED_NMIDLE", []string{"schedt.nmidle"}},
	{"SCHED_NGSYS", []string{"schedt.ngsys"}},
	{"SCHED_NPIDLE", []string{"schedt.npidle"}},
	{"SCHED_NMSPINNING", []string{"schedt.nmspinning"}},
	{"SCHED_NEEDSPINNING", []string{"schedt.needspinning"}},
	{"SCHED_RUNQSIZE", []string{"schedt.runqsize", "schedt.runq.size"}},
	{"SCHED_GFREE_N", []string{"schedt.gFree.n"}},
	{"SCHED_GFREE_STACK", []string{"schedt.gFree.stack.size"}},
	{"SCHED_GFREE_NOSTACK", []string{"schedt.gFree.noStack.size"}},
	{"SCHED_GCWAITING", []string{"schedt.gcwaiting"}},
	{"SCHED_TIME_TO_RUN", []string{"schedt.timeToRun"}},
	{"SCHED_IDLE_TIME", []string{"schedt.idleTime"}},
	{"SCHED_MUTEX_WAIT", []string{"schedt.totalMutexWaitTime"}},
	{"SCHED_STW_STOPPING_GC", []string{"schedt.stwStoppingTimeGC"}},
	{"SCHED_STW_STOPPING_OTHER", []string{"schedt.stwStoppingTimeOther"}},
	{"SCHED_STW_TOTAL_GC", []string{"schedt.stwTotalTimeGC"}},
	{"SCHED_STW_TOTAL_OTHER", []string{"schedt.stwTotalTimeOther"}},
	{"SCHED_LOCK_WAIT", []string{"schedt.totalRuntimeLockWaitTime"}},
	{"SCHED_CUSTOM_GOMAXPROCS", []string{"schedt.customGOMAXPROCS"}},
	{"SCHED_CREATED", []string{"schedt.goroutinesCreated"}},
	{"P_M", []string{"p.m"}},
	{"M_P", []string{"m.p"}},
	{"PD_RG", []string{"pollDesc.rg"}},
	{"PD_WG", []string{"pollDesc.wg"}},
	{"P_SCHEDTICK", []string{"p.schedtick"}},
	{"P_SYSCALLTICK", []string{"p.syscalltick"}},
	{"P_RUNQHEAD", []string{"p.runqhead"}},
	{"P_RUNQTAIL", []string{"p.runqtail"}},
	{"P_RUNNEXT", []string{"p.runnext"}},
	{"P_GFREE", []string{"p.gFree.n", "p.gFree.size"}},
	{"P_CREATED", []string{"p.goroutinesCreated"}},
	{"G_STACK_LO", []string{"g.stack.lo"}},
	{"G_STACK_HI", []string{"g.stack.hi"}},
	{"G_M", []string{"g.m"}},
	{"G_SP", []string{"g.sched.sp"}},
	{"G_PC", []string{"g.sched.pc"}},
	{"G_BP", []string{"g.sched.bp"}},
	{"G_SYSCALLSP", []string{"g.syscallsp"}},
	{"G_SYSCALLPC", []string{"g.syscallpc"}},
	{"G_SYSCALLBP", []string{"g.syscallbp"}},
	{"G_STATUS", []string{"g.atomicstatus"}},
	{"G_GOID", []string{"g.goid"}},
	{"G_WAITSINCE", []string{"g.waitsince"}},
	{"G_WAITREASON", []string{"g.waitreason"}},
	{"G_LOCKEDM", []string{"g.lockedm"}},
	{"G_PARENT_GOID", []string{"g.parentGoid"}},
	{"G_GOPC", []string{"g.gopc"}},
	{"G_STARTPC", []string{"g.startpc"}},
	{"G_LABELS", []string{"g.labels"}},
	{"M_PROCID", []string{"m.procid"}},
	{"M_CURG", []string{"m.curg"}},
	{"M_PREEMPTOFF", []string{"m.preemptoff"}},
	{"M_ALLLINK", []string{"m.alllink"}},
	{"M_LOCK_WAIT", []string{"m.mLockProfile.waitTime"}},
}

func main() {
	fmt.Print("/* Generated by tools/offsetgen; do not edit. */\n/* SPDX-License-Identifier: BSD-2-Clause */\n" +
		"#include \"symbols/layout.h\"\n\n// clang-format off\n")
	printMacro()
	fmt.Print("const struct layout_row layout_table[] = {\n")
	for _, a := range os.Args[1:] {
		key, path, _ := strings.Cut(a, "=")
		printRow(key, path)
	}
	fmt.Print("};\n// clang-format on\nconst size_t layout_table_cnt = sizeof(layout_table) / sizeof(layout_table[0]);\n")
}

// printMacro gives each column of a row its field by name, so that the order of the enum does not matter.
func printMacro() {
	var params, inits []string
	for i, fd := range fields {
		params = append(params, fmt.Sprintf("f%d", i))
		inits = append(inits, fmt.Sprintf("[FIELD_%s] = f%d", fd.name, i))
	}
	fmt.Printf("_Static_assert(FIELD_CNT == %d, \"tools/offsetgen.go lists every field\");\n", len(fields))
	fmt.Printf("#define FIELDS(%s) \\\n\t{%s}\n\n", wrap(params, " \\\n\t"), wrap(inits, " \\\n\t"))
}

// wrap joins with commas in lines of about 110 columns.
func wrap(items []string, newline string) string {
	var out strings.Builder
	col := 0
	for i, s := range items {
		if i > 0 {
			out.WriteString(",")
			if col+len(s) > 108 {
				out.WriteString(newline)
				col = 0
			} else {
				out.WriteString(" ")
			}
		}
		out.WriteString(s)
		col += len(s) + 2
	}
	return out.String()
}

func printRow(key, path string) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	f, err := elf.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	var minor, first, last int
	if _, err := fmt.Sscanf(key, "%d:%d-%d", &minor, &first, &last); err != nil {
		log.Fatal(key, ": ", err)
	}
	arch := map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}[f.Machine]
	types := structs(f)
	var values []string
	for _, fd := range fields {
		values = append(values, fmt.Sprint(find(types, fd.paths)))
	}
	fmt.Printf("\t{%d, %d, %d, \"%s\", FIELDS( /* read from %s */\n\t\t%s)},\n", minor, first, last, arch,
		info.GoVersion, wrap(values, "\n\t\t"))
}

func structs(f *elf.File) map[string]*dwarf.StructType {
	d, err := f.DWARF()
	if err != nil {
		log.Fatal(err)
	}
	types := map[string]*dwarf.StructType{}
	for r := d.Reader(); ; {
		e, err := r.Next()
		if err != nil {
			log.Fatal(err)
		}
		if e == nil {
			return types
		}
		name, _ := e.Val(dwarf.AttrName).(string)
		at := e.Offset
		if e.Tag == dwarf.TagVariable && name == "runtime.work" { // its type has no name before 1.20
			name = "runtime.workType"
			at = e.Val(dwarf.AttrType).(dwarf.Offset)
		} else if e.Tag != dwarf.TagStructType || !strings.HasPrefix(name, "runtime.") {
			continue
		}
		t, err := d.Type(at)
		if err != nil {
			log.Fatal(err)
		}
		if td, ok := t.(*dwarf.TypedefType); ok {
			t = td.Type
		}
		types[strings.TrimPrefix(name, "runtime.")] = t.(*dwarf.StructType)
	}
}

func find(types map[string]*dwarf.StructType, paths []string) int64 {
	for _, p := range paths {
		parts := strings.Split(p, ".")
		if len(parts) == 1 && types[p] != nil {
			return types[p].ByteSize
		}
		if off, ok := walk(types[parts[0]], parts[1:]); ok {
			return off
		}
	}
	return -1
}

func walk(t *dwarf.StructType, parts []string) (int64, bool) {
	if t == nil {
		return 0, false
	}
	for _, f := range t.Field {
		if f.Name != parts[0] {
			continue
		}
		if len(parts) == 1 {
			return f.ByteOffset, true
		}
		inner := f.Type
		if td, ok := inner.(*dwarf.TypedefType); ok {
			inner = td.Type
		}
		st, _ := inner.(*dwarf.StructType)
		off, ok := walk(st, parts[1:])
		return f.ByteOffset + off, ok
	}
	return 0, false
}
