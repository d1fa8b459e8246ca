/* Requests and answers, without how they travel. */
#include "pdu.h"

#include <string.h>

enum { WRITE_COIL = 5, WRITE_REGISTER = 6, WRITE_REGISTERS = 16, COIL_ON = 0xff };

static void put_word(uint8_t *p, unsigned word)
{
	p[0] = (uint8_t)(word >> 8);
	p[1] = (uint8_t)word;
}

void modbus_request_read(struct modbus_request *request, uint8_t unit,
			 const struct fg_register_span *span)
{
	request->unit = unit;
	request->pdu[0] = span->table;
	put_word(request->pdu + 1, span->at);
	put_word(request->pdu + 3, span->count);
	request->len = 5;
	request->answer = 2 + fg_register_bytes(span->table, span->count);
}

void modbus_request_write(struct modbus_request *request, uint8_t unit,
			  const struct fg_register_write *write)
{
	size_t bytes = fg_register_bytes(write->span.table, write->span.count);

	request->unit = unit;
	put_word(request->pdu + 1, write->span.at);
	request->len = request->answer = 5;
	if (fg_register_is_bit(write->span.table)) {
		request->pdu[0] = WRITE_COIL;
		put_word(request->pdu + 3, write->bytes[0] ? COIL_ON << 8 : 0);
	} else if (write->span.count == 1) {
		request->pdu[0] = WRITE_REGISTER;
		memcpy(request->pdu + 3, write->bytes, 2);
	} else {
		request->pdu[0] = WRITE_REGISTERS;
		put_word(request->pdu + 3, write->span.count);
		request->pdu[5] = (uint8_t)bytes;
		memcpy(request->pdu + 6, write->bytes, bytes);
		request->len = 6 + bytes;
	}
}

enum modbus_answer modbus_answer_read(const struct modbus_request *request, struct fg_str pdu,
				      uint8_t *ret_code, struct fg_str *ret_data)
{
	const uint8_t *p = (const uint8_t *)pdu.ptr;
	bool read = request->pdu[0] <= FG_REGISTER_INPUT;

	if (pdu.len == 2 && p[0] == (request->pdu[0] | MODBUS_EXCEPTION)) {
		*ret_code = p[1];
		return MODBUS_REFUSED;
	}
	if (pdu.len != request->answer || p[0] != request->pdu[0])
		return MODBUS_WRONG;
	if (read ? p[1] != pdu.len - 2 : memcmp(p, request->pdu, pdu.len) != 0)
		return MODBUS_WRONG;
	*ret_data = read ? fg_str(pdu.ptr + 2, pdu.len - 2) : FG_STR("");
	return MODBUS_GOOD;
}

const char *modbus_code_name(unsigned code)
{
	static const char *const names[] = {
		[MODBUS_ILLEGAL_FUNCTION] = "illegal function",
		[MODBUS_ILLEGAL_ADDRESS] = "illegal data address",
		[MODBUS_ILLEGAL_VALUE] = "illegal data value",
		[4] = "server device failure",
		[MODBUS_ACKNOWLEDGE] = "acknowledge",
		[MODBUS_BUSY] = "server device busy",
		[8] = "memory parity error",
		[MODBUS_NO_PATH] = "gateway path unavailable",
		[MODBUS_NO_TARGET] = "gateway target device failed to respond",
	};
	const char *name = code < sizeof(names) / sizeof(names[0]) ? names[code] : NULL;

	return name ? name : "unknown exception";
}
