/* SHA-256 (FIPS 180-4), for naming a configuration by its content. */
#pragma once

#include <fg/str.h>

#include <stdint.h>

void fg_sha256(struct fg_str bytes, uint8_t out[32]);
/* The same as 64 lower-case hexadecimal digits and a NUL. */
void fg_sha256_hex(struct fg_str bytes, char out[65]);
