/*
 * Names in SenML (RFC 8428 section 4.5.1) may hold A-Z a-z 0-9 - : . / _ and nothing else. Any
 * other byte becomes _xHH_ (hexadecimal, upper case). A literal underscore that would begin such
 * a text in the result is written as _x5F_, so that no two names become one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <fg/str.h>

/* True if the name needs no escaping: it can be used as it is. With escape_slash '/' is escaped
 * too, as in a key that is one step of a path. */
bool fg_name_is_plain(struct fg_str in, bool escape_slash);
/* Writes the escaped name; `out` has room for 5 * in.len bytes. Returns its length. */
size_t fg_name_escape(struct fg_str in, bool escape_slash, char *out);
/* The same for a device of the field. What the gateway says itself, of its losses and of devices,
 * is of the device "fieldgate": nobody else is called so, or "fieldgate/devices...", but
 * "_x66_ieldgate". */
size_t fg_name_escape_device(struct fg_str in, char *out);
/* The name that was escaped; `out` has room for in.len bytes. Returns its length. What was never
 * escaped comes out as it is. */
size_t fg_name_unescape(struct fg_str in, char *out);
