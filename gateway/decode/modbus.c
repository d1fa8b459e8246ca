/*
 * Modbus RTU and ASCII frames as they pass on a line. An answer does not say what was asked, so its
 * registers are numbered by their place in it; a request holds no value and becomes none.
 */
#include <fg/framer.h>

#include "decode/writer.h"

#include "base/checksum.h"
#include "decode/decode.h"

enum { PDU_MIN = 2, RTU_MAX = 256, RTU_MIN = 4, ASCII_MAX = 2 * RTU_MAX + 3 };

enum function {
	READ_COILS = 1,
	READ_DISCRETE = 2,
	READ_HOLDING = 3,
	READ_INPUT = 4,
	WRITE_COIL = 5,
	WRITE_REGISTER = 6,
	READ_STATUS = 7,
	DIAGNOSTICS = 8,
	EVENT_COUNTER = 11,
	EVENT_LOG = 12,
	WRITE_COILS = 15,
	WRITE_REGISTERS = 16,
	SERVER_ID = 17,
	READ_FILE = 20,
	WRITE_FILE = 21,
	MASK_WRITE = 22,
	READ_WRITE = 23,
	READ_FIFO = 24,
	EXCEPTION = 0x80,
};

/* A unit's address and what it is asked or answers, without the checksum. */
struct modbus {
	const uint8_t *p;
	size_t len;
};

static unsigned word(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* Bytes of a request of that function, address and all but its checksum; 0: of no known length, or
 * more bytes are needed to know it. */
static size_t request_length(const uint8_t *p, size_t len)
{
	switch (p[1]) {
	case READ_COILS:
	case READ_DISCRETE:
	case READ_HOLDING:
	case READ_INPUT:
	case WRITE_COIL:
	case WRITE_REGISTER:
	case DIAGNOSTICS:
		return 6;
	case READ_STATUS:
	case EVENT_COUNTER:
	case EVENT_LOG:
	case SERVER_ID:
		return 2;
	case WRITE_COILS:
	case WRITE_REGISTERS:
		return len > 6 ? 7u + p[6] : 0;
	case READ_FILE:
	case WRITE_FILE:
		return len > 2 ? 3u + p[2] : 0;
	case MASK_WRITE:
		return 8;
	case READ_WRITE:
		return len > 10 ? 11u + p[10] : 0;
	case READ_FIFO:
		return 4;
	default:
		return 0;
	}
}

static size_t answer_length(const uint8_t *p, size_t len)
{
	/* in a stream any garbage could be one, so only those that the protocol has */
	if (p[1] & EXCEPTION)
		return (p[1] & 0x7f) <= READ_FIFO && (len < 3 || (p[2] > 0 && p[2] <= 11)) ? 3 : 0;
	switch (p[1]) {
	case READ_COILS:
	case READ_DISCRETE:
	case READ_HOLDING:
	case READ_INPUT:
	case READ_WRITE:
	case EVENT_LOG:
	case SERVER_ID:
	case READ_FILE:
	case WRITE_FILE:
		return len > 2 ? 3u + p[2] : 0;
	case READ_STATUS:
		return 3;
	case WRITE_COIL:
	case WRITE_REGISTER:
	case DIAGNOSTICS:
	case EVENT_COUNTER:
	case WRITE_COILS:
	case WRITE_REGISTERS:
		return 6;
	case MASK_WRITE:
		return 8;
	case READ_FIFO:
		return len > 3 ? 4u + word(p + 2) : 0;
	default:
		return 0;
	}
}

/* A read of so many coils or registers as the protocol allows. */
static bool is_read_request(struct modbus m)
{
	unsigned count = m.len == 6 ? word(m.p + 4) : 0;

	return m.len == 6 && count > 0 && count <= (m.p[1] <= READ_DISCRETE ? 2000 : 125);
}

static bool is_read_answer(struct modbus m)
{
	return m.len > 3 && m.len == 3u + m.p[2] && (m.p[1] <= READ_DISCRETE || m.p[2] % 2 == 0);
}

static void registers_write(struct fg_writer *w, struct modbus m, const char *name)
{
	fg_writer_open(w, fg_str_c(name), FG_NODE_ARRAY);
	for (size_t i = 3; i + 1 < m.len; i += 2)
		fg_writer_add(w, FG_STR(""), fg_value_int(word(m.p + i)), FG_STR(""));
	fg_writer_close(w);
}

static void bits_write(struct fg_writer *w, struct modbus m)
{
	fg_writer_open(w, FG_STR("bit"), FG_NODE_ARRAY);
	for (size_t i = 0; i < (m.len - 3) * 8; i++)
		fg_writer_add(w, FG_STR(""), fg_value_bool(m.p[3 + i / 8] >> (i % 8) & 1),
			      FG_STR(""));
	fg_writer_close(w);
}

static const char *read_write(struct fg_writer *w, struct modbus m)
{
	bool request = m.p[1] != READ_WRITE && is_read_request(m), answer = is_read_answer(m);

	if (request && answer)
		return "request or answer, which cannot be told";
	if (!answer && m.len > 3 && !request && m.p[1] != READ_WRITE)
		return "neither a request nor an answer";
	if (!answer)
		return NULL;
	if (m.p[1] <= READ_DISCRETE)
		bits_write(w, m);
	else
		registers_write(w, m, m.p[1] == READ_INPUT ? "input" : "holding");
	return NULL;
}

static const char *frame_write(struct fg_writer *w, struct modbus m)
{
	w->doc->device = fg_writer_printf(w, "%u", m.p[0]);
	if (m.p[1] & EXCEPTION) {
		if (m.len == 3)
			fg_writer_add(w, FG_STR("exception"), fg_value_int(m.p[2]), FG_STR(""));
		return NULL;
	}
	switch (m.p[1]) {
	case READ_COILS:
	case READ_DISCRETE:
	case READ_HOLDING:
	case READ_INPUT:
	case READ_WRITE:
		return read_write(w, m);
	default:
		return NULL;
	}
}

/* ':', hex digits, a line's end. Returns the bytes of it, 0 if more are needed, SIZE_MAX if it is
 * none. */
static size_t ascii_length(const uint8_t *p, size_t len)
{
	size_t i = 1;

	while (i < len && i < ASCII_MAX && fg_hex_digit(p[i]) >= 0)
		i++;
	if (i == len)
		return len < ASCII_MAX ? 0 : SIZE_MAX;
	if (p[i] == '\r' && i + 1 == len)
		return 0;
	if (p[i] == '\r' && p[i + 1] == '\n')
		return i + 2;
	return SIZE_MAX;
}

/* Returns the bytes without the LRC, 0 if it is no frame or the LRC is wrong. */
static size_t ascii_read(const uint8_t *p, size_t len, uint8_t out[RTU_MAX])
{
	size_t digits = len - 3;
	uint8_t sum = 0;

	if (digits % 2 || digits < 2 * (PDU_MIN + 1) || digits / 2 > RTU_MAX)
		return 0;
	for (size_t i = 0; i < digits / 2; i++) {
		out[i] = (uint8_t)(fg_hex_digit(p[1 + 2 * i]) << 4 | fg_hex_digit(p[2 + 2 * i]));
		sum = (uint8_t)(sum + out[i]);
	}
	return sum == 0 ? digits / 2 - 1 : 0;
}

static bool crc_good(const uint8_t *p, size_t len)
{
	uint16_t crc;

	if (len < RTU_MIN || len > RTU_MAX)
		return false;
	crc = fg_crc16_modbus(p, len - 2);
	return p[len - 2] == (crc & 0xff) && p[len - 1] == crc >> 8;
}

static int modbus_decode(const struct fg_decode_context *ctx, struct fg_str frame,
			 struct fg_doc *doc)
{
	const uint8_t *p = (const uint8_t *)frame.ptr;
	uint8_t raw[RTU_MAX];
	struct modbus m = { p, 0 };
	struct fg_writer w;

	(void)ctx;
	if (frame.len > 0 && p[0] == ':' && ascii_length(p, frame.len) == frame.len) {
		m = (struct modbus){ raw, ascii_read(p, frame.len, raw) };
		if (m.len == 0)
			return fg_doc_bad(doc, "wrong LRC", frame.len);
	} else if (crc_good(p, frame.len)) {
		m.len = frame.len - 2;
	} else {
		return fg_doc_bad(doc, "wrong CRC", frame.len);
	}
	fg_writer_begin(&w, doc);
	const char *reason = frame_write(&w, m);

	if (reason)
		return fg_doc_bad(doc, reason, 0);
	return fg_writer_end(&w);
}

/* RTU frames end in silence, which a stream of bytes has lost: the function says how long a request
 * or an answer is, the CRC which of them it was. */
static struct fg_scan rtu_scan(const uint8_t *p, size_t len, bool end)
{
	size_t request = len < 2 ? 0 : request_length(p, len);
	size_t answer = len < 2 ? 0 : answer_length(p, len);
	size_t lengths[2] = { request < answer ? request : answer,
			      request < answer ? answer : request };
	bool more = false;

	/* the shorter first: it is the same then how many bytes have come */
	for (int i = 0; i < 2; i++) {
		if (lengths[i] == 0) {
			more |= len < 12;
			continue;
		}
		size_t need = lengths[i] + 2;

		if (need <= len && crc_good(p, need))
			return (struct fg_scan){ FG_SCAN_FRAME, need };
		more |= need > len && need <= RTU_MAX;
	}
	/* what is left before a silence is a frame of whatever function if its CRC is right */
	if (end && crc_good(p, len))
		return (struct fg_scan){ FG_SCAN_FRAME, len };
	if (more && !end)
		return (struct fg_scan){ FG_SCAN_MORE, 0 };
	return (struct fg_scan){ FG_SCAN_NONE, 1 };
}

static struct fg_scan modbus_scan(const uint8_t *p, size_t len, bool end)
{
	size_t ascii = p[0] == ':' ? ascii_length(p, len) : SIZE_MAX;
	uint8_t raw[RTU_MAX];

	if (ascii == 0 && !end)
		return (struct fg_scan){ FG_SCAN_MORE, 0 };
	if (ascii == 0 || ascii == SIZE_MAX)
		return rtu_scan(p, len, end);
	if (ascii_read(p, ascii, raw) == 0)
		return (struct fg_scan){ FG_SCAN_BAD, ascii };
	return (struct fg_scan){ FG_SCAN_FRAME, ascii };
}

const struct fg_decoder fg_decoder_modbus = {
	.name = "modbus",
	.summary = "Modbus RTU and ASCII frames, listened to.",
	.framer = "modbus",
	.scan = modbus_scan,
	.decode = modbus_decode,
};
