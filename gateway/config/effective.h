/* A configuration as it counts: what its file says and every default besides. */
#pragma once

#include "base/buf.h"

/*
 * Writes the whole configuration to `effective`, and to `origin` an object that says of each of its
 * options, by its JSON Pointer, where it comes from: "file", "default", or "secret" (it stands in
 * a file of its own, of which only the name is here). The text must be valid; -EINVAL: it is not
 * JSON, -ENOMEM.
 */
int fg_config_effective(struct fg_str text, struct fg_buf *effective, struct fg_buf *origin);
