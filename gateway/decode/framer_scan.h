/*
 * Protocols whose frames are found by looking at the bytes: each says what begins at a place, and
 * framer_scan.c does the rest. Built in with the decoder of the same name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fg_scan {
	enum {
		FG_SCAN_NONE, /* no frame begins here: len bytes are skipped, at least one */
		FG_SCAN_BAD, /* the same, for one whose checksum is wrong */
		FG_SCAN_MORE, /* one may begin here; more bytes are needed to know */
		FG_SCAN_FRAME, /* a good one of len bytes */
	} what;
	size_t len;
};

/* What begins at p. len > 0. `end`: no more bytes will come, MORE stands for NONE. */
struct fg_scan fg_airquality_scan(const uint8_t *p, size_t len, bool end);
struct fg_scan fg_dsmr_scan(const uint8_t *p, size_t len, bool end);
struct fg_scan fg_mbus_scan(const uint8_t *p, size_t len, bool end);
struct fg_scan fg_modbus_scan(const uint8_t *p, size_t len, bool end);
struct fg_scan fg_sml_scan(const uint8_t *p, size_t len, bool end);
struct fg_scan fg_vedirect_scan(const uint8_t *p, size_t len, bool end);
