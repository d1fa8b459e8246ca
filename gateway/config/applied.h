/* What became of the configuration that was applied last, in memory and in a file. */
#pragma once

#include "base/buf.h"

struct fg_applied {
	uint64_t version;	/* the fleet's; 0: put by hand, or not known to be signed */
	char sha256[65];	/* of its text; "": it could not be read */
	char outcome[12];	/* "trying", "done", "returned", "refused"; "": there was none */
	char why[512];
};

void fg_applied_set(struct fg_applied *, const char *outcome, uint64_t version, const char *sha256,
		    struct fg_str why);
/* {"version":...,"sha256":...,"outcome":...,"why":...} */
void fg_applied_json(const struct fg_applied *, struct fg_buf *out);
/* Block: 0 or -errno. A file that cannot be read: -EBADMSG. */
int fg_applied_read(const char *path, struct fg_applied *ret_applied);
int fg_applied_write(const char *path, const struct fg_applied *);
