/*-------------------------------------------------------------------------
 *
 * worker/types/clock_form.h
 *	  Dates, times and intervals in the standard's forms.
 *
 * Each writes into room of DBSYNC_FORM_SCRATCH bytes and returns how many it has written; or sets *problem, to what there is no
 * room for in the form, as a sentence about "it".
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TYPES_CLOCK_FORM_H
#define DBSYNC_WORKER_TYPES_CLOCK_FORM_H

#include "utils/date.h"
#include "utils/timestamp.h"

#include "worker/types/types.h"

/* the longest is an interval, and PostgreSQL's buffers for one have 129 bytes */
#define DBSYNC_FORM_SCRATCH		132

extern int	dbsync_clock_date(char *to, DateADT date, const DbsyncForm *form, const char **problem);
extern int	dbsync_clock_time(char *to, TimeADT time, const DbsyncForm *form, const char **problem);

/* With a time zone or without: those with one are in UTC. */
extern int	dbsync_clock_timestamp(char *to, Timestamp time, const DbsyncForm *form, const char **problem);

/* ISO 8601 */
extern int	dbsync_clock_interval(char *to, const Interval *interval, const char **problem);

#endif							/* DBSYNC_WORKER_TYPES_CLOCK_FORM_H */
