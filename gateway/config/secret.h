/*
 * Secrets by reference: {"secret": "NAME"} stands for the content of a file, without one newline at
 * its end. Files of $CREDENTIALS_DIRECTORY (systemd's LoadCredential=) win over FG_SECRETS_DIR.
 */
#pragma once

#include <fg/option.h>

#include "config/fault.h"

#include <stdbool.h>

#define FG_SECRETS_DIR "/etc/fieldgate/secrets"
#define FG_SECRET_MAX 65536	/* bytes */

/* A file's name and nothing else: A-Z a-z 0-9 . _ - of at most 255 bytes, no '.' or '-' first. */
bool fg_secret_name_ok(const char *name);

/* Reads the file behind secret->name into secret->value (a NUL follows its len bytes).
 * 0, -ENOENT, -EMSGSIZE (empty or too long), or what open and read say; *ret_exposed: everybody may
 * read the file. */
int fg_secret_read(struct fg_secret *secret, bool *ret_exposed);
/* Wipes and frees the value; the name stays. */
void fg_secret_forget(struct fg_secret *secret);
