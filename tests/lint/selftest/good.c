/* gateway/spool/good.c: none */
#include "spool/good.h"

#include <fg/str.h>

#include "base/buf.h"

#include <errno.h>

static const char *const names[] = { "sprintf(", NULL };
static int (*const table[])(int) = { NULL };
static struct fg_buf *take(int a);
struct fg_good {
	int a;
};

/* system() in a comment, and a select slot, are not calls */
static int work(struct fg_good *good, const struct ops *ops)
{
	static const char word[] = "x";
	int r = ops->select(good->a, word);

	if (r < 0)
		goto out;
	good->a++;
out:
	return r;
}
