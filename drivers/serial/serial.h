/*
 * The serial driver's options, and what they make of the framing.
 */
#pragma once

#include <fg/framer.h>
#include <fg/option.h>

#include "adapt/tty_line.h"

struct fg_faults;

/* An enum option that may be left to the profile holds 0 for that, else its value plus this. */
enum { SERIAL_GIVEN = 1 };

struct serial_framer_conf {
	const char *delimiter;	/* with escapes, or NULL */
	int64_t length;		/* bytes, 0: not given */
	int64_t idle_ns;	/* 0: not given */
	uint64_t max;		/* bytes */
};

struct serial_conf {
	const char *port;
	int baud;		/* a Bxxx constant */
	const char *mode;
	int flow;		/* enum fg_tty_flow */
	int framer;		/* enum fg_framer_kind + SERIAL_GIVEN, or 0: profile's */
	struct serial_framer_conf framer_options;
	int checksum;		/* enum fg_checksum + SERIAL_GIVEN, or 0: profile's */
};

extern const struct fg_option serial_options[];
void serial_conf_check(const void *conf, struct fg_faults *faults);

/* The framing that the options ask for, laid over what the profile brings (NULL: nothing). The
 * delimiter's bytes are in `delimiter`. 0, or -EINVAL: a delimiter that cannot be. */
struct serial_framing {
	struct fg_framer_conf conf;
	char delimiter[FG_FRAMER_DELIMITER_MAX];
};

int serial_framing(const struct serial_conf *conf, const struct fg_framer_conf *profile,
		   struct serial_framing *ret_framing);

/* Turns "\r\n" or "\x03" written out as an escape (backslash and letters: \n \r \t \0 \\ \xHH) into
 * bytes. 0 and their number, -EINVAL: an unknown escape, -EMSGSIZE: more than `cap`. */
int serial_unescape(const char *text, char *out, size_t cap, size_t *ret_len);
