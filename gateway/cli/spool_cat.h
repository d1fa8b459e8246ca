/* The records of a spool as packs on stdout. */
#pragma once

struct fg_spool;

/* An exit status. */
int cli_spool_cat(struct fg_spool *spool, const char *gateway);
