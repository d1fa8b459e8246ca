/*
 * The spool on disk. Every integer is little-endian; there is no padding but where it is named.
 *
 * SPOOLDIR/NNNNNNNNNNNNNNNN.seg, N: 16 hex digits of the segment's number, which only grows.
 * The file is preallocated at birth and cut to its real size when it is sealed. One segment belongs
 * to one epoch, one boot and one run of the process.
 *
 *   segment header, 128 bytes
 *     0   8  magic "FGSPOOL\n"
 *     8   2  format version: 2; 1 had no identity
 *    10   2  length of this header: 128
 *    12   4  flags: 1 the epoch follows a power cut, 2 written under commit "each"
 *    16   8  segment number, as in the file's name
 *    24   8  bytes preallocated, header included
 *    32   8  base: the position before its first record
 *    40   8  epoch: id
 *    48   8  epoch: base position
 *    56   8  epoch: id of the one before, 0: none
 *    64   8  epoch: last number kept of the one before
 *    72  16  boot id (/proc/sys/kernel/random/boot_id)
 *    88   8  Unix time of birth in ns, for people
 *    96   8  the spool's identity: random, made with the spool; another one's is none of ours
 *   104  20  zero
 *   124   4  CRC-32C of bytes 0 .. 123
 *
 *   entries follow each other without a gap, then zeros up to the end of the file
 *     0   4  length of the entry, this header included; never 0, so zeros are never an entry
 *     4   4  CRC-32C of bytes 8 .. length-1, begun with the CRC of the segment's header: an entry
 *            counts only in the segment that it was written to, and bytes that a device sends
 *            cannot pass for one
 *     8   8  position of its first record
 *    16   8  wall_ns
 *    24   8  boot_ns
 *    32   4  count of records, >= 1
 *    36   2  flags (FG_ENTRY_*)
 *    38   2  length of the device's id
 *    40      the device's id, then the records
 *
 *   a record
 *     1      bits 0-2: kind of its value (enum fg_kind), and which of the optional parts it has:
 *            16 unit, 32 time, 64 update time, 128 sum; 8: its time was counted from the arrival,
 *            so it moves with wall_ns
 *     varint, bytes: point
 *     [varint, bytes: unit]
 *     value
 *     [8: time_ns] [8: update_s, IEEE 754 binary64] [1, value: kind and value of the sum]
 *
 *   a value by its kind: none: nothing; bool: 1 byte, 0 or 1; int: varint, zigzag; uint: 8 bytes;
 *   decimal: 1 byte exp10, then varint, zigzag; double: 8 bytes; string, data: varint, bytes
 *
 *   varint: 7 bits a byte, lowest first, bit 7: more follow; at most 10 bytes
 *
 * An entry is valid if its length, its CRC, its position and count are, the position being the one
 * that follows the entry before. Where it is not, the reader looks for the next valid one byte by
 * byte; what lies between is a gap. A segment's last position is the base of the one behind it.
 *
 * SPOOLDIR/lock is locked with flock(2) while a process has the spool. In place, no renames:
 *        0   64  the pid in decimal, blanks, a newline
 *      512  whose it is, 128 bytes, in one sector; written with the spool
 *     0   8  magic "FGNAMED\n"
 *     8   8  the spool's identity
 *    16   4  length of the gateway's id, at most 64
 *    20      the gateway's id, zeros
 *   124   4  CRC-32C of bytes 0 .. 123
 *     1024  a sync has failed, 28 bytes; zeros: none has
 *     0   8  magic "FGERROR\n"
 *     8  16  boot id
 *    24   4  CRC-32C of bytes 0 .. 23
 *     4096, 8192 run slots of 2048 bytes, the valid one with the greater sequence counts
 *     0   8  magic "FGSTATE\n"
 *     8   8  sequence
 *    16   4  1 open, 2 clean end
 *    20   4  flags: 2 commit "each", 4 a sync has failed, what it should have covered is to be
 *            written anew
 *    24   8  last position (clean end)
 *    32  16  boot id
 *    48   4  count of epochs, the oldest first, at most 48
 *    52      epochs, 8 bytes each: id, base, id of the one before, last number kept of that (bit
 *            63: the epoch follows a power cut)
 *  1588   8  the spool's identity
 *  2044   4  CRC-32C of bytes 0 .. 2043
 *     6144  16 boot slots of 40 bytes: what is known of the clock of the last boots
 *     0  16  boot id
 *    16   8  time of day less boot clock, in ns
 *    24   8  the boot clock when that was known to be right, in ns; 0: it never was
 *    32   4  sequence: the oldest place is given to a new boot
 *    36   4  CRC-32C of bytes 0 .. 35
 *    12288, 16384 tally slots of 256 bytes, likewise
 *     0   8  magic "FGTALLY\n"
 *     8   8  sequence
 *    16      positions, 8 bytes each: accepted, committed, floor (nothing up to it is kept)
 *    40      24 counters of 8 bytes
 *   232  20  zero
 *   252   4  CRC-32C of bytes 0 .. 251
 *
 * SPOOLDIR/cursors/BRIDGE has two slots of 512 bytes at 0 and 4096:
 *     0   8  magic "FGCURSR\n"
 *     8   8  sequence
 *    16   8  begin, position, acknowledged, sent, dead, dropped (5, in the order of enum fg_why),
 *            announced epoch, removed at, target hash, flags (1 begin announced, 2 optional,
 *            4 given up), tiled, 8 bytes each
 *   136   8  islands: how many (8 at most), then from and to of each, 8 bytes each
 *   272   8  the spool's identity, this cursor's own (random, made when it began), seconds that the
 *            configuration has lacked it, letters of dead/BRIDGE.again that are done, 8 bytes each
 *   508   4  CRC-32C of bytes 0 .. 507
 */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

enum {
	FG_SEGMENT_VERSION = 2,
	FG_SEGMENT_OLDEST = 1,	/* that is still read */
	FG_SEGMENT_HEAD = 128,
	FG_SEGMENT_IDENTITY = 96,
	FG_SEGMENT_CRC = 124,
	FG_SEGMENT_POWER_CUT = 1,
	FG_SEGMENT_EACH = 2,

	FG_ENTRY_HEAD = 40,
	FG_ENTRY_FIRST = 8,
	FG_ENTRY_WALL = 16,
	FG_ENTRY_BOOT = 24,
	FG_ENTRY_COUNT = 32,
	FG_ENTRY_FLAGS = 36,
	FG_ENTRY_DEVICE = 38,
	FG_ENTRY_MAX = 1 << 30,

	FG_RECORD_KIND = 7,
	FG_RECORD_ARRIVAL = 8,
	FG_RECORD_UNIT = 16,
	FG_RECORD_TIME = 32,
	FG_RECORD_UPDATE = 64,
	FG_RECORD_SUM = 128,
	FG_RECORD_MIN = 2,	/* bytes: no record takes less */

	FG_NAME_AT = 512,
	FG_NAME_SIZE = 128,
	FG_NAME_GATEWAY = 20,
	FG_GATEWAY_MAX = 64,
	FG_ERROR_AT = 1024,
	FG_ERROR_SIZE = 28,

	FG_RUN_AT = 4096,
	FG_RUN_STEP = 4096,
	FG_RUN_SIZE = 2048,
	FG_RUN_EPOCHS = 48,
	FG_RUN_IDENTITY = 52 + 32 * FG_RUN_EPOCHS,
	FG_RUN_OPEN = 1,
	FG_RUN_CLEAN = 2,
	FG_RUN_FAILING = 4,
	FG_BOOTS_AT = 6144,
	FG_BOOTS = 16,
	FG_BOOT_SIZE = 40,
	FG_TALLY_AT = 12288,
	FG_TALLY_STEP = 4096,
	FG_TALLY_SIZE = 256,
	FG_STATE_SIZE = 16384 + 256,

	FG_CURSOR_SLOT = 512,
	FG_CURSOR_STEP = 4096,
};

#define FG_SEGMENT_MAGIC "FGSPOOL\n"
#define FG_NAME_MAGIC "FGNAMED\n"
#define FG_ERROR_MAGIC "FGERROR\n"
#define FG_RUN_MAGIC "FGSTATE\n"
#define FG_TALLY_MAGIC "FGTALLY\n"
#define FG_CURSOR_MAGIC "FGCURSR\n"
/* No position is ever greater, so that sums of positions and sizes cannot overflow. */
#define FG_POSITION_MAX ((uint64_t)1 << 62)

static inline void fg_put16(void *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void fg_put32(void *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void fg_put64(void *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static inline uint16_t fg_get16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static inline uint32_t fg_get32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t fg_get64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}
