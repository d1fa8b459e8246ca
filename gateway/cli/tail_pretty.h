/* Packs of fieldgate tail as people read them: a record a line. */
#pragma once

#include <fg/doc.h>

struct cli_pretty {
	struct fg_doc doc;
	int device, point;	/* characters that the columns have taken so far */
	bool begun;
};

void cli_pretty_init(struct cli_pretty *);
/* The records of a pack on stdout. 0; -EBADMSG: it is none; -ENOMEM. */
int cli_pretty_pack(struct cli_pretty *, struct fg_str pack);
void cli_pretty_fini(struct cli_pretty *);
