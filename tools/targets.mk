# Targets for people and CI: install, run, test, look.
PREFIX ?= /usr/local

install: all
	install -D -m 755 $(B)/gopherscope $(DESTDIR)$(PREFIX)/bin/gopherscope

run:
	@tools/install-deps build run
	$(Q)$(MAKE) --no-print-directory all
	@tools/run

layers:
	@tools/layers

vmlinux-check: $(SKEL)
	@tools/vmlinux-check $(B)

# Privileged tests in C: each tests/bpf/test_NAME.c with what the others there offer; prints "ok NAME" or "not ok NAME".
BPFTEST := $(patsubst %.c,$(B)/%,$(wildcard tests/bpf/test_*.c))
BPFHELP := $(filter-out tests/bpf/test_%,$(wildcard tests/bpf/*.c))

.PHONY: bpf-tests bench-switch
bpf-tests: $(BPFTEST)

$(B)/tests/bpf/%: tests/bpf/%.c $(BPFHELP) $(B)/libgopherscope.a
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(GSCFLAGS) -Itests/bpf -MMD -MP -MF $@.d -o $@ $< $(BPFHELP) $(B)/libgopherscope.a $(LIBS)

-include $(BPFTEST:=.d)

# Helpers of the network tests: peers and devices on their own, and programs that use ours.
NETTOOL := $(patsubst %.c,$(B)/%,$(wildcard tests/net/*.c))
bpf-tests: $(NETTOOL)

$(B)/tests/net/%: tests/net/%.c $(B)/libgopherscope.a
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(GSCFLAGS) -MMD -MP -MF $@.d -o $@ $< $(B)/libgopherscope.a $(LIBS)

-include $(NETTOOL:=.d)

# The live view with snapshots made by hand, and a recording of a large node, for the tests with a pty.
$(B)/tests/view/%: tests/view/%.c $(B)/libgopherscope.a
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(GSCFLAGS) -Itests -MMD -MP -MF $@.d -o $@ $< $(B)/libgopherscope.a $(LIBS)

view-drive: $(B)/tests/view/drive $(B)/tests/view/crowd
.PHONY: view-drive
-include $(wildcard $(B)/tests/view/*.d)

fmt:
	clang-format-16 -i $(SRC) $(wildcard user/*/*.h include/*.h bpf/*.c bpf/*.h tests/unit/*.c)

lint:
	$(Q)$(MAKE) --no-print-directory B=$(B)/lint CFLAGS="-O2 -g -Werror" all unit-tests

test:
	@tools/install-deps build run test
	@tools/run-tests --standard

test-all:
	@tools/install-deps build run test long
	@tools/run-tests --all

check: layers unit-tests
	@tools/run-tests --unit

check-bpf: all
	@tools/run-tests --bpf

check-e2e: all
	@tools/run-tests --e2e

check-vm: all
	@tools/run-tests --vm

bench:
	@tools/install-deps build run bench
	$(Q)$(MAKE) --no-print-directory all $(B)/tests/bpf/test_census $(B)/tests/bench/drain
	@tests/bench/overhead
	@tests/bench/passive
	@tests/bench/sched_ring
	@tests/bench/budget

# The program for arm64, against Debian's libraries for it, wherever this runs: for the test in a virtual machine.
arm64:
	$(Q)root=$$(tests/vm/fetch-arm64) && $(MAKE) --no-print-directory B=$(B)/arm64 ARCH=arm64 \
		CC="aarch64-linux-gnu-gcc --sysroot=$$root" AR=aarch64-linux-gnu-ar all
.PHONY: arm64

# Damaged recordings under the sanitizers, for FUZZ_SECONDS: with libFuzzer where clang's runtime is, else with our own driver.
FUZZ_SECONDS ?= 60
FUZZ_SRC     := tests/fuzz/fuzz_replay.c $(addprefix user/events/,event_check.c record_check.c recorder.c record_ring.c \
	replay_source.c) user/base/err.c

.PHONY: fuzz eventdump
fuzz: $(B)/fuzz/fuzz_replay
	$(Q)ASAN_OPTIONS=handle_abort=1 $< -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(B)/fuzz/ -max_len=131072 -rss_limit_mb=1024 -timeout=10

$(B)/fuzz/fuzz_replay: $(FUZZ_SRC) tests/fuzz/driver.c tests/unit/records.h $(wildcard user/events/*.h include/*.h)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(GSCFLAGS) -Itests/unit -O1 $(ASAN) -fsanitize=fuzzer -o $@ $(FUZZ_SRC) -lz -lm 2>$@.log || \
		$(CC) $(GSCFLAGS) -Itests/unit -O1 $(ASAN) -o $@ $(FUZZ_SRC) tests/fuzz/driver.c -lz -lm

# Go programs with spoiled places, thrown at symbols/; run by tests/tools/test_fuzz.py, which gives it the programs.
SYMBOLS_SRC := tests/fuzz/fuzz_symbols.c $(wildcard user/symbols/*.c user/base/*.c)
fuzz-symbols: $(B)/fuzz/fuzz_symbols
.PHONY: fuzz-symbols
$(B)/fuzz/fuzz_symbols: $(SYMBOLS_SRC) tests/fuzz/driver.c $(wildcard user/symbols/*.h include/*.h)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(GSCFLAGS) -O1 $(ASAN) -fsanitize=fuzzer -o $@ $(SYMBOLS_SRC) -lz -lm -lcapstone 2>$@.log || \
		$(CC) $(GSCFLAGS) -O1 $(ASAN) -o $@ $(SYMBOLS_SRC) tests/fuzz/driver.c -lz -lm -lcapstone

# One made-up run in two formats, for tests/tools/test_perfetto.py.
$(B)/tests/tools/%: tests/tools/%.c $(B)/libgopherscope.a
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(GSCFLAGS) -Itests -Itests/unit -MMD -MP -MF $@.d -o $@ $< $(B)/libgopherscope.a $(LIBS)
-include $(B)/tests/tools/perfetto_sample.d

# Prints a recording as text, a line a record.
eventdump: $(B)/eventdump
$(B)/eventdump: tools/eventdump.c $(B)/libgopherscope.a
	$(call say,LD,$@)
	$(Q)$(CC) $(GSCFLAGS) -MMD -MP -MF $@.d -o $@ $< $(B)/libgopherscope.a $(LIBS)
-include $(B)/eventdump.d

# Offsets of runtime structures and references to runtime globals, read from programs built by real toolchains.
layout-table:
	$(Q)tools/offsetgen

# What an armed window of cpu_sched adds to a context switch, beside libbpf-tools' runqlat.
# drain: what the ring of a goroutine window costs us, for tests/bench/sched_ring.
$(B)/tests/bench/%: tests/bench/%.c $(B)/libgopherscope.a
	$(call say,BENCH,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(GSCFLAGS) -MMD -MP -MF $@.d -o $@ $< $(B)/libgopherscope.a $(LIBS)

bench-switch: $(B)/tests/bench/switch
	$(Q)$<
