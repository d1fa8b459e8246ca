/* A configuration from afar: whatever the bytes are, they are refused with a word, or read into
 * what was bounded; and nothing of it counts as signed. */
#include "config/envelope.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const paths[] = { "/nowhere/key.pub" };
	const struct fg_list keys = { .items = paths, .count = 1 };
	struct fg_envelope envelope;
	const char *why = NULL;
	int r;

	fg_envelope_init(&envelope);
	r = fg_envelope_read(fg_str((const char *)data, len), &envelope, &why);
	if (r == -EBADMSG ? !why : r != 0 && r != -ENOMEM)
		abort();
	if (r == 0) {
		if (envelope.version < 1 || envelope.version > FG_ENVELOPE_VERSION_MAX ||
		    strlen(envelope.gateway) == 0 || envelope.config.len == 0 ||
		    strlen(envelope.sha256) != 64)
			abort();
		if (fg_envelope_verify(&envelope, &keys, &why) == 0 || !why)
			abort();
	}
	fg_envelope_fini(&envelope);
	return 0;
}
