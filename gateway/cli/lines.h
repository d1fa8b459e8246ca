/* Lines of a stream of any size, without a copy each. */
#pragma once

#include "base/buf.h"

struct cli_lines {
	int fd;
	struct fg_buf buf;
	size_t at;		/* of the next line */
	uint64_t number;	/* of the line that was read last, from 1 */
	uint64_t bytes;		/* that have been read in all */
	bool ended;
};

void cli_lines_init(struct cli_lines *lines, int fd, size_t max_line);
/* 1: a line without its end, borrowed until the next call; 0: no more; -EMSGSIZE: the line is
 * longer than the bound and has been skipped; -errno of read. */
int cli_lines_next(struct cli_lines *lines, struct fg_str *ret_line);
void cli_lines_fini(struct cli_lines *lines);
