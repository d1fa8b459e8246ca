#include "squeeze.h"

#include <errno.h>

#define GZIP_LEVEL 4
#define GZIP_WINDOW (15 + 16) /* 32 KiB, with gzip's head and sum */
#define GZIP_MEMORY 8
#define ZSTD_LEVEL 3

int http_squeeze_init(struct http_squeeze *squeeze, enum http_compress how)
{
	squeeze->how = how;
	if (how == HTTP_GZIP) {
		squeeze->ready = deflateInit2(&squeeze->gzip, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW,
					      GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
		return squeeze->ready ? 0 : -ENOMEM;
	}
	if (how == HTTP_ZSTD) {
		squeeze->zstd = ZSTD_createCCtx();
		if (!squeeze->zstd)
			return -ENOMEM;
		ZSTD_CCtx_setParameter(squeeze->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
	}
	return 0;
}

void http_squeeze_fini(struct http_squeeze *squeeze)
{
	if (squeeze->ready)
		deflateEnd(&squeeze->gzip);
	squeeze->ready = false;
	ZSTD_freeCCtx(squeeze->zstd);
	squeeze->zstd = NULL;
}

static int squeeze_gzip(struct http_squeeze *squeeze, struct fg_str body, struct fg_buf *out)
{
	z_stream *z = &squeeze->gzip;
	size_t bound;
	char *room;

	/* first, or the bound is that of a stream whose head has been written */
	if (deflateReset(z) != Z_OK)
		return -EINVAL;
	bound = deflateBound(z, body.len);
	room = fg_buf_reserve(out, bound);
	if (!room)
		return -ENOMEM;
	/* zlib reads it only, but does not say so without ZLIB_CONST */
	z->next_in = (Bytef *)(uintptr_t)body.ptr;
	z->avail_in = (uInt)body.len;
	z->next_out = (Bytef *)room;
	z->avail_out = (uInt)bound;
	if (deflate(z, Z_FINISH) != Z_STREAM_END)
		return -ENOMEM;
	out->len = bound - z->avail_out;
	return 0;
}

static int squeeze_zstd(struct http_squeeze *squeeze, struct fg_str body, struct fg_buf *out)
{
	size_t bound = ZSTD_compressBound(body.len), len;
	char *room = fg_buf_reserve(out, bound);

	if (!room)
		return -ENOMEM;
	len = ZSTD_compress2(squeeze->zstd, room, bound, body.ptr, body.len);
	if (ZSTD_isError(len))
		return -ENOMEM;
	out->len = len;
	return 0;
}

int http_squeeze(struct http_squeeze *squeeze, struct fg_str body, struct fg_buf *out)
{
	fg_buf_reset(out);
	return squeeze->how == HTTP_GZIP ? squeeze_gzip(squeeze, body, out) :
					   squeeze_zstd(squeeze, body, out);
}

const char *http_squeeze_name(enum http_compress how)
{
	return how == HTTP_GZIP ? "gzip" : how == HTTP_ZSTD ? "zstd" : NULL;
}
