/* gateway/spool/x.c: include_order */
#include <errno.h>

#include <fg/str.h>
