/* What the option tables say, for programs and for people: made of the same rows that parse. */
#pragma once

#include <fg/option.h>

#include "base/buf.h"

/* The configuration's JSON Schema (2020-12), with all drivers and bridges that this build can run
 * or load. -ENOMEM. */
int fg_config_schema(struct fg_buf *out);

/* The reference in Markdown, as it stands in docs/options.md. -ENOMEM. */
int fg_config_reference(struct fg_buf *out);

enum fg_component_kind { FG_COMPONENT_DRIVER, FG_COMPONENT_BRIDGE };

struct fg_component {
	const char *name, *summary;
	const struct fg_option *options;
};

#define FG_COMPONENTS_MAX 64

/* All of a kind that are built in or can be loaded, by name. Returns how many. */
size_t fg_components_list(enum fg_component_kind kind, struct fg_component *out);
