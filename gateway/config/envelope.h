/*
 * A configuration that comes from afar, signed:
 *
 *     {"version": 7, "gateway": "plant-7", "config": BASE64, "signature": BASE64}
 *
 * What is signed (Ed25519) is "fieldgate config 1\n", the gateway's id or "*", "\n", the version in
 * decimal, "\n", and the configuration's bytes. Base64 by RFC 4648, either alphabet.
 */
#pragma once

#include <fg/option.h>

#include "base/buf.h"

#define FG_ENVELOPE_VERSION_MAX 9007199254740991ull	/* what a JSON number keeps */

struct fg_envelope {
	uint64_t version;		/* 1 .. FG_ENVELOPE_VERSION_MAX */
	char gateway[65];		/* an id, or "*" */
	struct fg_buf config;
	char sha256[65];		/* of the configuration */
	uint8_t signature[64];
};

void fg_envelope_init(struct fg_envelope *);
void fg_envelope_fini(struct fg_envelope *);
/* 0, -EBADMSG with *ret_why (constant text), -ENOMEM. Says nothing of who signed it. */
int fg_envelope_read(struct fg_str text, struct fg_envelope *ret_envelope, const char **ret_why);
/* By one of the keys (paths of PEM files)? 0, -EKEYREJECTED with *ret_why, -ENOMEM. Blocks. */
int fg_envelope_verify(const struct fg_envelope *, const struct fg_list *keys,
		       const char **ret_why);
/* Version, gateway and configuration are there: signs it and writes its text. -errno of the key. */
int fg_envelope_sign(struct fg_envelope *, const char *key_path, struct fg_buf *out);
