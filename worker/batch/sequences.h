/*-------------------------------------------------------------------------
 *
 * worker/batch/sequences.h
 *	  Sequences of the target that are kept ahead of the source's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_SEQUENCES_H
#define DBSYNC_WORKER_BATCH_SEQUENCES_H

#include "worker/batch/choose.h"
#include "worker/sequence.h"
#include "worker/work.h"

/*
 * The steps of a batch, in this order: begin; note_cut for each of its cuts, before it is
 * sent; advance, behind all rows; answered, when the target has committed.  Connected to SPI.
 */
extern void dbsync_sequences_begin(DbsyncBatch *batch);
extern void dbsync_sequences_note_cut(DbsyncBatch *batch);
extern void dbsync_sequences_advance(DbsyncBatch *batch);
extern void dbsync_sequences_answered(DbsyncWork *work);

/* Have the target set those whose goals dbsync_sequences_choose() has chosen, in the batch that is open. */
extern void dbsync_sequences_send(DbsyncWork *work);

/* Behind a batch, outside a transaction: have people told, if there is much to tell. */
extern void dbsync_sequences_note(DbsyncWork *work);

/*
 * Look at all of them, and choose those that are to be sent.  In a transaction, connected to SPI;
 * one that somebody has locked is passed over.
 */
extern void dbsync_sequences_choose(DbsyncWork *work);

/*
 * Is the target's to be set?  Not while its table is yet to be copied, is held, or has gone from
 * the subscription.
 */
extern bool dbsync_sequences_flow(const DbsyncWork *work, const DbsyncSequence *sequence);

#endif							/* DBSYNC_WORKER_BATCH_SEQUENCES_H */
