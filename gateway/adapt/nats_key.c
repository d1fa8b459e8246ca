/* Keys as NATS writes them: base32 without padding of a prefix, 32 bytes of Ed25519, and a CRC. */
#include "adapt/nats.h"
#include "base/base64.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define RAW 32
#define SEED_TEXT 58
#define SEED_BYTES (2 + RAW + 2)
#define PUBLIC_BYTES (1 + RAW + 2)
#define PREFIX_SEED (18 << 3)
#define PREFIX_USER (20 << 3)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static uint16_t crc16(const unsigned char *p, size_t len)
{
	uint16_t crc = 0;

	while (len-- > 0) {
		crc ^= (uint16_t)(*p++ << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc;
}

static bool base32_read(const char *text, size_t len, unsigned char *out)
{
	unsigned bits = 0, value = 0;

	for (size_t i = 0; i < len; i++) {
		const char *at = text[i] ? strchr(alphabet, text[i]) : NULL;

		if (!at)
			return false;
		value = (value << 5 | (unsigned)(at - alphabet)) & 0xfff;
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			*out++ = (unsigned char)(value >> bits);
		}
	}
	return true;
}

static void base32_write(const unsigned char *p, size_t len, char *out)
{
	unsigned bits = 0, value = 0;

	for (size_t i = 0; i < len; i++) {
		value = (value << 8 | p[i]) & 0xfff;
		bits += 8;
		while (bits >= 5) {
			bits -= 5;
			*out++ = alphabet[value >> bits & 31];
		}
	}
	if (bits)
		*out++ = alphabet[value << (5 - bits) & 31];
	*out = '\0';
}

/* The 32 bytes of a user's seed. Its first five bits say that it is one, the next eight whose. */
static bool seed_read(const char *seed, unsigned char raw[RAW])
{
	unsigned char bytes[SEED_BYTES];
	bool ok = strlen(seed) == SEED_TEXT && base32_read(seed, SEED_TEXT, bytes) &&
		  (bytes[0] & 0xf8) == PREFIX_SEED &&
		  ((bytes[0] & 7) << 5 | (bytes[1] & 0xf8) >> 3) == PREFIX_USER &&
		  crc16(bytes, SEED_BYTES - 2) ==
			  (bytes[SEED_BYTES - 2] | bytes[SEED_BYTES - 1] << 8);

	if (ok)
		memcpy(raw, bytes + 2, RAW);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return ok;
}

int fg_nats_public_key(const char *seed, char out[FG_NATS_KEY])
{
	unsigned char raw[RAW], bytes[PUBLIC_BYTES] = { PREFIX_USER };
	size_t len = RAW;
	EVP_PKEY *key;
	uint16_t crc;
	bool ok;

	if (!seed_read(seed, raw))
		return -EINVAL;
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw, RAW);
	OPENSSL_cleanse(raw, sizeof(raw));
	ok = key && EVP_PKEY_get_raw_public_key(key, bytes + 1, &len) == 1 && len == RAW;
	EVP_PKEY_free(key);
	if (!ok)
		return -ENOMEM;
	crc = crc16(bytes, PUBLIC_BYTES - 2);
	bytes[PUBLIC_BYTES - 2] = (unsigned char)crc;
	bytes[PUBLIC_BYTES - 1] = (unsigned char)(crc >> 8);
	base32_write(bytes, PUBLIC_BYTES, out);
	return 0;
}

int fg_nats_base64(struct fg_str in, char *out, size_t *ret_len)
{
	for (size_t i = 0; i < in.len; i++) {
		char c = in.ptr[i];

		if (c == '-' || c == '_')
			return -EINVAL;
		out[i] = (char)(c == '+' ? '-' : c == '/' ? '_' : c);
	}
	return fg_base64_decode(fg_str(out, in.len), out, ret_len);
}
