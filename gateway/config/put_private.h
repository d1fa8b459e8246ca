/* What put.c and trial.c share: the text of FILE.trial. */
#pragma once

#include "config/put.h"

void config_trial_encode(const struct fg_trial *, struct fg_buf *out);
/* -EBADMSG, -ENOMEM */
int config_trial_decode(struct fg_str text, struct fg_trial *ret_trial);
