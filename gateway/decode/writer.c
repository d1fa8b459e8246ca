/* Documents of named values, written front to back, and the numbers and dates in them. */
#include "decode/writer.h"

#include "base/number.h"
#include "decode/decode.h"

#include <stdarg.h>
#include <stdio.h>

enum { KEY_MAX = 128 };

static struct fg_node *writer_node(struct fg_writer *w, struct fg_str key, enum fg_node_type type)
{
	if (w->failed || w->depth == 0)
		return NULL;
	struct fg_node *node = fg_doc_append(w->doc, type);

	if (!node) {
		w->failed = true;
		return NULL;
	}
	node->key = key;
	node->mark = fg_key_mark(key);
	node->next = w->doc->len;
	w->level[w->depth - 1].children++;
	return node;
}

void fg_writer_begin(struct fg_writer *w, struct fg_doc *doc)
{
	*w = (struct fg_writer){ .doc = doc };
	w->failed = !fg_doc_append(doc, FG_NODE_OBJECT);
	w->depth = 1;
}

void fg_writer_open(struct fg_writer *w, struct fg_str key, enum fg_node_type type)
{
	uint32_t at = w->doc->len;

	if (!writer_node(w, key, type) || w->depth == FG_WRITER_DEPTH) {
		w->failed = true;
		return;
	}
	w->level[w->depth].at = at;
	w->level[w->depth].children = 0;
	w->depth++;
}

void fg_writer_close(struct fg_writer *w)
{
	if (w->failed || w->depth == 0)
		return;
	uint32_t at = w->level[--w->depth].at, children = w->level[w->depth].children;

	if (w->doc->nodes[at].type == FG_NODE_ARRAY)
		fg_doc_close(w->doc, at, children);
	else if (fg_doc_close_object(w->doc, at, children) < 0)
		w->failed = true;
}

void fg_writer_add(struct fg_writer *w, struct fg_str key, struct fg_value value,
		   struct fg_str unit)
{
	struct fg_node *node = writer_node(w, key, FG_NODE_SCALAR);

	if (!node)
		return;
	node->value = value;
	node->unit = unit;
}

void fg_writer_text(struct fg_writer *w, struct fg_str key, struct fg_str text)
{
	fg_writer_add(w, key, fg_value_text(text), FG_STR(""));
}

void fg_writer_nonfinite(struct fg_writer *w, struct fg_str key)
{
	(void)writer_node(w, key, FG_NODE_NONFINITE);
}

struct fg_str fg_writer_printf(struct fg_writer *w, const char *format, ...)
{
	char line[KEY_MAX];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	char *text = n >= 0 && n < KEY_MAX ? fg_doc_text(w->doc, (size_t)n) : NULL;

	if (!text) {
		w->failed = true;
		return FG_STR("");
	}
	memcpy(text, line, (size_t)n);
	return fg_str(text, (size_t)n);
}

struct fg_str fg_writer_hex(struct fg_writer *w, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char *text = fg_doc_text(w->doc, len * 2);

	if (!text) {
		w->failed = true;
		return FG_STR("");
	}
	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return fg_str(text, len * 2);
}

int fg_writer_end(struct fg_writer *w)
{
	fg_writer_close(w);
	if (!w->failed && w->depth == 0)
		return 0;
	return fg_doc_bad(w->doc, w->doc->reason ? w->doc->reason : "too deep", 0);
}

bool fg_decimal_parse(struct fg_str text, struct fg_value *ret_value)
{
	bool negative = text.len && text.ptr[0] == '-', point = false;
	size_t i = negative || (text.len && text.ptr[0] == '+'), digits = 0, decimals = 0;
	uint64_t mantissa = 0;

	for (; i < text.len; i++) {
		if (text.ptr[i] == '.' && !point) {
			point = true;
			continue;
		}
		unsigned digit = (unsigned)(unsigned char)text.ptr[i] - '0';

		if (digit > 9)
			return false;
		decimals += point;
		/* leading zeros take no room */
		if (mantissa > UINT64_MAX / 100)
			return false;
		mantissa = mantissa * 10 + digit;
		digits++;
	}
	if (digits == 0 || digits > 60)
		return false;
	return fg_value_of_decimal(mantissa, negative && mantissa, -(int64_t)decimals, ret_value) ==
	       0;
}

bool fg_digits_parse(struct fg_str text, uint32_t *ret_number)
{
	uint32_t n = 0;

	if (text.len == 0 || text.len > 9)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(text.ptr[i] - '0');
	}
	*ret_number = n;
	return true;
}

struct fg_value fg_value_scaled(int64_t i, int exp10)
{
	struct fg_value value = fg_value_int(i);
	uint64_t magnitude = i < 0 ? -(uint64_t)i : (uint64_t)i;

	if (exp10 != 0)
		(void)fg_value_of_decimal(magnitude, i < 0, exp10, &value);
	return value;
}

int64_t fg_utc_seconds(uint32_t year, uint32_t month, uint32_t day, uint32_t hour, uint32_t minute,
		       uint32_t second)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	int64_t total = 0;

	if (year < 1970 || year > 2199 || month < 1 || month > 12 || day < 1 || hour > 23 ||
	    minute > 59 || second > 60 || day > days[month - 1] + (leap && month == 2 ? 1u : 0u))
		return INT64_MIN;
	uint32_t before = year - 1;

	total = (int64_t)(year - 1970) * 365 + (before / 4 - before / 100 + before / 400) -
		(1969 / 4 - 1969 / 100 + 1969 / 400);
	for (uint32_t m = 1; m < month; m++)
		total += days[m - 1] + (leap && m == 2);
	return ((total + day - 1) * 24 + hour) * 3600 + minute * 60 + second;
}
