/*
 * One look at the board, as the kernel tells it below /sys. Blocks (some of those files ask the
 * hardware): for a worker. What a board does not have is not in it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <fg/buf.h>

/* Writes one JSON object. `sys` is where sysfs is. */
void board_sample(const char *sys, struct fg_buf *out);

/* -- what sample.c and storage.c share -- */

#define BOARD_PATH_MAX 512
#define BOARD_TEXT_MAX 128

/* The first line of the file SYS/FOLDER/NAME, without its end. False: there is none, or it cannot
 * be read. */
bool board_read(const char *sys, const char *folder, const char *name, char *text);
/* The same as a whole number, decimal or 0x. */
bool board_read_number(const char *sys, const char *folder, const char *name, long long *ret_n);

/* Calls `each` with the entries of SYS/FOLDER in the order of their names. */
struct board_walk {
	const char *sys, *folder;
	struct fg_buf *out;
	void *arg;
};
void board_each(const struct board_walk *,
		void (*each)(const struct board_walk *, const char *name));

/* "key": in front of which there is a comma where one is due. */
void board_key(struct fg_buf *out, const char *key);

void board_storage(const char *sys, struct fg_buf *out);
