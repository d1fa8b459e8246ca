/* Any bytes as what comes back from Modbus devices, over TCP and on a line (fg_driver_modbus). */
#include "../../drivers/modbus/pdu.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(int good)
{
	if (!good)
		abort();
}

static void stream(const struct modbus_request *request, bool tcp, const uint8_t *p, size_t len)
{
	while (len > 0) {
		struct modbus_found found = tcp ? modbus_scan_tcp(request, 1, p, len) :
						  modbus_scan_rtu(request, p, len);
		struct fg_str read = FG_STR("");
		uint8_t code;

		require(found.taken <= len);
		if (found.kind == MODBUS_SCAN_MORE || found.kind == MODBUS_SCAN_BROKEN)
			break;
		require(found.taken > 0);
		if (found.kind == MODBUS_SCAN_FRAME) {
			require(found.pdu.len >= 2 && found.pdu.len <= MODBUS_PDU_MAX);
			require((const uint8_t *)found.pdu.ptr >= p &&
				(const uint8_t *)found.pdu.ptr + found.pdu.len <= p + found.taken);
			if (modbus_answer_read(request, found.pdu, &code, &read) == MODBUS_GOOD)
				require(read.len == 0 || read.len == request->answer - 2);
		}
		p += found.taken;
		len -= found.taken;
	}
	(void)modbus_rest_judge(request, p, len);
}

/* The first byte says what was asked. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fg_register_write write = { .span = { FG_REGISTER_HOLDING, 16, 2 } };
	struct fg_register_span span = { 0, 16, 2 };
	struct modbus_request request;

	if (len == 0)
		return 0;
	span.table = data[0] & 7;
	if (span.table >= FG_REGISTER_COIL && span.table <= FG_REGISTER_INPUT)
		modbus_request_read(&request, 5, &span);
	else
		modbus_request_write(&request, 5, &write);
	stream(&request, data[0] & 8, data + 1, len - 1);
	return 0;
}
