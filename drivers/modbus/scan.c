/* How requests and answers travel: the header of TCP, the address and checksum of RTU. */
#include <fg/checksum.h>

#include "pdu.h"

#include <string.h>

enum { MBAP = 7, RTU_HEAD = 1, RTU_CRC = 2, RTU_MIN = 4, RTU_MAX = 256 };

static unsigned word(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

size_t modbus_frame_tcp(const struct modbus_request *request, uint16_t transaction, uint8_t *out)
{
	const uint8_t head[MBAP] = {
		(uint8_t)(transaction >> 8),
		(uint8_t)transaction,
		0,
		0,
		(uint8_t)((request->len + 1) >> 8),
		(uint8_t)(request->len + 1),
		request->unit,
	};

	memcpy(out, head, MBAP);
	memcpy(out + MBAP, request->pdu, request->len);
	return MBAP + request->len;
}

size_t modbus_frame_rtu(const struct modbus_request *request, uint8_t *out)
{
	size_t len = RTU_HEAD + request->len;
	uint16_t crc;

	out[0] = request->unit;
	memcpy(out + RTU_HEAD, request->pdu, request->len);
	crc = fg_crc16_modbus(out, len);
	out[len] = (uint8_t)crc;
	out[len + 1] = (uint8_t)(crc >> 8);
	return len + RTU_CRC;
}

struct modbus_found modbus_scan_tcp(const struct modbus_request *request, uint16_t transaction,
				    const uint8_t *p, size_t len)
{
	struct modbus_found found = { .kind = MODBUS_SCAN_MORE };
	size_t follow;

	/* what cannot be is known before all of it has come */
	if ((len > 2 && p[2]) || (len > 3 && p[3]) || (len > 4 && p[4]))
		return (struct modbus_found){ .kind = MODBUS_SCAN_BROKEN, .taken = len };
	if (len < 6)
		return found;
	follow = word(p + 4);
	if (follow < 3 || follow > MODBUS_PDU_MAX + 1)
		return (struct modbus_found){ .kind = MODBUS_SCAN_BROKEN, .taken = len };
	if (len < 6 + follow)
		return found;
	found.taken = 6 + follow;
	found.kind = MODBUS_SCAN_FOREIGN;
	if (request && word(p) == transaction && p[6] == request->unit) {
		found.kind = MODBUS_SCAN_FRAME;
		found.pdu = fg_str((const char *)p + MBAP, follow - 1);
	}
	return found;
}

static bool crc_good(const uint8_t *p, size_t len)
{
	uint16_t crc;

	if (len < RTU_MIN || len > RTU_MAX)
		return false;
	crc = fg_crc16_modbus(p, len - RTU_CRC);
	return p[len - 2] == (crc & 0xff) && p[len - 1] == crc >> 8;
}

/* Bytes of the answer that may begin here, 0: none does. */
static size_t candidate(const struct modbus_request *request, const uint8_t *p, size_t len)
{
	if (len < 3 || p[0] != request->unit)
		return 0;
	if (p[1] == (request->pdu[0] | MODBUS_EXCEPTION))
		return RTU_HEAD + 2 + RTU_CRC;
	if (p[1] != request->pdu[0])
		return 0;
	if (request->pdu[0] <= FG_REGISTER_INPUT && p[2] != request->answer - 2)
		return 0;
	return RTU_HEAD + request->answer + RTU_CRC;
}

struct modbus_found modbus_scan_rtu(const struct modbus_request *request, const uint8_t *p,
				    size_t len)
{
	for (size_t at = 0; at < len; at++) {
		size_t need = candidate(request, p + at, len - at);

		if (need && need <= len - at && crc_good(p + at, need))
			return (struct modbus_found){
				.kind = MODBUS_SCAN_FRAME,
				.taken = at + need,
				.pdu = fg_str((const char *)p + at + RTU_HEAD,
					      need - RTU_HEAD - RTU_CRC),
			};
	}
	return (struct modbus_found){ .kind = MODBUS_SCAN_MORE };
}

enum modbus_rest modbus_rest_judge(const struct modbus_request *request, const uint8_t *p,
				   size_t len)
{
	if (len == 0 || p[0] != request->unit || crc_good(p, len))
		return MODBUS_REST_FOREIGN;
	return MODBUS_REST_DAMAGED;
}
