/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/connect.c
 *	  PostgreSQL driver: from options to a connection.
 *
 * libpq keeps connect_timeout only when it does the waiting itself, so it is
 * kept here.  With several hosts it is per host, as in libpq; hosts are tried
 * one by one for that reason, since a host that drops packets would otherwise
 * use up the time of all.  (libpq still looks names up in one blocking call;
 * hostaddr avoids it.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/connect.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/options.h"
#include "worker/driver/postgres/wait.h"

/* a wait that has lasted so many ms is looked at */
#define LOOK_AFTER		1000L

/* bytes of a server until it has let us in: parameters, perhaps a notice */
#define MAX_GREETING	(1024 * 1024)

/* used where the options say nothing; a silent target is noticed in a minute */
static const char *const defaults[][2] = {
	{"connect_timeout", "10"},
	{"keepalives", "1"},
	{"keepalives_idle", "30"},
	{"keepalives_interval", "10"},
	{"keepalives_count", "3"},
	{"tcp_user_timeout", "60000"},
};

typedef struct Parameters
{
	int			n;
	const char **keywords;
	const char **values;
} Parameters;

static void
set_parameter(Parameters *params, const char *keyword, const char *value)
{
	int			i;

	for (i = 0; i < params->n; i++)
	{
		if (strcmp(params->keywords[i], keyword) == 0)
			break;
	}
	params->keywords[i] = keyword;
	params->values[i] = value;
	if (i == params->n)
	{
		params->n++;
		params->keywords[params->n] = params->values[params->n] = NULL;
	}
}

static const char *
get_parameter(const Parameters *params, const char *keyword)
{
	for (int i = 0; i < params->n; i++)
	{
		if (strcmp(params->keywords[i], keyword) == 0)
			return params->values[i];
	}
	return NULL;
}

/* allocates in CurrentMemoryContext: the password is not kept with the target */
static void
collect_parameters(Parameters *params, const DbsyncTargetConfig *config)
{
	int			room = list_length(config->options) + lengthof(defaults) + 4;
	ListCell   *lc;

	params->n = 0;
	params->keywords = palloc0(room * sizeof(char *));
	params->values = palloc0(room * sizeof(char *));

	for (int i = 0; i < lengthof(defaults); i++)
		set_parameter(params, defaults[i][0], defaults[i][1]);
	set_parameter(params, "application_name",
				  config->application_name ? config->application_name : "dbsync");
	foreach(lc, config->options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (dbsync_postgres_is_libpq_option(def->defname))
			set_parameter(params, def->defname, defGetString(def));
	}
	/* values travel in our encoding; the target converts */
	set_parameter(params, "client_encoding", GetDatabaseEncodingName());
}

static bool
refuse_password(PostgresTarget *target, const char *detail, const char *hint)
{
	return dbsync_postgres_refuse(target, ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED,
								  "password is required", detail, hint);
}

/*
 * A password must come from the user mapping, else libpq might find one in a
 * file of the server's own account.
 */
static bool
check_password_given(PostgresTarget *target, const Parameters *params,
					 const DbsyncTargetConfig *config)
{
	const char *password = get_parameter(params, "password");

	if (!config->password_required || (password && password[0] != '\0'))
		return true;
	return refuse_password(target, "Non-superusers must provide a password in the user mapping.",
						   psprintf("Set one with dbsync.alter_target(%s, password => ...).",
									quote_literal_cstr(config->name)));
}

/*
 * What the server would do before we know whom it takes us for is kept until then
 * (dbsync_postgres_set_options()).
 */
static void
hold_options(PostgresTarget *target, Parameters *params, const DbsyncTargetConfig *config)
{
	const char *options = get_parameter(params, "options");

	if (!config->password_required || options == NULL)
		return;
	target->options = dbsync_postgres_format(target, "%s", options);
	set_parameter(params, "options", "");
}

/* it must also have been asked for, else the server's own account let us in */
static bool
check_password_used(PostgresTarget *target, const DbsyncTargetConfig *config)
{
	if (!config->password_required || PQconnectionUsedPassword(target->conn))
		return true;
	return refuse_password(target,
						   "Non-superuser cannot connect if the target server does not request a password.",
						   "Target server's authentication method must be changed, or a superuser, who"
						   " owns the target, must set password_required 'false' in the user mapping.");
}

static void
drop_connection(PostgresTarget *target)
{
	dbsync_postgres_heard(target);
	PQfinish(target->conn);
	target->conn = NULL;
	if (target->external_fd)
		ReleaseExternalFD();
	target->external_fd = false;
}

static bool
could_not_connect(PostgresTarget *target, const char *detail)
{
	return dbsync_postgres_refuse(target, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
								  psprintf("could not connect to target \"%s\"", target->name),
								  detail ? pchomp(detail) : NULL, NULL);
}

/* the moment at which to give up, or 0 for never */
static TimestampTz
deadline_of(const Parameters *params)
{
	int			seconds = atoi(get_parameter(params, "connect_timeout"));

	if (seconds <= 0)
		return 0;
	/* libpq's own minimum */
	return GetCurrentTimestamp() + Max(seconds, 2) * USECS_PER_SEC;
}

/*
 * Wait until libpq's next step can be made; false when time is up, or there is no
 * end of what comes.  A wait that lasts is told as those for answers are.
 */
static bool
wait_for_step(PostgresTarget *target, PostgresPollingStatusType status, TimestampTz begun, TimestampTz deadline)
{
	int			wanted = (status == PGRES_POLLING_READING) ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE;

	if (target->waits_since == 0)
		target->waits_since = GetCurrentTimestamp();
	for (;;)
	{
		int			events = WL_EXIT_ON_PM_DEATH | WL_LATCH_SET | WL_TIMEOUT | wanted;
		long		timeout = LOOK_AFTER;
		int			rc;

		if (!dbsync_postgres_look_at_clock(target, begun))
			return false;
		if (deadline != 0)
		{
			timeout = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
			if (timeout <= 0)
				return could_not_connect(target, "timeout expired");
			timeout = Min(timeout, LOOK_AFTER);
		}
		/* the socket changes from address to address: no lasting event set */
		rc = WaitLatchOrSocket(MyLatch, events, PQsocket(target->conn), timeout,
							   PG_WAIT_EXTENSION);
		if (rc & WL_LATCH_SET)
			ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (rc & wanted)
			return true;
	}
}

/* notices would go to the server's standard error */
static void
ignore_notice(void *arg, const PGresult *result)
{
}

/* one attempt; on failure the fault is set and the connection dropped */
static bool
connect_once(PostgresTarget *target, const Parameters *params)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	TimestampTz begun = GetCurrentTimestamp();
	TimestampTz deadline = deadline_of(params);
	Size		arrived = 0;

	if (!AcquireExternalFD())
	{
		could_not_connect(target, "There are too many open files on the local server.");
		dbsync_postgres_advise(target, "Raise the server's max_files_per_process"
							   " and/or \"ulimit -n\" limits.");
		return false;
	}
	target->external_fd = true;
	target->conn = PQconnectStartParams(params->keywords, params->values, false);
	if (target->conn == NULL)
		return could_not_connect(target, "out of memory");

	/* from here on, as what comes before they are logged in would go to the server's log */
	PQsetNoticeReceiver(target->conn, ignore_notice, NULL);
	while (PQstatus(target->conn) != CONNECTION_BAD)
	{
		if (!wait_for_step(target, status, begun, deadline) ||
			!dbsync_postgres_count_arrived(target, &arrived, MAX_GREETING))
		{
			drop_connection(target);
			return false;
		}
		/* the next one may be for another address */
		dbsync_postgres_receive_little(PQsocket(target->conn));
		status = PQconnectPoll(target->conn);
		if (status == PGRES_POLLING_OK)
		{
			dbsync_postgres_heard(target);
			return true;
		}
		if (status == PGRES_POLLING_FAILED)
			break;
	}
	could_not_connect(target, PQerrorMessage(target->conn));
	drop_connection(target);
	return false;
}

/* element i of a comma-separated list; the only element serves for all */
static const char *
list_element(const char *list, int i)
{
	const char *end;

	if (list == NULL || strchr(list, ',') == NULL)
		return list;
	for (; i > 0 && list; i--)
	{
		list = strchr(list, ',');
		list = list ? list + 1 : NULL;
	}
	if (list == NULL)
		return "";
	end = strchr(list, ',');
	return end ? pnstrdup(list, end - list) : list;
}

static int
list_size(const char *list)
{
	int			n = 1;

	for (; list && *list; list++)
		n += (*list == ',');
	return n;
}

bool
dbsync_postgres_connect(PostgresTarget *target, const DbsyncTargetConfig *config)
{
	static const char *const per_host[] = {"host", "hostaddr", "port"};
	const char *lists[lengthof(per_host)];
	Parameters	params;
	int			nhosts;

	collect_parameters(&params, config);
	if (!check_password_given(target, &params, config))
		return false;
	hold_options(target, &params, config);

	for (int i = 0; i < lengthof(per_host); i++)
		lists[i] = get_parameter(&params, per_host[i]);
	nhosts = Max(list_size(lists[0]), list_size(lists[1]));
	for (int host = 0; host < nhosts; host++)
	{
		for (int i = 0; i < lengthof(per_host); i++)
		{
			if (lists[i])
				set_parameter(&params, per_host[i], list_element(lists[i], host));
		}
		if (connect_once(target, &params))
			return check_password_used(target, config);
		/* what one host has said is not the next one's fault */
		target->broken = false;
	}
	return false;
}
