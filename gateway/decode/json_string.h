/* The strings of a JSON text (RFC 8259 section 7). */
#pragma once

#include <fg/doc.h>

/* Reads a string whose opening quote is before p: into the document's text if it has escapes,
 * else it stays where it is. Returns the byte behind the closing quote, or NULL with doc->reason
 * set (control characters, bad escapes, lone surrogates, invalid UTF-8). */
const char *fg_json_string(const char *p, const char *end, struct fg_doc *doc,
			   struct fg_str *ret_string);
