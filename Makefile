# make            build everything          make demo        a cluster on loopback, from nothing
# make check      all tests                 make check-fast  the part under a minute
# make fuzz T=http1 SECONDS=60       make install DESTDIR= prefix=/usr
# make bench              beside wrk, ab, h2load and hey, 20 minutes; make bench-quick: under 3 minutes
# make bench-scale        a master under up to 5,000 workers, 5 minutes
# SAN=address,undefined | SAN=thread | COV=1 are variants with a build directory of their own; V=1 shows commands.

VERSION := 0.1.0
prefix ?= /usr
sysconfdir ?= /etc
unitdir ?= $(prefix)/lib/systemd/system
libexecdir ?= $(prefix)/lib/lps

comma := ,
VARIANT := $(if $(SAN),san-$(subst $(comma),-,$(SAN)),$(if $(COV),cov,release))
B := build/$(VARIANT)
G := build/gen
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

CC := gcc
CPPFLAGS += -I. -I$(G) -I/usr/include/libxml2 -D_GNU_SOURCE -DLPS_VERSION='"$(VERSION)"' -DLPS_LIBEXECDIR='"$(libexecdir)"' -MMD -MP
CFLAGS ?= -O2 -g
CFLAGS += -std=c11 -pthread -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wundef -Wvla -Werror -fno-common -fstack-protector-strong
LDFLAGS += -pthread -Wl,--as-needed
ifneq ($(SAN),)
CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SAN)
endif
ifneq ($(COV),)
CFLAGS += -O0 --coverage
LDFLAGS += --coverage
endif

# What each program may link.
LIBS_script      := -lpcre2-8 -lxml2 -lcsv -lm
LIBS_lps         := -lcurl -ljansson -lyaml -lcrypto -lprotobuf-c -levent_core $(LIBS_script)
LIBS_lps-workerd := -lgrpc -lgpr -lprotobuf-c -levent_core -levent_extra -ljansson -lsystemd -lcrypto $(LIBS_script)
LIBS_lps-runner  := -levent_core -lprotobuf-c -ljansson -lnghttp2 -lssl -lcrypto -lz $(LIBS_script)
LIBS_lps-masterd := -lgrpc -lgpr -lprotobuf-c -levent_core -levent_extra -ljansson -lsystemd -lsqlite3 -lcrypto $(LIBS_script)
LIBS_test        := -lcmocka -lgrpc -lgpr -lprotobuf-c -levent_core -levent_extra -ljansson -lsystemd -lsqlite3 \
	-lcurl -lnghttp2 -lyaml -lpcre2-8 -lxml2 -lcsv -ljwt -lssl -lcrypto -lz -lm

ROOM_lps := worker/cli
ROOM_lps-workerd := worker/daemon
ROOM_lps-runner := worker/runner
ROOM_lps-masterd := master/daemon
ROOMS := lps lps-workerd lps-runner lps-masterd
PROGRAMS := $(foreach p,$(ROOMS),$(if $(wildcard $(ROOM_$(p))/main.c),$(p)))
SRC_common      := $(wildcard common/*.c common/script/*.c)
SRC_lps         := $(wildcard worker/cli/*.c) $(wildcard worker/spawn/*.c)
SRC_lps-workerd := $(wildcard worker/daemon/*.c) $(wildcard worker/spawn/*.c)
SRC_lps-runner  := $(wildcard worker/runner/*.c)
SRC_lps-masterd := $(wildcard master/daemon/*.c)
SRC_gen         := $(G)/lps.pb-c.c $(G)/health.pb-c.c $(G)/www_assets.c

# A program is its main.c, the other objects of its rooms, and of common what these need.
objs = $(patsubst %.c,$(B)/obj/%.o,$(1))
AR_common := $(B)/lib/common.a
ARCHIVES := $(AR_common) $(ROOMS:%=$(B)/lib/%.a)
ALL_SRC := $(sort $(SRC_common) $(foreach p,$(ROOMS),$(SRC_$(p))) $(SRC_gen))

TESTS  := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/*_test.c))
FUZZ   := $(patsubst tests/fuzz/%_fuzz.c,$(B)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
CLUSTER := $(B)/cluster/switch $(B)/cluster/swarm $(B)/cluster/wallclock.so
BENCH  := $(patsubst tests/bench/%.c,$(B)/bench/%,$(filter-out tests/bench/target_%,$(wildcard tests/bench/*.c)))
EXPLORER := $(B)/explore/explore

.PHONY: all tests deps demo check check-fast check-style bench bench-quick bench-scale fuzz install clean
.SECONDARY:
.DELETE_ON_ERROR:

all: $(PROGRAMS:%=$(B)/%)
tests: all $(TESTS) $(FUZZ) $(CLUSTER) $(BENCH) $(EXPLORER)

deps:
	$(Q)tests/deps.sh

$(PROGRAMS:%=$(B)/%): $(B)/%: $(B)/lib/%.a $(AR_common)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %/main.o,$(call objs,$(SRC_$*))) $(B)/lib/$*.a $(AR_common) $(LIBS_$*)

$(AR_common): $(call objs,$(SRC_common) $(G)/lps.pb-c.c $(G)/health.pb-c.c)
define archive_rule
$(B)/lib/$(1).a: $(filter-out %/main.o,$(call objs,$(SRC_$(1)))) | $(filter %/main.o,$(call objs,$(SRC_$(1))))
$(B)/$(1): $(filter %/main.o,$(call objs,$(SRC_$(1))))
endef
$(foreach p,$(ROOMS),$(eval $(call archive_rule,$(p))))
$(B)/lib/lps-masterd.a: $(call objs,$(G)/www_assets.c)

$(ARCHIVES):
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(B)/obj/%.o: %.c | $(G)/lps.pb-c.h $(G)/health.pb-c.h
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/obj/$(G)/%.o: $(G)/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -Wno-error -w -c -o $@ $<

$(G)/%.pb-c.c $(G)/%.pb-c.h: proto/%.proto
	$(call say,PROTOC,$<)
	$(Q)mkdir -p $(G) && protoc --proto_path=proto --c_out=$(G) $<

WWW_SRC := $(wildcard master/www/src/*) master/www/package.json master/www/package-lock.json master/www/build.mjs
$(G)/www_assets.c: $(WWW_SRC)
	$(call say,WWW,$@)
	$(Q)mkdir -p $(G) && cd master/www && npm ci --silent --no-audit --no-fund && node build.mjs $(abspath $@)

# --- Tests ---

$(B)/unit/%: tests/unit/%.c $(ARCHIVES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $(filter tests/%.c,$^) \
		-Wl,--start-group $(ARCHIVES) -Wl,--end-group $(LIBS_test)
$(B)/unit/runner_test: tests/unit/runner_test_server.c | $(B)/lps-runner
# What several tests share.
unit = $(patsubst %,$(B)/unit/%_test,$(1))
$(call unit,plan plan_request plan_round plan_random plan_language): tests/unit/plan_test_util.c tests/unit/plan_test_util.h
$(call unit,result result_text): tests/unit/result_test_util.c tests/unit/result_test_util.h
$(call unit,tls tls_handshake tls_identity conn): tests/unit/tls_test_pair.c tests/unit/tls_test_pair.h
$(call unit,conf conf_http conf_watchdog conf_file conf_table): tests/unit/conf_test_util.c tests/unit/conf_test_util.h
$(call unit,cluster cluster_table cluster_submission cluster_window cluster_restore): \
	tests/unit/cluster_test_world.c tests/unit/cluster_test_world.h
$(call unit,rpc rpc_connect rpc_health): tests/unit/rpc_test_util.c tests/unit/rpc_test_util.h
$(call unit,http http_stream): tests/unit/http_test_util.c tests/unit/http_test_util.h
$(call unit,method_make method_code method_token method_text method_number method_store method_find method_findxml): \
	tests/unit/method_test_util.c tests/unit/method_test_util.h
$(call unit,store store_damage): tests/unit/store_test_world.c tests/unit/store_test_world.h
$(call unit,tmpl tmpl_call): tests/unit/tmpl_test_util.c tests/unit/tmpl_test_util.h
$(call unit,session session_slot): tests/unit/session_test_world.c tests/unit/session_test_world.h
$(call unit,rpc rpc_connect rpc_health uplink http http_stream): tests/unit/wait.c tests/unit/wait.h

# Replays files of its corpus; `make fuzz` links the same target with libFuzzer.
$(B)/fuzz/%: tests/fuzz/%_fuzz.c tests/fuzz/replay.c $(ARCHIVES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< tests/fuzz/replay.c \
		-Wl,--start-group $(ARCHIVES) -Wl,--end-group $(LIBS_test)

$(B)/cluster/swarm: tests/cluster/swarm.c $(ARCHIVES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< \
		-Wl,--start-group $(ARCHIVES) -Wl,--end-group $(LIBS_test)

$(B)/bench/%: tests/bench/%.c $(AR_common)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $(filter tests/%.c,$^) $(AR_common) \
		-lnghttp2 -levent_core -ljansson -lssl -lcrypto
$(B)/bench/target: $(wildcard tests/bench/target_*.c) tests/bench/target.h

$(B)/cluster/switch: tests/cluster/switch.c
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $<

# Loaded into the daemons, which have sanitizers of their own.
$(B)/cluster/wallclock.so: tests/cluster/wallclock.c
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) -D_GNU_SOURCE -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -fPIC -shared -o $@ $<

# The heap of the explored cluster is one block (tests/explore/arena.h).
EXPLORE_WRAP := $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc reallocarray free strdup strndup vasprintf \
	protobuf_c_message_unpack protobuf_c_message_free_unpacked __assert_fail)
# TOOTH: a source with a bug, in the place of the real one (tests/explore/check-teeth).
$(EXPLORER): $(wildcard tests/explore/*.[ch]) $(TOOTH) $(ARCHIVES)
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(filter-out -MMD -MP,$(CPPFLAGS)) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c,$^) $(EXPLORE_WRAP) \
		-Wl,--start-group $(ARCHIVES) -Wl,--end-group $(LIBS_test)

check: deps
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) tests
	$(Q)tests/run --build $(B)

check-fast: deps
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) tests
	$(Q)tests/run --build $(B) --fast

demo: deps
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) all $(B)/bench/target
	$(Q)tests/demo --build $(B)

bench bench-quick: deps
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) all $(BENCH)
	$(Q)tests/bench/bench --build $(B) $(if $(filter bench-quick,$@),--quick)

bench-scale: deps
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) $(B)/lps-masterd $(CLUSTER)
	$(Q)tests/bench/scale --build $(B)

# libFuzzer starts from the corpus in the tree, and keeps what it finds under build/fuzz.
SECONDS ?= 60
FUZZ_SRC = $(filter-out %/main.c,$(ALL_SRC))
fuzz: $(G)/lps.pb-c.c $(G)/health.pb-c.c $(G)/www_assets.c
	$(call say,FUZZ,$(T) for $(SECONDS) s)
	$(Q)mkdir -p build/fuzz/$(T).corpus
	$(Q)clang $(filter-out -MMD -MP,$(CPPFLAGS)) -g -O1 -std=c11 -pthread -fsanitize=fuzzer$(comma)address$(comma)undefined \
		-fno-sanitize-recover=all -w -o build/fuzz/$(T) tests/fuzz/$(T)_fuzz.c $(FUZZ_SRC) $(LIBS_test)
	$(Q)build/fuzz/$(T) -max_total_time=$(SECONDS) -max_len=65536 build/fuzz/$(T).corpus tests/fuzz/corpus/$(T)

# --- Install ---

install: all
	install -Dm755 -t $(DESTDIR)$(prefix)/bin $(B)/lps
	install -Dm755 -t $(DESTDIR)$(prefix)/sbin $(B)/lps-masterd $(B)/lps-workerd
	install -Dm755 -t $(DESTDIR)$(libexecdir) $(B)/lps-runner
	install -Dm644 -t $(DESTDIR)$(unitdir) $(wildcard systemd/*.service systemd/*.socket)
	install -Dm644 systemd/lps.sysusers $(DESTDIR)$(prefix)/lib/sysusers.d/lps.conf
	install -Dm644 -t $(DESTDIR)$(sysconfdir)/lps config/lpsSettings.json
	install -Dm644 -t $(DESTDIR)$(prefix)/share/doc/lps/examples $(wildcard config/plans/*)
	install -Dm644 -t $(DESTDIR)$(prefix)/share/man/man1 $(wildcard docs/*.1)
	install -Dm644 -t $(DESTDIR)$(prefix)/share/man/man5 $(wildcard docs/*.5)
	install -Dm644 -t $(DESTDIR)$(prefix)/share/man/man8 $(wildcard docs/*.8)

clean:
	rm -rf build

-include $(patsubst %,%.d,$(TESTS) $(FUZZ) $(BENCH) $(CLUSTER)) $(patsubst %.o,%.d,$(call objs,$(ALL_SRC)))
