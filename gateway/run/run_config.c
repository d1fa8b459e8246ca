#include "run/private.h"

#include <errno.h>
#include <stdlib.h>

int run_config_new(struct fg_config *config, struct fg_faults *faults,
		   struct run_config **ret_config)
{
	struct run_config *rc = calloc(1, sizeof(*rc));
	int r = rc ? fg_profile_book_open(&rc->book, config, faults) : -ENOMEM;

	if (r < 0) {
		free(rc);
		return r;
	}
	rc->config = config;
	rc->uses = 1;
	*ret_config = rc;
	return 0;
}

void run_config_unuse(struct run_config *rc)
{
	if (!rc || --rc->uses > 0)
		return;
	fg_profile_book_close(&rc->book);
	fg_config_free(rc->config);
	free(rc);
}
