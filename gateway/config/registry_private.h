/* What the files of the registry share. */
#pragma once

#include "config/registry.h"

/* -1 with *ret_module or an errno in *ret_err; else the index of a built-in one. */
int registry_find(enum fg_registry_kind which, const char *name, const void **ret_module,
		  int *ret_err);
