/* All profiles that are in force under one configuration: its own, and the shipped ones that it
 * does not replace, compiled. */
#pragma once

#include "config/config.h"
#include "profile/profile.h"
#include "profile/shipped.h"

struct fg_profile_book {
	struct fg_arena arena;		/* of the shipped ones */
	struct fg_named_profile *named;
	struct fg_profiles *profiles;
};

/* 0; -EINVAL with faults; -ENOMEM. The configuration must outlive the book. On failure there is
 * nothing to close. */
int fg_profile_book_open(struct fg_profile_book *, const struct fg_config *, struct fg_faults *);
void fg_profile_book_close(struct fg_profile_book *);
