/* Eight bytes at a time are mixed by a 64x64 multiplication whose halves are folded together:
 * the high half carries the low bits' influence up, the fold brings it back down. */
#include "base/hash.h"

#include <string.h>

#define ODD_A 0xd1342543de82ef95u
#define ODD_B 0x9e3779b97f4a7c15u
#define ODD_C 0xaf251af3b0f025b5u

static uint64_t fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
	uint64_t lo = (a & 0xffffffffu) * (b & 0xffffffffu);
	uint64_t m1 = (a >> 32) * (b & 0xffffffffu);
	uint64_t m2 = (a & 0xffffffffu) * (b >> 32);
	uint64_t mid = (lo >> 32) + (m1 & 0xffffffffu) + (m2 & 0xffffffffu);
	uint64_t hi = (a >> 32) * (b >> 32) + (m1 >> 32) + (m2 >> 32) + (mid >> 32);

	return (lo & 0xffffffffu) ^ (mid << 32) ^ hi;
#endif
}

static uint64_t load(const unsigned char *p, size_t len)
{
	uint64_t v = 0;

	memcpy(&v, p, len);
	return v;
}

/* Up to eight bytes without a loop: two overlapping loads, or three single bytes. */
static uint64_t load_tail(const unsigned char *p, size_t len)
{
	if (len >= 4)
		return load(p, 4) << 32 | load(p + len - 4, 4);
	if (len > 0)
		return (uint64_t)p[0] << 16 | (uint64_t)p[len >> 1] << 8 | p[len - 1];
	return 0;
}

uint64_t fg_hash(const void *bytes, size_t len, uint64_t seed)
{
	const unsigned char *p = bytes;
	size_t left = len;
	uint64_t h = seed ^ ODD_B;

	for (; left > 8; p += 8, left -= 8)
		h = fold(h ^ load(p, 8), ODD_A);
	h = fold(h ^ load_tail(p, left), ODD_C ^ len);
	return fold(h ^ ODD_A, ODD_B);
}
