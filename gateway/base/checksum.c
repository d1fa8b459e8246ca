/* Frames are short and lines are slow, so the CRCs take four bits at a time from tables of
 * sixteen entries rather than a cache line's worth each. */
#include "base/checksum.h"

#include <errno.h>

const char *const fg_checksum_names[FG_CHECKSUM__MAX] = {
	[FG_CHECKSUM_NONE] = "none",
	[FG_CHECKSUM_SUM8] = "sum8",
	[FG_CHECKSUM_XOR8] = "xor8",
	[FG_CHECKSUM_CRC8] = "crc8",
	[FG_CHECKSUM_CRC16_MODBUS] = "crc16-modbus",
	[FG_CHECKSUM_CRC16_CCITT] = "crc16-ccitt",
	[FG_CHECKSUM_CRC32] = "crc32",
};

static uint8_t sum8(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return sum;
}

static uint8_t xor8(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum ^= *p++;
	return sum;
}

uint8_t fg_crc8(const void *bytes, size_t len)
{
	static const uint8_t table[16] = {
		0x00, 0x07, 0x0e, 0x09, 0x1c, 0x1b, 0x12, 0x15,
		0x38, 0x3f, 0x36, 0x31, 0x24, 0x23, 0x2a, 0x2d,
	};
	const uint8_t *p = bytes;
	uint8_t crc = 0;

	while (len--) {
		crc ^= *p++;
		crc = (uint8_t)(crc << 4) ^ table[crc >> 4];
		crc = (uint8_t)(crc << 4) ^ table[crc >> 4];
	}
	return crc;
}

uint16_t fg_crc16_modbus(const void *bytes, size_t len)
{
	static const uint16_t table[16] = {
		0x0000, 0xcc01, 0xd801, 0x1400, 0xf001, 0x3c00, 0x2800, 0xe401,
		0xa001, 0x6c00, 0x7800, 0xb401, 0x5000, 0x9c01, 0x8801, 0x4400,
	};
	const uint8_t *p = bytes;
	uint16_t crc = 0xffff;

	while (len--) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

uint16_t fg_crc16_ccitt(const void *bytes, size_t len)
{
	static const uint16_t table[16] = {
		0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
		0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
	};
	const uint8_t *p = bytes;
	uint16_t crc = 0xffff;

	while (len--) {
		crc ^= (uint16_t)(*p++ << 8);
		crc = (uint16_t)(crc << 4) ^ table[crc >> 12];
		crc = (uint16_t)(crc << 4) ^ table[crc >> 12];
	}
	return crc;
}

uint32_t fg_crc32(const void *bytes, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const uint8_t *p = bytes;
	uint32_t crc = 0xffffffff;

	while (len--) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

size_t fg_checksum_size(enum fg_checksum kind)
{
	static const uint8_t sizes[FG_CHECKSUM__MAX] = { 0, 1, 1, 1, 2, 2, 4 };

	return sizes[kind];
}

static size_t write_be(uint8_t *out, size_t size, uint32_t v)
{
	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)(v >> (8 * (size - 1 - i)));
	return size;
}

static size_t write_le(uint8_t *out, size_t size, uint32_t v)
{
	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)(v >> (8 * i));
	return size;
}

size_t fg_checksum_write(enum fg_checksum kind, const void *bytes, size_t len, uint8_t *out)
{
	switch (kind) {
	case FG_CHECKSUM_SUM8:
		return write_be(out, 1, sum8(bytes, len));
	case FG_CHECKSUM_XOR8:
		return write_be(out, 1, xor8(bytes, len));
	case FG_CHECKSUM_CRC8:
		return write_be(out, 1, fg_crc8(bytes, len));
	case FG_CHECKSUM_CRC16_MODBUS:
		return write_le(out, 2, fg_crc16_modbus(bytes, len));
	case FG_CHECKSUM_CRC16_CCITT:
		return write_be(out, 2, fg_crc16_ccitt(bytes, len));
	case FG_CHECKSUM_CRC32:
		return write_le(out, 4, fg_crc32(bytes, len));
	case FG_CHECKSUM_NONE:
	case FG_CHECKSUM__MAX:
		break;
	}
	return 0;
}

int fg_checksum_strip(enum fg_checksum kind, struct fg_str frame, struct fg_str *ret_body)
{
	size_t size = fg_checksum_size(kind);
	uint8_t want[4];

	if (frame.len < size)
		return -EBADMSG;
	frame.len -= size;
	fg_checksum_write(kind, frame.ptr, frame.len, want);
	if (size && memcmp(frame.ptr + frame.len, want, size) != 0)
		return -EBADMSG;
	*ret_body = frame;
	return 0;
}
