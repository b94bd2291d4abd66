/* SPDX-License-Identifier: BSD-2-Clause */
/* A recording (.gsraw): a versioned header, then records one after another, each with its length and a checksum. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "events/record.h"

#define RECORDING_VERSION 1 /* changes when a record's layout does; older ones are refused with a clear word */

struct recorder;

/* file: borrowed, stays open; the header is written at once. 0 or -errno. */
int recorder_new(FILE *file, struct recorder **ret);
struct recorder *recorder_free(struct recorder *r); /* writes nothing; call recorder_end() for a whole file */
/* 0 or the first -errno of writing (then nothing more is written). */
int recorder_put(struct recorder *r, const struct record *rec);
/* The closing mark with the number of records: without it a reader says that the file was cut. */
int recorder_end(struct recorder *r);
uint64_t recorder_cnt(const struct recorder *r);   /* records */
uint64_t recorder_bytes(const struct recorder *r); /* header included */

/* The last records in memory, oldest first, at most bytes_max: the flight recorder behind key R. */
struct record_ring;
int record_ring_new(size_t bytes_max, struct record_ring **ret);
struct record_ring *record_ring_free(struct record_ring *r);
void record_ring_put(struct record_ring *r,
		     const struct record *rec); /* the oldest give way; a record that alone is too big is dropped */
/* Calls fn for each, oldest first; stops at the first result that is not 0 and returns it. */
int record_ring_each(const struct record_ring *r, int (*fn)(const struct record *rec, void *arg), void *arg);
uint64_t record_ring_since(const struct record_ring *r); /* time_ns of the oldest TICK, 0 none */
