# The C library: build it, install it. Included by the Makefile, and by tests/capi/Makefile, which
# install it below a folder of theirs.
#
#   make install PREFIX=/usr/local            headers, libraries, pkg-config and CMake files, and
#                                             suppressions for valgrind
#   make install PREFIX=/usr DESTDIR=/tmp/x   for packagers
#   make install CAPI_FEATURES=torch          with language models; programs then need libtorch, too
#
# The library's version is the package's. While it is 0.MINOR, MINOR may break programs and is
# therefore in the SONAME, as cargo-c has it.

CAPI_ROOT := $(patsubst %/,%,$(dir $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))))
CARGO ?= cargo
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
DESTDIR ?=
CAPI_FEATURES ?=
# release, or dev for tests, which compiles faster.
CAPI_PROFILE ?= release
# Installed libraries carry no debugging information; "make install STRIP=true" keeps it.
STRIP ?= strip

CAPI_VERSION := $(shell sed -n 's/^version = "\([0-9.]*\)"/\1/p' $(CAPI_ROOT)/Cargo.toml | head -n 1)
CAPI_MAJOR := $(word 1,$(subst ., ,$(CAPI_VERSION)))
CAPI_MINOR := $(word 2,$(subst ., ,$(CAPI_VERSION)))
CAPI_ABI := $(if $(filter 0,$(CAPI_MAJOR)),0.$(CAPI_MINOR),$(CAPI_MAJOR))
CAPI_SONAME := libhedgerow.so.$(CAPI_ABI)
CAPI_BUILT := $(or $(CARGO_TARGET_DIR),$(CAPI_ROOT)/target)/$(if $(filter dev,$(CAPI_PROFILE)),debug,$(CAPI_PROFILE))

# What a program that links libhedgerow.a needs besides: the C libraries that Rust's standard
# library is made on.
CAPI_PRIVATE_LIBS := -lgcc_s -lpthread -ldl -lm
CAPI_CFLAGS :=
comma := ,
ifneq ($(filter tokenizers cli torch,$(subst $(comma), ,$(CAPI_FEATURES))),)
CAPI_CFLAGS += -DHR_HAS_TOKENIZERS
endif
ifneq ($(filter torch,$(subst $(comma), ,$(CAPI_FEATURES))),)
CAPI_TORCH := $(or $(LIBTORCH),$(CAPI_ROOT)/.deps/libtorch)
CAPI_PRIVATE_LIBS += -L$(CAPI_TORCH)/lib -Wl,-rpath,$(CAPI_TORCH)/lib -ltorch_cpu -lc10 -lstdc++
CAPI_CFLAGS += -DHR_HAS_TORCH
endif

.PHONY: capi install

capi:
	cd $(CAPI_ROOT) && $(CARGO) rustc --lib --profile $(CAPI_PROFILE) --features "$(CAPI_FEATURES)" \
		--crate-type cdylib,staticlib -- -C link-arg=-Wl,-soname,$(CAPI_SONAME)

install: capi ## install the C library: make install PREFIX=/usr/local [DESTDIR=…] [CAPI_FEATURES=torch]
	install -d "$(DESTDIR)$(INCLUDEDIR)" "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DESTDIR)$(LIBDIR)/cmake/hedgerow" \
		"$(DESTDIR)$(DATADIR)/hedgerow"
	install -m 644 $(CAPI_ROOT)/include/hedgerow.h $(CAPI_ROOT)/include/hedgerow.hpp \
		$(CAPI_ROOT)/include/hedgerow_llama.h "$(DESTDIR)$(INCLUDEDIR)"
	install -m 755 $(CAPI_BUILT)/libhedgerow.so "$(DESTDIR)$(LIBDIR)/libhedgerow.so.$(CAPI_VERSION)"
	install -m 644 $(CAPI_BUILT)/libhedgerow.a "$(DESTDIR)$(LIBDIR)"
	$(if $(filter dev,$(CAPI_PROFILE)),,$(STRIP) --strip-unneeded "$(DESTDIR)$(LIBDIR)/libhedgerow.so.$(CAPI_VERSION)")
	$(if $(filter dev,$(CAPI_PROFILE)),,$(STRIP) --strip-debug "$(DESTDIR)$(LIBDIR)/libhedgerow.a")
	install -m 644 $(CAPI_ROOT)/packaging/hedgerow.supp "$(DESTDIR)$(DATADIR)/hedgerow"
	ln -sf libhedgerow.so.$(CAPI_VERSION) "$(DESTDIR)$(LIBDIR)/$(CAPI_SONAME)"
	ln -sf $(CAPI_SONAME) "$(DESTDIR)$(LIBDIR)/libhedgerow.so"
	for file in hedgerow.pc hedgerow-config.cmake hedgerow-config-version.cmake; do \
		sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|g' \
			-e 's|@VERSION@|$(CAPI_VERSION)|g' -e 's|@SONAME@|$(CAPI_SONAME)|g' \
			-e 's|@PRIVATE_LIBS@|$(strip $(CAPI_PRIVATE_LIBS))|g' -e 's|@CFLAGS@|$(strip $(CAPI_CFLAGS))|g' \
			$(CAPI_ROOT)/packaging/$$file.in > $(CAPI_BUILT)/$$file || exit 1; \
	done
	install -m 644 $(CAPI_BUILT)/hedgerow.pc "$(DESTDIR)$(LIBDIR)/pkgconfig"
	install -m 644 $(CAPI_BUILT)/hedgerow-config.cmake $(CAPI_BUILT)/hedgerow-config-version.cmake \
		"$(DESTDIR)$(LIBDIR)/cmake/hedgerow"
