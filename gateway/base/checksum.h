/* The checksums that serial protocols put behind a frame. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <fg/checksum.h>
#include <fg/str.h>

/* The names options use: "none", "sum8", ... */
extern const char *const fg_checksum_names[FG_CHECKSUM__MAX];

uint8_t fg_crc8(const void *bytes, size_t len);
uint16_t fg_crc16_ccitt(const void *bytes, size_t len);
uint32_t fg_crc32(const void *bytes, size_t len);

/* Bytes the checksum takes on the wire: 0 to 4. */
size_t fg_checksum_size(enum fg_checksum kind);
/* Writes it as it stands on the wire; returns fg_checksum_size(kind). */
size_t fg_checksum_write(enum fg_checksum kind, const void *bytes, size_t len, uint8_t *out);
/* Verifies that a frame ends in the checksum of what is before it. Returns 0 and the frame
 * without it, or -EBADMSG (wrong, or the frame is shorter than the checksum). */
int fg_checksum_strip(enum fg_checksum kind, struct fg_str frame, struct fg_str *ret_body);
