/*
 * Ed25519 signatures (RFC 8032), by OpenSSL. Keys are PEM files, as `openssl genpkey -algorithm
 * ed25519` and `openssl pkey -pubout` write them. All of it blocks on files.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <fg/str.h>

#define FG_ED25519_SIGNATURE 64

/* 0: by this public key. -EKEYREJECTED: not by it. -EINVAL: the file holds no such key; -errno. */
int fg_ed25519_verify(const char *key_path, struct fg_str message,
		      const uint8_t signature[FG_ED25519_SIGNATURE]);
/* With a private key without a passphrase. */
int fg_ed25519_sign(const char *key_path, struct fg_str message,
		    uint8_t ret_signature[FG_ED25519_SIGNATURE]);
