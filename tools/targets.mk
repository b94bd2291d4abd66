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

fmt:
	clang-format-16 -i $(SRC) $(wildcard user/*/*.h include/*.h bpf/*.c bpf/*.h tests/unit/*.c)

lint:
	$(Q)$(MAKE) --no-print-directory B=$(B)/lint CFLAGS="-O2 -g -Werror" all unit-tests

test:
	@tools/install-deps build run test
	@tools/run-tests --standard

test-all:
	@tools/install-deps build run test
	@tools/run-tests --all

check: layers unit-tests
	@tools/run-tests --unit

check-bpf: all
	@tools/run-tests --bpf

check-e2e: all
	@tools/run-tests --e2e

check-vm: all
	@tools/run-tests --vm

bench: all
	@tests/bench/overhead
