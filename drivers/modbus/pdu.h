/*
 * What is asked and answered: the protocol data units of Modbus (Application Protocol V1.1b3), and
 * how they travel (Messaging on TCP/IP V1.0b, over Serial Line V1.02). Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fg/registers.h>
#include <fg/str.h>

enum {
	MODBUS_PDU_MAX = 253,
	MODBUS_FRAME_MAX = 260,		/* MBAP header and PDU; RTU: 256 */
	MODBUS_EXCEPTION = 0x80,	/* set in the function of an answer that says no */
};

enum modbus_code {
	MODBUS_ILLEGAL_FUNCTION = 1,
	MODBUS_ILLEGAL_ADDRESS = 2,
	MODBUS_ILLEGAL_VALUE = 3,
	MODBUS_ACKNOWLEDGE = 5,
	MODBUS_BUSY = 6,
	MODBUS_NO_PATH = 10,
	MODBUS_NO_TARGET = 11,
};

struct modbus_request {
	uint8_t unit;
	uint8_t pdu[MODBUS_PDU_MAX];
	size_t len;
	size_t answer;		/* bytes of the PDU of a good answer */
};

void modbus_request_read(struct modbus_request *request, uint8_t unit,
			 const struct fg_register_span *span);
void modbus_request_write(struct modbus_request *request, uint8_t unit,
			  const struct fg_register_write *write);

enum modbus_answer { MODBUS_GOOD, MODBUS_REFUSED, MODBUS_WRONG };

/* Whether a PDU answers the request. GOOD: *ret_data are the bytes read, empty for a write;
 * REFUSED: *ret_code says why. */
enum modbus_answer modbus_answer_read(const struct modbus_request *request, struct fg_str pdu,
				      uint8_t *ret_code, struct fg_str *ret_data);

/* The name of an exception, as the specification has it. */
const char *modbus_code_name(unsigned code);

/* The bytes on the wire; `out` has room for MODBUS_FRAME_MAX. */
size_t modbus_frame_tcp(const struct modbus_request *request, uint16_t transaction, uint8_t *out);
size_t modbus_frame_rtu(const struct modbus_request *request, uint8_t *out);

enum modbus_scan {
	MODBUS_SCAN_MORE,	/* nothing whole yet */
	MODBUS_SCAN_FRAME,	/* an answer to the request: its PDU */
	MODBUS_SCAN_FOREIGN,	/* an answer to something else: to be dropped */
	MODBUS_SCAN_BROKEN,	/* not Modbus: where the next frame begins is not known */
};

struct modbus_found {
	enum modbus_scan kind;
	size_t taken;		/* bytes that are done with */
	struct fg_str pdu;
};

/* The first frame of a stream. `request` NULL: nothing was asked, every frame is foreign. */
struct modbus_found modbus_scan_tcp(const struct modbus_request *request, uint16_t transaction,
				    const uint8_t *p, size_t len);
/* On a line frames end in silence, which does not reach us: an answer is known by its unit,
 * function, length and checksum, wherever it begins among noise. Never FOREIGN or BROKEN. */
struct modbus_found modbus_scan_rtu(const struct modbus_request *request, const uint8_t *p,
				    size_t len);

/* What came before a silence and held no answer. */
enum modbus_rest {
	MODBUS_REST_DAMAGED,	/* begins as the answer would, but is not whole */
	MODBUS_REST_FOREIGN,	/* a whole frame of something else, or noise */
};
enum modbus_rest modbus_rest_judge(const struct modbus_request *request, const uint8_t *p,
				   size_t len);
