/* Base64 with the URL-safe alphabet (RFC 4648 section 5), as RFC 8428 uses it for "vd". */
#pragma once

#include <stddef.h>

#include <fg/str.h>

/* Room an encoding or a decoding needs at most. */
#define FG_BASE64_ENCODED(len) (((len)*4 + 2) / 3)
#define FG_BASE64_DECODED(len) ((len) / 4 * 3 + 2)

/* Writes without padding; returns the length. `out` has room for FG_BASE64_ENCODED(in.len). */
size_t fg_base64_encode(struct fg_str in, char *out);
/* Padding may be there or not, if there it must be right. Returns 0 or -EINVAL (a character
 * outside the alphabet, a length that cannot be, bits set beyond the last byte).
 * `out` has room for FG_BASE64_DECODED(in.len) and may be in.ptr itself. */
int fg_base64_decode(struct fg_str in, char *out, size_t *ret_len);
