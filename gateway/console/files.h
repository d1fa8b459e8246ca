/* The pages, as cmake/embed-pages has packed them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct console_file {
	const char *path, *type, *etag;	/* path NULL ends the table */
	const unsigned char *data;
	size_t len;
	bool gzip;			/* that is how it is packed */
};

extern const struct console_file console_files[];
