# dbsync: PGXS build.  "make && make install", then "make installcheck" against
# any running server on which dbsync is installed.

EXTENSION = dbsync
EXTVERSION = 0.1
MODULE_big = dbsync

# The folders are the architecture (docs/design.md).
# Below worker/driver/ are also drivers that are modules of their own, see below.
ROOMS = extension/ extension/*/ worker/ worker/*/ worker/driver/postgres/ worker/driver/file/
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard $(addsuffix *.c,$(ROOMS)))))
ALL_HEADERS = $(wildcard $(addsuffix *.h,$(ROOMS)))

INSTALL_PIECES = $(sort $(wildcard extension/install/*.sql))
DATA_built = dbsync--$(EXTVERSION).sql

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --inputdir=. --load-extension=dbsync
ISOLATION = $(patsubst specs/%.spec,%,$(sort $(wildcard specs/*.spec)))
ISOLATION_OPTS = --inputdir=. --load-extension=dbsync
EXTRA_CLEAN = dbsync--$(EXTVERSION).sql tmp_check

PG_CFLAGS = -I$(CURDIR) -std=gnu99 $(WERROR)
SHLIB_LINK = $(libpq) -lzstd -lcrypto
PG_CPPFLAGS = -I$(libpq_srcdir) -DDBSYNC_VERSION='"$(EXTVERSION)"'
# bitcode would want clang on the build machine and gains nothing here
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

dbsync--$(EXTVERSION).sql: $(INSTALL_PIECES)
	cat $^ > $@

$(OBJS): $(ALL_HEADERS)

# The crash tests start and kill servers of their own; they are no part of
# installcheck, which must leave the server it is pointed at alone.
tapcheck:
	cd $(srcdir) && PG_REGRESS='$(pgxsdir)/src/test/regress/pg_regress' \
	  PATH="$(bindir):$$PATH" PG_CONFIG='$(PG_CONFIG)' \
	  prove --verbose -I $(pgxsdir)/src/test/perl -I t $(PROVE_FLAGS) \
	  $(if $(PROVE_TESTS),$(PROVE_TESTS),$(sort $(wildcard t/*.pl t/attack/*.pl)))

# Drivers that are modules, as each links a library that dbsync must not: those whose
# library is there are built and installed with all else.  WITH_SQLITE=no leaves one out.
WITH_SQLITE ?= $(if $(shell pkg-config --exists sqlite3 2>/dev/null && echo yes),yes,missing)
DRIVER_MODULES = $(if $(filter yes,$(WITH_SQLITE)),sqlite)

all: drivers
drivers:
	@$(if $(filter missing,$(WITH_SQLITE)),echo "dbsync: without the driver for SQLite: pkg-config does not find sqlite3 (Debian: libsqlite3-dev, pkg-config)",:)
	@$(if $(filter no,$(WITH_SQLITE)),echo "dbsync: without the driver for SQLite: WITH_SQLITE=no",:)
	@set -e; for driver in $(DRIVER_MODULES); do $(MAKE) -C worker/driver/$$driver all; done

install: install-drivers
install-drivers: drivers
	@set -e; for driver in $(DRIVER_MODULES); do $(MAKE) -C worker/driver/$$driver install; done

# whatever was built before
uninstall: uninstall-drivers
uninstall-drivers:
	$(MAKE) -C worker/driver/sqlite uninstall

clean: clean-drivers
clean-drivers:
	$(MAKE) -C worker/driver/sqlite clean

.PHONY: tapcheck drivers install-drivers uninstall-drivers clean-drivers
