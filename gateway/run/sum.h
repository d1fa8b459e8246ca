/*
 * One account of several: what the processes of a gateway say of themselves, as JSON objects, made
 * into one object of the same form. Counts are added up; what cannot be is the first one's (an
 * epoch), or the worst (an age, a link that is not up).
 */
#pragma once

#include <fg/buf.h>

struct fg_sum;

struct fg_sum *fg_sum_new(void);	/* NULL: no memory */
struct fg_sum *fg_sum_free(struct fg_sum *);
/* Adds one. -EBADMSG: it is no JSON object; -ENOMEM. Lists in it are left out. */
int fg_sum_add(struct fg_sum *, struct fg_str json);
/* Appends the object's text. */
void fg_sum_json(const struct fg_sum *, struct fg_buf *out);
