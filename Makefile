# derp-relay: one non-recursive Makefile. `make help` lists the targets.
#   V=1     show commands        SAN=1   AddressSanitizer and UBSan (objects apart)
#   TSAN=1  ThreadSanitizer      O=DIR   where to build (default: build)
#   COVERAGE=1  clang counts what runs (`make coverage`)

VERSION := 0.1.0
O       ?= build
CC      ?= gcc
CLANG   ?= clang
PYTHON  := /usr/bin/python3
PKG_CONFIG ?= pkg-config
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

CSTD     := -std=gnu17 -D_GNU_SOURCE
WARN     := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Werror
HARDEN   := -fPIE -fstack-protector-strong -fstack-clash-protection \
            $(if $(filter x86_64%,$(shell $(CC) -dumpmachine)),-fcf-protection=full)
FORTIFY  := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
LDHARDEN := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
OPT      ?= -O2 -g
INC      := -I. -DDERP_RELAY_VERSION='"$(VERSION)"'

# Sanitizer builds keep their objects apart, so that the flavours can live side by side.
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ifdef SAN
  B := $(O)/san
  FLAVOUR := -O1 -g $(SANFLAGS)
else ifdef TSAN
  B := $(O)/tsan
  FLAVOUR := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
else ifdef COVERAGE
  B := $(O)/coverage
  CC := $(CLANG)
  FLAVOUR := -O0 -g -w -fprofile-instr-generate -fcoverage-mapping
else
  B := $(O)
  FLAVOUR := $(OPT) $(FORTIFY)
endif
override CFLAGS += $(CSTD) $(WARN) $(HARDEN) $(FLAVOUR)
override LDFLAGS += $(LDHARDEN) $(filter -fsanitize%,$(FLAVOUR))

# --- What is built from what -------------------------------------------------------------------
PROGRAMS := derpd derp-acme derp-setup
LIBS     := base derp acme dnscheck firewall installer

sources-base      := $(wildcard base/*.c)
sources-derp      := $(filter-out derp/main.c,$(wildcard derp/*.c derp/*/*.c))
sources-acme      := $(filter-out acme/main.c,$(wildcard acme/*.c))
sources-dnscheck  := $(wildcard dnscheck/*.c)
sources-firewall  := $(wildcard firewall/*.c)
sources-installer := $(filter-out installer/main.c,$(wildcard installer/*.c))

# pkg-config only when something is built, so that `make deps` and `make help` need nothing.
ssl      = $(shell $(PKG_CONFIG) --libs libssl libcrypto)
libs-base       = $(shell $(PKG_CONFIG) --libs libsodium jansson inih libsystemd)
libs-derpd      = $(ssl) -lev -lm -lz -lwslay $(shell $(PKG_CONFIG) --libs libcurl)
libs-derp-acme  = $(ssl) $(shell $(PKG_CONFIG) --libs libcurl) -lunbound
# libev also exports libevent's names, which libunbound calls: only as an archive do they stay apart.
libs-derp-setup = $(ssl) -l:libev.a -lm -lz -lwslay -lunbound $(shell $(PKG_CONFIG) --libs libnftables libcurl)

archives-derpd      := derp base
archives-derp-acme  := acme dnscheck base
archives-derp-setup := installer dnscheck firewall derp base
main-derpd          := derp/main.c
main-derp-acme      := acme/main.c
main-derp-setup     := installer/main.c

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))

# What derp-setup says in other languages; it looks in this folder beside itself (installer/language.c).
CATALOGUES := $(patsubst po/%.po,$(B)/locale/%/LC_MESSAGES/derp-relay.mo,$(wildcard po/*.po))

.DEFAULT_GOAL := all
.PHONY: all check coverage demo deb deb-arm64 install lint format po fuzz help deps clean unit test-programs
.PHONY: model bench bench-quick check-years
.DELETE_ON_ERROR:
.SECONDARY:

all: $(addprefix $(B)/,$(PROGRAMS)) $(CATALOGUES) ## Build the three programs into build/

# base/clock.c knows the build time; a fixed SOURCE_DATE_EPOCH makes builds reproducible.
$(B)/obj/base/clock.o: override CFLAGS += -DDERP_RELAY_BUILD_TIME=$(or $(SOURCE_DATE_EPOCH),$(shell date +%s))

$(B)/obj/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(INC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/locale/%/LC_MESSAGES/derp-relay.mo: po/%.po
	$(call say,MSGFMT,$@)
	@mkdir -p $(@D)
	$(Q)msgfmt --check-format --endianness=little -o $@ $<

define archive
$(B)/lib$(1).a: $(call obj,$(sources-$(1)))
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@; $$(AR) rcsD $$@ $$^
endef
$(foreach l,$(LIBS),$(eval $(call archive,$(l))))

define program
$(B)/$(1): $(call obj,$(main-$(1))) $(foreach l,$(archives-$(1)),$(B)/lib$(l).a)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ -pthread $$(libs-$(1)) $$(libs-base)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# --- Tests: each unit test includes the .c it tests; the archives supply the rest ----------------
UNITS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*_test.c))
alllibs = $(foreach l,installer acme dnscheck firewall derp base,$(B)/lib$(l).a)
alldeps = $(libs-derp-setup) $(libs-base)

$(B)/unit/%: tests/unit/%.c $(foreach l,$(LIBS),$(B)/lib$(l).a)
	$(call say,UNIT,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(INC) $(CPPFLAGS) $(CFLAGS) -Wno-unused-function -MMD -MP -MF $@.d $(LDFLAGS) \
		-o $@ $< -Wl,--start-group $(alllibs) -Wl,--end-group -lcmocka -pthread $(alldeps)

ifdef SAN
unit: $(addprefix $(B)/unit/,$(UNITS)) ## (SAN=1) Build the unit tests under sanitizers
else
unit:
	$(Q)$(MAKE) --no-print-directory SAN=1 unit
endif

# Programs that tests run, from a single file each.
$(B)/appliance/%: tests/appliance/%.c $(B)/libderp.a $(B)/libbase.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(INC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< \
		$(B)/libderp.a $(B)/libbase.a -pthread $(libs-derpd) $(libs-base)

# The model test: random clients on real relays, held against a model of the rules.
MODEL_SEEDS ?= 1-10
MODEL_STEPS ?= 10000
$(B)/model/model: $(call obj,$(wildcard tests/model/*.c)) $(B)/libderp.a $(B)/libbase.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -pthread $(libs-derpd) $(libs-base)
model: $(B)/model/model ## Random clients against a model of the rules: MODEL_SEEDS=1-10, MODEL_STEPS
	$(Q)$< --seeds $(MODEL_SEEDS) --steps $(MODEL_STEPS)

# --- Two simulated years: docs/OPERATIONS.md. The same program, built before they begin -----------
$(B)/years/clock.o: base/clock.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(INC) $(CPPFLAGS) $(CFLAGS) -UDERP_RELAY_BUILD_TIME -DDERP_RELAY_BUILD_TIME=1796083200 -c $< -o $@
$(B)/years/derp-acme: $(B)/years/clock.o $(call obj,acme/main.c) $(foreach l,$(archives-derp-acme),$(B)/lib$(l).a)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -pthread $(libs-derp-acme) $(libs-base)
YEARS_SEEDS ?= 1-200
check-years: $(B)/years/derp-acme ## Two simulated years of the ACME client, YEARS_SEEDS=1-200 times
	$(Q)$(PYTHON) tests/years/years.py --program $< --seeds $(YEARS_SEEDS) --table

# --- Benchmarks: docs/PERFORMANCE.md ------------------------------------------------------------
$(B)/bench/derp-load: $(call obj,$(wildcard tests/bench/load/*.c)) $(B)/libderp.a $(B)/libbase.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -pthread $(libs-derpd) $(libs-base)
$(B)/bench/stun-load: $(call obj,$(addprefix tests/bench/,stun.c load/histogram.c load/usage.c)) \
		$(B)/libderp.a $(B)/libbase.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lm -lz $(libs-base)
$(B)/bench/floor: $(call obj,$(addprefix tests/bench/floor/,relay.c sealed.c)) $(B)/libderp.a $(B)/libbase.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(ssl) -lz $(libs-base)
$(B)/bench/floor-load: $(call obj,$(addprefix tests/bench/,floor/load.c floor/sealed.c load/histogram.c load/usage.c)) \
		$(B)/libbase.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(ssl) $(libs-base)
$(B)/bench/limit: $(call obj,tests/bench/limit.c)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -pthread $(ssl)
$(B)/bench/wan: $(call obj,tests/bench/wan.c)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^
BENCH := $(addprefix $(B)/bench/,derp-load stun-load floor floor-load limit wan)
bench: ## derpd beside derper, all scenarios, into docs/PERFORMANCE.md: about an hour and a half (root)
	$(Q)BENCH=1 $(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory all $(BENCH)
	$(Q)$(PYTHON) tests/bench/bench.py --publish
bench-quick: ## The most telling ones, once: three minutes (root)
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory all $(BENCH)
	$(Q)$(PYTHON) tests/bench/bench.py --quick

# --- Fuzzing: one libFuzzer target per parser; tests/fuzz/corpus/NAME holds its seeds -------------
FUZZERS   := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_TIME ?= 60
F         := $(O)/fuzz
fuzzobj    = $(patsubst %.c,$(F)/obj/%.o,$(foreach l,$(LIBS),$(sources-$(l))))
FUZZFLAGS := $(CSTD) -Wall -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all

$(F)/obj/%.o: %.c Makefile
	$(call say,FUZZCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(INC) $(FUZZFLAGS) -fsanitize=fuzzer-no-link,address,undefined \
		-DDERP_RELAY_BUILD_TIME=0 -MMD -MP -c $< -o $@
$(F)/libfuzzed.a: $(fuzzobj)
	$(Q)rm -f $@; $(AR) rcsD $@ $^
$(F)/%: tests/fuzz/%_fuzz.c $(F)/libfuzzed.a
	$(call say,FUZZLD,$@)
	$(Q)$(CLANG) $(INC) $(FUZZFLAGS) -fsanitize=fuzzer,address,undefined -MMD -MP -MF $@.d -o $@ $< \
		$(F)/libfuzzed.a -pthread $(alldeps)

fuzzers: $(addprefix $(F)/,$(FUZZERS))
fuzz: fuzzers ## Explore every parser for FUZZ_TIME seconds (60)
	$(Q)set -e; for f in $(FUZZERS); do mkdir -p $(F)/corpus/$$f tests/fuzz/corpus/$$f; \
	  echo "== $$f"; $(F)/$$f -max_total_time=$(FUZZ_TIME) -print_final_stats=0 -verbosity=0 \
	    -artifact_prefix=$(F)/$$f- $(F)/corpus/$$f tests/fuzz/corpus/$$f; done

# --- Coverage: the unit tests, and the fuzz targets that only replay their seeds -----------------
ifdef COVERAGE
$(B)/replay/%: tests/fuzz/%_fuzz.c $(foreach l,$(LIBS),$(B)/lib$(l).a)
	$(call say,REPLAY,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(INC) $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -fsanitize=fuzzer -o $@ $< \
		-Wl,--start-group $(alllibs) -Wl,--end-group -pthread $(alldeps)

covered: $(addprefix $(B)/unit/,$(UNITS)) $(addprefix $(B)/replay/,$(FUZZERS))
endif
coverage: ## Lines and branches of each parser that tests reach; build/coverage/html
	$(Q)$(PYTHON) tests/coverage.py

# --- The rest --------------------------------------------------------------------------------------
deps: ## Install what building and testing need (root)
	$(Q)sh packaging/deps.sh
lint: ## House rules: include directions, library walls, lengths, formatting, translations
	$(Q)$(PYTHON) tests/lint.py
	$(Q)$(PYTHON) tests/po.py
	$(Q)$(PYTHON) tests/pitfalls.py
po: ## After a sentence was changed: its template and the translations' gaps, in po/
	$(Q)$(PYTHON) tests/po.py --update
format: ## Format the C code in place
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i
check: ## Run all tests (root); closes with "N passed, N failed"
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(PYTHON) tests/check.py
demo: ## The whole appliance on a private network, from package to renewal (root)
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(PYTHON) tests/appliance/demo.py
deb: ## Build the Debian package into build/
	$(Q)sh packaging/build-deb.sh
deb-arm64: ## (root) The same for arm64, with a cross compiler
	$(Q)sh packaging/build-deb-arm64.sh

DESTDIR ?=
PREFIX  ?= /usr
install: all ## Install programs, man pages, units and completion below DESTDIR
	$(Q)sh packaging/install.sh '$(B)' '$(DESTDIR)' '$(PREFIX)'
clean: ## Remove everything that was built
	$(Q)rm -rf $(O)
help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-11s %s\n",$$1,$$2}' $(MAKEFILE_LIST)

-include $(shell find $(O) \( -path $(O)/deb -o -path $(O)/former \) -prune -o -type f -name '*.d' -print 2>/dev/null)
