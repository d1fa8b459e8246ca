/* The checksums that serial protocols put behind a frame, by kind. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum fg_checksum {
	FG_CHECKSUM_NONE,
	FG_CHECKSUM_SUM8,		/* sum of all bytes, modulo 256 */
	FG_CHECKSUM_XOR8,		/* all bytes exclusive-or'ed */
	FG_CHECKSUM_CRC8,		/* polynomial 0x07, initial 0 (SMBus) */
	FG_CHECKSUM_CRC16_MODBUS,	/* 0x8005 reflected, initial 0xFFFF; low byte first */
	FG_CHECKSUM_CRC16_CCITT,	/* 0x1021, initial 0xFFFF; high byte first */
	FG_CHECKSUM_CRC32,		/* IEEE 802.3; low byte first */
	FG_CHECKSUM__MAX
};

uint16_t fg_crc16_modbus(const void *bytes, size_t len);
