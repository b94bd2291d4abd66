/* SPDX-License-Identifier: BSD-2-Clause */
/* The file format of a recording (.gsraw), for its writer and its reader only. All numbers are in the byte order of the
 * machine that wrote it, which the header tells.
 *
 *   struct recording_header
 *   struct recording_frame, body, zeros up to a multiple of 8    for each record
 *   struct recording_frame of RECORDING_END, u64 number of records
 *
 * Both checksums are zlib's CRC-32. A frame has one of its own, so that a damaged length is seen before it is used. */
#pragma once

#include <stdint.h>

#include "events/record.h"

#define RECORDING_MAGIC      "GSRAW\n\x1a" /* 8 bytes with its NUL; newline and Ctrl-Z show what a text mode did to it */
#define RECORDING_BYTE_ORDER 0x01020304u
#define RECORDING_BODY_MAX   65536u /* bytes of a record */
#define RECORDING_END        0xffffu
#define RECORDING_TYPES      32
#define RECORDING_KINDS      64

struct recording_header {
	char magic[8];
	uint32_t version; /* RECORDING_VERSION */
	uint32_t byte_order;
	uint32_t size; /* of this header */
	uint32_t crc;  /* of this header with 0 here */
	/* Sizes of what the writer knew; 0: nothing of this number. A build with another layout is told by them. */
	uint32_t record_sizes[RECORDING_TYPES]; /* by enum record_type */
	uint16_t event_sizes[RECORDING_KINDS];  /* by enum event_kind */
};
_Static_assert(sizeof(struct recording_header) == 24 + 4 * RECORDING_TYPES + 2 * RECORDING_KINDS, "recording_header");

struct recording_frame {
	uint32_t size; /* of the body, without the zeros behind it */
	uint16_t type; /* enum record_type or RECORDING_END */
	uint16_t reserved;
	uint32_t body_crc;  /* of the body with the zeros */
	uint32_t frame_crc; /* of the twelve bytes before */
};
_Static_assert(sizeof(struct recording_frame) == 16, "recording_frame");

/* As this build writes it. */
void recording_header_fill(struct recording_header *h);
uint32_t recording_header_crc(const struct recording_header *h);
uint32_t recording_frame_crc(const struct recording_frame *f);
uint32_t recording_body_crc(const void *padded, uint32_t size); /* size: without the zeros */

static inline uint32_t recording_padded(uint32_t size)
{
	return (size + 7) & ~7u;
}

/* Size of a type's record, 0: varies (an event) or no such type. In record_check.c. */
uint32_t record_size(enum record_type t);
