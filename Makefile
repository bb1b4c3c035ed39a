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

.PHONY: tapcheck
