/*
 * As much of CoAP (RFC 7252) as a device needs that posts readings: the bytes of a request, what an
 * answer says. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fg/str.h>

enum { SIM_COAP_CON, SIM_COAP_NON, SIM_COAP_ACK, SIM_COAP_RST };

#define SIM_COAP_MAX 256

struct sim_coap_answer {
	uint8_t type;		/* SIM_COAP_x */
	uint8_t code;		/* 0: an empty message; class << 5 | detail */
	uint16_t mid;
	uint64_t token;		/* UINT64_MAX: not one that sim_coap_post() makes */
	bool has_max_age;
	uint32_t max_age;	/* seconds */
};

/* A confirmable POST of a JSON payload to /path, its token the eight bytes of `token`. `out` has
 * SIM_COAP_MAX bytes; path (at most 12 bytes) and payload together at most 200. Returns its
 * length. */
size_t sim_coap_post(uint16_t mid, uint64_t token, struct fg_str path, struct fg_str payload,
		     uint8_t *out);
/* The four bytes of an empty acknowledgement. */
void sim_coap_empty_ack(uint16_t mid, uint8_t out[4]);
/* 0, or -EBADMSG: not a CoAP message that a client could get. */
int sim_coap_read(const uint8_t *bytes, size_t len, struct sim_coap_answer *ret_answer);
