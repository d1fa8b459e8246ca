/* OpenSSL's errors stay in a queue of the thread's: each call here leaves it empty. */
#include "adapt/ed25519.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

/* A FIFO must not hold up who asks. */
static int key_open(const char *path, FILE **ret_file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size > 65536)
		r = -EINVAL;
	*ret_file = r == 0 ? fdopen(fd, "r") : NULL;
	if (r == 0 && !*ret_file)
		r = -ENOMEM;
	if (r < 0)
		close(fd);
	return r;
}

/* Nobody is there to be asked. */
static int no_passphrase(char *out, int size, int writing, void *user)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)user;
	return -1;
}

static int key_read(const char *path, bool private, EVP_PKEY **ret_key)
{
	EVP_PKEY *key;
	FILE *file = NULL;
	int r = key_open(path, &file);

	if (r < 0)
		return r;
	key = private ? PEM_read_PrivateKey(file, NULL, no_passphrase, NULL) :
			PEM_read_PUBKEY(file, NULL, no_passphrase, NULL);
	fclose(file);
	if (!key || EVP_PKEY_id(key) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(key);
		return -EINVAL;
	}
	*ret_key = key;
	return 0;
}

int fg_ed25519_verify(const char *key_path, struct fg_str message,
		      const uint8_t signature[FG_ED25519_SIGNATURE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY *key = NULL;
	int r = context ? key_read(key_path, false, &key) : -ENOMEM;

	if (r == 0 && (EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) != 1 ||
		       EVP_DigestVerify(context, signature, FG_ED25519_SIGNATURE,
					(const unsigned char *)message.ptr, message.len) != 1))
		r = -EKEYREJECTED;
	EVP_PKEY_free(key);
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return r;
}

int fg_ed25519_sign(const char *key_path, struct fg_str message,
		    uint8_t ret_signature[FG_ED25519_SIGNATURE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t len = FG_ED25519_SIGNATURE;
	EVP_PKEY *key = NULL;
	int r = context ? key_read(key_path, true, &key) : -ENOMEM;

	if (r == 0 && (EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
		       EVP_DigestSign(context, ret_signature, &len,
				      (const unsigned char *)message.ptr, message.len) != 1))
		r = -EIO;
	EVP_PKEY_free(key);
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return r;
}
