# gopherscope: build, run, test. `make` builds and installs nothing; `make run` and `make test` install what is missing.
# V=1 shows commands; B=DIR builds elsewhere.
B      ?= build
V      ?= 0
Q      := $(if $(filter 1,$(V)),,@)
say     = @$(if $(filter 1,$(V)),:,printf '  %-7s %s\n' $(1) $(2))

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1)
ARCH    := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')
CLANG   ?= $(firstword $(foreach v,21 20 19 18 17 16,$(shell command -v clang-$(v) 2>/dev/null)) clang)
STRIP   ?= $(firstword $(foreach v,21 20 19 18 17 16,$(shell command -v llvm-strip-$(v) 2>/dev/null)) llvm-strip)
# The first one that works: on Ubuntu the one on PATH is a wrapper that wants the tools of the running kernel.
BPFTOOL ?= $(firstword $(shell for b in bpftool /usr/sbin/bpftool /usr/lib/linux-tools/*/bpftool; do \
	"$$b" version >/dev/null 2>&1 && { echo "$$b"; break; }; done) bpftool)
CC      ?= cc

WARN    := -Wall -Wextra -Wno-unused-parameter -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
CFLAGS  ?= -O2 -g
GSCFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) -Iuser -Iinclude -I$(B)/bpf -DGOPHERSCOPE_VERSION='"$(VERSION)"' $(CFLAGS)
LIBS    := -lncursesw -ltinfo -lbpf -lelf -lz -lcapstone -ljansson -lpthread -lm
BPFFLAGS = -g -O2 -target bpf -mcpu=v2 -D__TARGET_ARCH_$(ARCH) -I. -Iinclude -Ibpf -Wall -Wno-compare-distinct-pointer-types

BPF_SRC  := $(wildcard bpf/*.bpf.c)
SKEL     := $(BPF_SRC:bpf/%.bpf.c=$(B)/bpf/%.skel.h)
SRC      := $(wildcard user/*.c user/*/*.c)
OBJ      := $(SRC:%.c=$(B)/%.o)
LIBOBJ   := $(filter-out $(B)/user/main.o,$(OBJ))
UNIT     := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))

.PHONY: all clean install run test test-all check check-bpf check-e2e check-vm asan bench lint fmt deps-check vmlinux-check \
	layers bpf-arm64
.SECONDARY:

all: deps-check $(B)/gopherscope

deps-check:
	@tools/deps-check build

# The version is compiled in: a new one rebuilds what says it.
$(shell mkdir -p $(B); echo '$(VERSION)' | cmp -s - $(B)/version || echo '$(VERSION)' > $(B)/version)
$(B)/user/options.o: $(B)/version


$(B)/gopherscope: $(B)/user/main.o $(B)/libgopherscope.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/libgopherscope.a: $(LIBOBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@; $(AR) rcs $@ $^

$(B)/user/%.o: user/%.c | $(SKEL) deps-check
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(GSCFLAGS) -MMD -MP -c -o $@ $<

$(B)/bpf/%.bpf.o: bpf/%.bpf.c vmlinux.h | deps-check
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPFFLAGS) -MMD -MP -MF $(@:.o=.d) -c -o $@.tmp $<
	$(Q)$(STRIP) -g $@.tmp && mv $@.tmp $@

$(B)/bpf/%.skel.h: $(B)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp && mv $@.tmp $@

# The objects also compile for arm64: nothing is run.
bpf-arm64: $(BPF_SRC:bpf/%.bpf.c=$(B)/bpf-arm64/%.bpf.o)
$(B)/bpf-arm64/%.bpf.o: bpf/%.bpf.c vmlinux.h
	$(call say,BPF64,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(subst -D__TARGET_ARCH_$(ARCH),-D__TARGET_ARCH_arm64,$(BPFFLAGS)) -c -o $@ $<

$(B)/tests/unit/%: tests/unit/%.c $(B)/libgopherscope.a
	$(call say,TEST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(GSCFLAGS) -Itests -MMD -MP -MF $@.d -o $@ $< $(B)/libgopherscope.a $(LIBS) -lcmocka

unit-tests: $(UNIT)

# Unit tests again under the address and undefined behaviour sanitizers.
ASAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
asan:
	$(Q)$(MAKE) --no-print-directory B=$(B)/asan CFLAGS="-O1 -g $(ASAN)" unit-tests

clean:
	rm -rf $(B)

-include $(OBJ:.o=.d) $(SKEL:.skel.h=.bpf.d) $(wildcard $(B)/tests/unit/*.d)
include tools/targets.mk
