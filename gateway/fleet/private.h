/* What the files of fleet/ share. */
#pragma once

#include "fleet/fleet.h"

/* What the gateways with the same first groups have in common. */
struct fg_fleet_layer {
	const struct fg_fleet_file *group;	/* NULL: fleet.json alone */
	cJSON *json;
	struct fg_fleet_layer *below, *next;	/* with one group more; beside it */
};

/* layers.c: what lies below a gateway's own file, merged; borrowed until the next call. */
int fleet_layer_of(struct fg_fleet *, const struct fg_fleet_file *gateway, const cJSON **ret_json);
void fleet_layers_free(struct fg_fleet *);

/* report.c */
void fleet_report_fini(struct fg_fleet_report *);
