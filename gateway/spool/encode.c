/*
 * Entries and records as bytes (see spool/format.h). Writing trusts the caller's lengths and checks
 * the values, so that whatever was written can be read; reading trusts nothing.
 */
#include "spool/encode.h"

#include "base/crc32c.h"
#include "spool/format.h"

#include <errno.h>
#include <math.h>

#define DECIMAL_END INT64_C(1000000000000000)
#define EXP10_END 22

/* -- writing -- */

static size_t value_bound(const struct fg_value *v)
{
	return 11 + (v->kind >= FG_STRING ? v->s.len : 0);
}

size_t fg_entry_bound(const struct fg_entry *entry)
{
	size_t bound = FG_ENTRY_HEAD + entry->device.len;

	for (uint32_t i = 0; i < entry->count; i++) {
		const struct fg_record *r = &entry->records[i];

		bound += 1 + 10 + r->point.len + value_bound(&r->value);
		if (r->unit.len)
			bound += 10 + r->unit.len;
		if (r->time_ns != FG_TIME_NONE)
			bound += 8;
		if (r->update_s != 0)
			bound += 8;
		if (r->sum.kind != FG_NONE)
			bound += 1 + value_bound(&r->sum);
	}
	return bound;
}

static inline char *varint_put(char *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (char)(v | 0x80);
		v >>= 7;
	}
	*p++ = (char)v;
	return p;
}

static inline char *zigzag_put(char *p, int64_t v)
{
	return varint_put(p, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

/* Names are short: a call of memcpy for each would cost more than the copy. */
static inline char *bytes_put(char *p, struct fg_str s)
{
	p = varint_put(p, s.len);
	if (s.len)
		memcpy(p, s.ptr, s.len);
	return p + s.len;
}

static inline char *double_put(char *p, double d)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	fg_put64(p, bits);
	return p + 8;
}

static bool decimal_ok(int64_t i, int exp10)
{
	return i > -DECIMAL_END && i < DECIMAL_END && exp10 >= -EXP10_END && exp10 <= EXP10_END;
}

/* NULL: not a value. */
static inline char *value_put(char *p, const struct fg_value *v)
{
	switch ((enum fg_kind)v->kind) {
	case FG_NONE:
		return p;
	case FG_BOOL:
		*p = v->b;
		return p + 1;
	case FG_INT:
		return zigzag_put(p, v->i);
	case FG_UINT:
		fg_put64(p, v->u);
		return p + 8;
	case FG_DECIMAL:
		if (!decimal_ok(v->i, v->exp10))
			return NULL;
		*p = (char)v->exp10;
		return zigzag_put(p + 1, v->i);
	case FG_DOUBLE:
		return isfinite(v->d) ? double_put(p, v->d) : NULL;
	case FG_STRING:
	case FG_DATA:
		return bytes_put(p, v->s);
	case FG_KIND__MAX:
		break;
	}
	return NULL;
}

static inline bool sum_ok(uint8_t kind)
{
	return kind >= FG_INT && kind <= FG_DOUBLE;
}

static char *options_put(char *p, const struct fg_record *r, unsigned parts)
{
	if (parts & FG_RECORD_TIME) {
		fg_put64(p, (uint64_t)r->time_ns);
		p += 8;
	}
	if (parts & FG_RECORD_UPDATE) {
		if (!isfinite(r->update_s))
			return NULL;
		p = double_put(p, r->update_s);
	}
	if (parts & FG_RECORD_SUM) {
		if (!sum_ok(r->sum.kind))
			return NULL;
		*p++ = (char)r->sum.kind;
		p = value_put(p, &r->sum);
	}
	return p;
}

static inline char *record_put(char *p, const struct fg_record *r)
{
	unsigned parts = (r->unit.len ? FG_RECORD_UNIT : 0) |
			 (r->from_arrival ? FG_RECORD_ARRIVAL : 0) |
			 (r->time_ns != FG_TIME_NONE ? FG_RECORD_TIME : 0) |
			 (r->update_s != 0 ? FG_RECORD_UPDATE : 0) |
			 (r->sum.kind != FG_NONE ? FG_RECORD_SUM : 0);

	*p++ = (char)((r->value.kind & FG_RECORD_KIND) | parts);
	p = bytes_put(p, r->point);
	if (parts & FG_RECORD_UNIT)
		p = bytes_put(p, r->unit);
	p = value_put(p, &r->value);
	if (p && parts >= FG_RECORD_TIME)
		p = options_put(p, r, parts);
	return p;
}

int64_t fg_entry_encode(const struct fg_entry *entry, uint64_t first, char *out)
{
	char *p = out + FG_ENTRY_HEAD;

	if (entry->count == 0 || entry->device.len > UINT16_MAX)
		return -EINVAL;
	fg_put64(out + FG_ENTRY_FIRST, first);
	fg_put64(out + FG_ENTRY_WALL, (uint64_t)entry->wall_ns);
	fg_put64(out + FG_ENTRY_BOOT, (uint64_t)entry->boot_ns);
	fg_put32(out + FG_ENTRY_COUNT, entry->count);
	fg_put16(out + FG_ENTRY_FLAGS, (uint16_t)entry->flags);
	fg_put16(out + FG_ENTRY_DEVICE, (uint16_t)entry->device.len);
	if (entry->device.len)
		memcpy(p, entry->device.ptr, entry->device.len);
	p += entry->device.len;
	for (uint32_t i = 0; i < entry->count; i++) {
		p = record_put(p, &entry->records[i]);
		if (!p)
			return -EINVAL;
	}
	return p - out;
}

void fg_entry_seal(char *entry, size_t len, uint32_t seed)
{
	fg_put32(entry, (uint32_t)len);
	fg_put32(entry + 4, fg_crc32c(seed, entry + 8, len - 8));
}

/* -- reading -- */

bool fg_entry_sound(const char *entry, size_t len, uint32_t seed)
{
	return fg_crc32c(seed, entry + 8, len - 8) == fg_get32(entry + 4);
}

int fg_entry_view(const char *entry, size_t len, struct fg_spool_view *ret_view)
{
	size_t device = fg_get16(entry + FG_ENTRY_DEVICE);

	if (device > len - FG_ENTRY_HEAD)
		return -EBADMSG;
	ret_view->first = fg_get64(entry + FG_ENTRY_FIRST);
	ret_view->count = fg_get32(entry + FG_ENTRY_COUNT);
	ret_view->last = ret_view->first + ret_view->count - 1;
	ret_view->device = fg_str(entry + FG_ENTRY_HEAD, device);
	ret_view->wall_ns = (int64_t)fg_get64(entry + FG_ENTRY_WALL);
	ret_view->boot_ns = (int64_t)fg_get64(entry + FG_ENTRY_BOOT);
	ret_view->flags = fg_get16(entry + FG_ENTRY_FLAGS);
	ret_view->body = fg_str(entry + FG_ENTRY_HEAD + device, len - FG_ENTRY_HEAD - device);
	return 0;
}

struct input {
	const unsigned char *p, *end;
};

static bool varint_get_long(struct input *in, uint64_t *ret_v)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && in->p < in->end; shift += 7) {
		unsigned char c = *in->p++;

		/* the tenth byte has one bit of the number */
		if (shift == 63 && c > 1)
			return false;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*ret_v = v;
			return true;
		}
	}
	return false;
}

static inline bool varint_get(struct input *in, uint64_t *ret_v)
{
	if (in->p < in->end && *in->p < 0x80) {
		*ret_v = *in->p++;
		return true;
	}
	return varint_get_long(in, ret_v);
}

static inline bool zigzag_get(struct input *in, int64_t *ret_v)
{
	uint64_t v;

	if (!varint_get(in, &v))
		return false;
	*ret_v = (int64_t)(v >> 1 ^ (v & 1 ? UINT64_MAX : 0));
	return true;
}

static inline bool bytes_get(struct input *in, struct fg_str *ret_s)
{
	uint64_t len;

	if (!varint_get(in, &len) || len > (size_t)(in->end - in->p))
		return false;
	*ret_s = fg_str((const char *)in->p, (size_t)len);
	in->p += len;
	return true;
}

static inline bool word_get(struct input *in, uint64_t *ret_v)
{
	if (in->end - in->p < 8)
		return false;
	*ret_v = fg_get64(in->p);
	in->p += 8;
	return true;
}

static bool double_get(struct input *in, double *ret_d)
{
	uint64_t bits;

	if (!word_get(in, &bits))
		return false;
	memcpy(ret_d, &bits, sizeof(bits));
	return isfinite(*ret_d);
}

static bool bool_get(struct input *in, bool *ret_b)
{
	if (in->p == in->end || *in->p > 1)
		return false;
	*ret_b = *in->p++;
	return true;
}

static bool decimal_get(struct input *in, struct fg_value *ret)
{
	if (in->p == in->end)
		return false;
	ret->exp10 = (int8_t)*in->p++;
	return zigzag_get(in, &ret->i) && decimal_ok(ret->i, ret->exp10);
}

static inline bool value_get(struct input *in, unsigned kind, struct fg_value *ret)
{
	ret->kind = (uint8_t)kind;
	ret->exp10 = 0;
	switch ((enum fg_kind)kind) {
	case FG_NONE:
		ret->u = 0;
		return true;
	case FG_BOOL:
		ret->u = 0;
		return bool_get(in, &ret->b);
	case FG_INT:
		return zigzag_get(in, &ret->i);
	case FG_UINT:
		return word_get(in, &ret->u);
	case FG_DECIMAL:
		return decimal_get(in, ret);
	case FG_DOUBLE:
		return double_get(in, &ret->d);
	case FG_STRING:
	case FG_DATA:
		return bytes_get(in, &ret->s);
	case FG_KIND__MAX:
		break;
	}
	return false;
}

static bool options_get(struct input *in, unsigned parts, struct fg_record *ret)
{
	uint64_t word;

	if (parts & FG_RECORD_TIME) {
		if (!word_get(in, &word))
			return false;
		ret->time_ns = (int64_t)word;
	}
	if (parts & FG_RECORD_UPDATE && !double_get(in, &ret->update_s))
		return false;
	if (parts & FG_RECORD_SUM) {
		if (in->p == in->end || !sum_ok(*in->p))
			return false;
		in->p++;
		return value_get(in, in->p[-1], &ret->sum);
	}
	return true;
}

static inline bool record_get(struct input *in, struct fg_record *ret)
{
	unsigned parts;

	if (in->p == in->end)
		return false;
	parts = *in->p++;
	if (!bytes_get(in, &ret->point))
		return false;
	ret->unit = fg_str(NULL, 0);
	if (parts & FG_RECORD_UNIT && !bytes_get(in, &ret->unit))
		return false;
	ret->time_ns = FG_TIME_NONE;
	ret->from_arrival = parts & FG_RECORD_ARRIVAL;
	ret->update_s = 0;
	ret->sum.kind = FG_NONE;
	if (!value_get(in, parts & FG_RECORD_KIND, &ret->value))
		return false;
	return parts < FG_RECORD_TIME || options_get(in, parts, ret);
}

int fg_spool_record(const struct fg_spool_view *view, size_t *at, struct fg_record *ret_record)
{
	const unsigned char *body = (const unsigned char *)view->body.ptr;
	struct input in = { body + *at, body + view->body.len };

	if (*at >= view->body.len)
		return 0;
	if (!record_get(&in, ret_record))
		return -EBADMSG;
	*at = (size_t)(in.p - body);
	return 1;
}
