/*
 * Files of lines that grow at their end, and what a crash leaves of them.
 */
#pragma once

#include <sys/types.h>

/* Cuts what is not whole off the end of a file of text lines: a last line without its line feed
 * (the death of the process), and from the first line on that has a NUL in it (a power cut kept the
 * size but not the data) among the last `lines`. The file is open for reading and writing.
 *   0 and *ret_size: what is left
 *   -EIO ... */
int fg_lines_mend(int fd, unsigned lines, off_t *ret_size);
