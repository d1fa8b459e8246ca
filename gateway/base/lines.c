/* The end of a file of lines after a crash. See fg/lines.h. */
#include <fg/lines.h>

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

struct scan { /* from the end to the beginning */
	off_t keep;
	unsigned left; /* lines still to be looked at */
	bool nul;      /* in the line whose beginning comes next */
};

/* A line ends at `at` - 1. True: enough has been seen. */
static bool scan_line(struct scan *scan, off_t at)
{
	if (scan->nul || scan->keep < 0)
		scan->keep = at;
	scan->nul = false;
	return scan->left-- == 0;
}

static bool scan_block(struct scan *scan, const char *block, ssize_t len, off_t at)
{
	for (ssize_t i = len; i-- > 0;) {
		if (block[i] == '\n' && scan_line(scan, at + i + 1))
			return true;
		scan->nul = scan->nul || !block[i];
	}
	return false;
}

int fg_lines_mend(int fd, unsigned lines, off_t *ret_size)
{
	struct scan scan = { .keep = -1, .left = lines };
	char block[4096];
	struct stat st;
	off_t at;

	if (fstat(fd, &st) < 0)
		return -errno;
	for (at = st.st_size; at > 0;) {
		ssize_t n = at < (off_t)sizeof(block) ? (ssize_t)at : (ssize_t)sizeof(block);

		if (pread(fd, block, (size_t)n, at - n) != n)
			return -EIO;
		at -= n;
		if (scan_block(&scan, block, n, at))
			break;
	}
	if (at == 0 && (scan.nul || scan.keep < 0))
		scan.keep = 0;
	if (scan.keep < st.st_size && ftruncate(fd, scan.keep) < 0)
		return -errno;
	*ret_size = scan.keep;
	return 0;
}
