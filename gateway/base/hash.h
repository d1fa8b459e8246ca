/* A fast 64-bit hash of short byte strings, for tables in memory only: not stable between
 * versions, not cryptographic. A random seed keeps an attacker from choosing collisions. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <fg/str.h>

uint64_t fg_hash(const void *bytes, size_t len, uint64_t seed);

static inline uint64_t fg_hash_str(struct fg_str s, uint64_t seed)
{
	return fg_hash(s.ptr, s.len, seed);
}
