/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fg/str.h>

bool fg_utf8_valid(struct fg_str s);

/* Bytes (2 to 4) of the valid sequence that begins at p, whose first byte is not ASCII; 0 if it
 * is none or goes beyond end. */
size_t fg_utf8_sequence(const char *p, const char *end);

/* Writes a code point (not a surrogate, at most 0x10FFFF); returns its bytes, 1 to 4. */
size_t fg_utf8_write(uint32_t code, char *out);

/* True if there is a control character: C0, DEL or, in two bytes, C1. */
bool fg_utf8_has_control(struct fg_str s);

/* True if valid UTF-8 holds one of the 66 code points that Unicode keeps from interchange
 * (U+FDD0 to U+FDEF, and the last two of each plane). */
bool fg_utf8_has_noncharacter(struct fg_str s);
