/* The bytes of CoAP messages (RFC 7252 section 3), as a simulated device writes and reads them. */
#include "cli/simulate_coap.h"

#include <errno.h>

enum {
	POST = 0x02,			/* 0.02 */
	OPTION_URI_PATH = 11,
	OPTION_CONTENT_FORMAT = 12,
	OPTION_MAX_AGE = 14,
	FORMAT_JSON = 50,
	PAYLOAD_MARKER = 0xff,
};

size_t sim_coap_post(uint16_t mid, uint64_t token, struct fg_str path, struct fg_str payload,
		     uint8_t *out)
{
	size_t n = 0;

	out[n++] = 1 << 6 | SIM_COAP_CON << 4 | 8;	/* version 1, a token of eight bytes */
	out[n++] = POST;
	out[n++] = (uint8_t)(mid >> 8);
	out[n++] = (uint8_t)mid;
	for (int shift = 56; shift >= 0; shift -= 8)
		out[n++] = (uint8_t)(token >> shift);
	out[n++] = (uint8_t)(OPTION_URI_PATH << 4 | path.len);
	memcpy(out + n, path.ptr, path.len);
	n += path.len;
	out[n++] = (OPTION_CONTENT_FORMAT - OPTION_URI_PATH) << 4 | 1;
	out[n++] = FORMAT_JSON;
	out[n++] = PAYLOAD_MARKER;
	memcpy(out + n, payload.ptr, payload.len);
	return n + payload.len;
}

void sim_coap_empty_ack(uint16_t mid, uint8_t out[4])
{
	out[0] = 1 << 6 | SIM_COAP_ACK << 4;
	out[1] = 0;
	out[2] = (uint8_t)(mid >> 8);
	out[3] = (uint8_t)mid;
}

struct reader {
	const uint8_t *at, *end;
};

/* An option's delta or length: a nibble, extended by one or two bytes (section 3.1). */
static int extended_read(struct reader *reader, unsigned nibble, unsigned *ret_value)
{
	if (nibble < 13) {
		*ret_value = nibble;
		return 0;
	}
	if (nibble == 13 && reader->end - reader->at >= 1) {
		*ret_value = 13u + reader->at[0];
		reader->at += 1;
		return 0;
	}
	if (nibble == 14 && reader->end - reader->at >= 2) {
		*ret_value = 269u + (unsigned)(reader->at[0] << 8 | reader->at[1]);
		reader->at += 2;
		return 0;
	}
	return -EBADMSG;
}

/* Max-Age is all that a device wants to know of the options. */
static int options_read(struct reader *reader, struct sim_coap_answer *answer)
{
	unsigned number = 0, delta, len;

	while (reader->at < reader->end && *reader->at != PAYLOAD_MARKER) {
		uint8_t first = *reader->at++;

		if (extended_read(reader, first >> 4, &delta) < 0 ||
		    extended_read(reader, first & 15, &len) < 0 ||
		    len > (size_t)(reader->end - reader->at))
			return -EBADMSG;
		number += delta;
		if (number == OPTION_MAX_AGE && len <= 4) {
			answer->has_max_age = true;
			answer->max_age = 0;
			for (unsigned i = 0; i < len; i++)
				answer->max_age = answer->max_age << 8 | reader->at[i];
		}
		reader->at += len;
	}
	return 0;
}

int sim_coap_read(const uint8_t *bytes, size_t len, struct sim_coap_answer *ret_answer)
{
	struct sim_coap_answer answer = { .token = UINT64_MAX };
	struct reader reader;
	unsigned token_len;

	if (len < 4 || bytes[0] >> 6 != 1)
		return -EBADMSG;
	token_len = bytes[0] & 15;
	if (token_len > 8 || len < 4 + token_len)
		return -EBADMSG;
	answer.type = bytes[0] >> 4 & 3;
	answer.code = bytes[1];
	answer.mid = (uint16_t)(bytes[2] << 8 | bytes[3]);
	if (token_len == 8) {
		answer.token = 0;
		for (unsigned i = 0; i < token_len; i++)
			answer.token = answer.token << 8 | bytes[4 + i];
	}
	/* classes 0 and 1 are requests or reserved; only the empty message of them can come here */
	if (answer.code != 0 && answer.code >> 5 < 2)
		return -EBADMSG;
	reader = (struct reader){ bytes + 4 + token_len, bytes + len };
	if (options_read(&reader, &answer) < 0)
		return -EBADMSG;
	*ret_answer = answer;
	return 0;
}
