/* Metrics into named values: scalars by their datatype, arrays element by element, the cells of a
 * data set by row and column, the members of a template below its name. */
#include "decode/sparkplug/sparkplug.h"

#include "base/utf8.h"
#include "decode/decode.h"
#include "decode/writer.h"

#include <math.h>
#include <stdio.h>

#include <sparkplug_b.pb-c.h>

enum datatype {
	INT8 = 1,
	INT16,
	INT32,
	INT64,
	UINT8,
	UINT16,
	UINT32,
	UINT64,
	FLOAT,
	DOUBLE,
	BOOLEAN,
	STRING,
	DATETIME,
	TEXT,
	UUID,
	DATASET,
	BYTES,
	FILE_,
	TEMPLATE,
	INT8_ARRAY = 22,
	DOUBLE_ARRAY = 31,
	BOOLEAN_ARRAY,
	STRING_ARRAY,
	DATETIME_ARRAY,
};

static bool bad(struct fg_sparkplug *s, const char *reason)
{
	s->doc->reason = reason;
	return false;
}

/* prefix/name, as text that lives as long as the document. */
static struct fg_str below(struct fg_sparkplug *s, struct fg_str prefix, struct fg_str name)
{
	char *text;

	if (prefix.len == 0)
		return name;
	text = fg_doc_text(s->doc, prefix.len + 1 + name.len);
	if (!text)
		return fg_str(NULL, 0);
	memcpy(text, prefix.ptr, prefix.len);
	text[prefix.len] = '/';
	memcpy(text + prefix.len + 1, name.ptr, name.len);
	return fg_str(text, prefix.len + 1 + name.len);
}

static struct fg_str numbered(struct fg_sparkplug *s, struct fg_str prefix, size_t number)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%zu", number);

	return below(s, prefix, fg_str(digits, (size_t)n));
}

static struct fg_node *add(struct fg_sparkplug *s, struct fg_str name, enum fg_node_type type,
			   int64_t time_ns)
{
	struct fg_node *node;

	if (name.ptr && !fg_utf8_valid(name)) {
		bad(s, "invalid UTF-8");
		return NULL;
	}
	node = name.ptr ? fg_doc_append(s->doc, type) : NULL;
	if (!node)
		return NULL;
	node->key = name;
	node->whole = true;
	node->time_ns = time_ns;
	node->next = s->doc->len;
	s->members++;
	return node;
}

static bool add_value(struct fg_sparkplug *s, struct fg_str name, struct fg_value value,
		      int64_t time_ns)
{
	struct fg_node *node;

	if (value.kind == FG_DOUBLE && !isfinite(value.d))
		return add(s, name, FG_NODE_NONFINITE, time_ns);
	if (value.kind == FG_STRING && !fg_utf8_valid(value.s))
		return bad(s, "invalid UTF-8");
	node = add(s, name, FG_NODE_SCALAR, time_ns);
	if (!node)
		return false;
	node->value = value;
	return true;
}

static struct fg_value of_double(double d)
{
	/* What is not finite is told apart by add_value. */
	return isfinite(d) ? fg_value_of_double(d) : (struct fg_value){ .kind = FG_DOUBLE, .d = d };
}

static struct fg_value of_float(float f)
{
	return isfinite(f) ? fg_value_of_float(f) : of_double((double)f);
}

static struct fg_value of_unsigned(uint64_t n)
{
	return n > INT64_MAX ? (struct fg_value){ .kind = FG_UINT, .u = n } :
			       fg_value_int((int64_t)n);
}

/* Signed numbers stand in unsigned fields, as two's complement of 32 or 64 bits. */
static struct fg_value of_bits(uint64_t n, uint32_t type)
{
	switch (type) {
	case INT8:
		return fg_value_int((int8_t)n);
	case INT16:
		return fg_value_int((int16_t)n);
	case INT32:
		return fg_value_int((int32_t)n);
	case INT64:
		return fg_value_int((int64_t)n);
	case BOOLEAN:
		return fg_value_bool(n != 0);
	default:
		return of_unsigned(n);
	}
}

static struct fg_value of_text(const char *text)
{
	return fg_value_text(fg_str_c(text));
}

/* -- arrays: packed little-endian in bytes -- */

static const uint8_t widths[] = { 1, 2, 4, 8, 1, 2, 4, 8, 4, 8 };
static const uint8_t elements[] = { INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64 };

static uint64_t little_endian(const uint8_t *p, size_t width)
{
	uint64_t n = 0;

	for (size_t i = width; i-- > 0;)
		n = n << 8 | p[i];
	return n;
}

static struct fg_value element_of(const uint8_t *p, size_t width, uint32_t type)
{
	uint64_t bits = little_endian(p, width);
	uint32_t half = (uint32_t)bits;
	float f;
	double d;

	if (type < DOUBLE_ARRAY - 1)
		return of_bits(bits, elements[type - INT8_ARRAY]);
	memcpy(&f, &half, sizeof(f));
	memcpy(&d, &bits, sizeof(d));
	return type == DOUBLE_ARRAY ? of_double(d) : of_float(f);
}

static bool number_array(struct fg_sparkplug *s, struct fg_str name, ProtobufCBinaryData data,
			 uint32_t type, int64_t time_ns)
{
	size_t width = type == DATETIME_ARRAY ? 8 : widths[type - INT8_ARRAY];

	if (data.len % width)
		return bad(s, "an array that ends within a number");
	for (size_t i = 0; i < data.len / width; i++) {
		const uint8_t *p = data.data + i * width;
		struct fg_value value = type == DATETIME_ARRAY ?
						of_unsigned(little_endian(p, width)) :
						element_of(p, width, type);

		if (!add_value(s, numbered(s, name, i), value, time_ns))
			return false;
	}
	return true;
}

/* Four bytes that count them, then the bits, the first in the highest place. */
static bool boolean_array(struct fg_sparkplug *s, struct fg_str name, ProtobufCBinaryData data,
			  int64_t time_ns)
{
	uint64_t count = data.len >= 4 ? little_endian(data.data, 4) : 0;

	if (data.len < 4 || data.len - 4 != (count + 7) / 8)
		return bad(s, "an array of a wrong length");
	for (size_t i = 0; i < count; i++) {
		bool bit = data.data[4 + i / 8] >> (7 - i % 8) & 1;

		if (!add_value(s, numbered(s, name, i), fg_value_bool(bit), time_ns))
			return false;
	}
	return true;
}

static bool string_array(struct fg_sparkplug *s, struct fg_str name, ProtobufCBinaryData data,
			 int64_t time_ns)
{
	const char *p = (const char *)data.data, *end = p + data.len;

	for (size_t i = 0; p < end; i++) {
		const char *stop = memchr(p, '\0', (size_t)(end - p));

		if (!stop)
			return bad(s, "a text without its end");
		if (!add_value(s, numbered(s, name, i),
			       fg_value_text(fg_str(p, (size_t)(stop - p))), time_ns))
			return false;
		p = stop + 1;
	}
	return true;
}

static bool bytes_write(struct fg_sparkplug *s, struct fg_str name, ProtobufCBinaryData data,
			uint32_t type, int64_t time_ns)
{
	bool is_array = type >= INT8_ARRAY && type <= DATETIME_ARRAY;

	if (is_array && data.len == 0)
		return add(s, name, FG_NODE_NULL, time_ns);
	if (type == BOOLEAN_ARRAY)
		return boolean_array(s, name, data, time_ns);
	if (type == STRING_ARRAY)
		return string_array(s, name, data, time_ns);
	if (is_array)
		return number_array(s, name, data, type, time_ns);
	return add_value(s, name, fg_value_data(data.data, data.len), time_ns);
}

/* -- data sets and templates -- */

static struct fg_value cell_of(const Spb__DataSetValue *cell, uint32_t type)
{
	switch (cell->value_case) {
	case SPB__DATA_SET_VALUE__VALUE_INT_VALUE:
		return of_bits(cell->int_value, type);
	case SPB__DATA_SET_VALUE__VALUE_LONG_VALUE:
		return of_bits(cell->long_value, type);
	case SPB__DATA_SET_VALUE__VALUE_FLOAT_VALUE:
		return of_float(cell->float_value);
	case SPB__DATA_SET_VALUE__VALUE_DOUBLE_VALUE:
		return of_double(cell->double_value);
	case SPB__DATA_SET_VALUE__VALUE_BOOLEAN_VALUE:
		return fg_value_bool(cell->boolean_value);
	case SPB__DATA_SET_VALUE__VALUE_STRING_VALUE:
		return of_text(cell->string_value);
	default:
		return (struct fg_value){ .kind = FG_NONE };
	}
}

static bool dataset_write(struct fg_sparkplug *s, struct fg_str name, const Spb__DataSet *set,
			  int64_t time_ns)
{
	if (set->n_columns != set->n_types)
		return bad(s, "a data set whose columns and types differ in number");
	for (size_t row = 0; row < set->n_rows; row++) {
		const Spb__Row *cells = set->rows[row];
		struct fg_str at = numbered(s, name, row);

		if (cells->n_elements != set->n_columns)
			return bad(s, "a row that has not as many cells as there are columns");
		for (size_t i = 0; i < cells->n_elements; i++) {
			struct fg_value value = cell_of(cells->elements[i], set->types[i]);
			struct fg_str column = below(s, at, fg_str_c(set->columns[i]));

			if (value.kind == FG_NONE ? !add(s, column, FG_NODE_NULL, time_ns) :
						    !add_value(s, column, value, time_ns))
				return false;
		}
	}
	return set->n_rows || add(s, name, FG_NODE_NULL, time_ns);
}

static struct fg_value parameter_of(const Spb__Parameter *p)
{
	switch (p->value_case) {
	case SPB__PARAMETER__VALUE_INT_VALUE:
		return of_bits(p->int_value, p->type);
	case SPB__PARAMETER__VALUE_LONG_VALUE:
		return of_bits(p->long_value, p->type);
	case SPB__PARAMETER__VALUE_FLOAT_VALUE:
		return of_float(p->float_value);
	case SPB__PARAMETER__VALUE_DOUBLE_VALUE:
		return of_double(p->double_value);
	case SPB__PARAMETER__VALUE_BOOLEAN_VALUE:
		return fg_value_bool(p->boolean_value);
	case SPB__PARAMETER__VALUE_STRING_VALUE:
		return of_text(p->string_value);
	default:
		return (struct fg_value){ .kind = FG_NONE };
	}
}

static bool members_write(struct fg_sparkplug *s, struct fg_str name, const Spb__Template *template,
			  int64_t time_ns, unsigned depth)
{
	for (size_t i = 0; i < template->n_parameters; i++) {
		const Spb__Parameter *p = template->parameters[i];
		struct fg_value value = parameter_of(p);

		if (value.kind != FG_NONE && p->name &&
		    !add_value(s, below(s, name, fg_str_c(p->name)), value, time_ns))
			return false;
	}
	for (size_t i = 0; i < template->n_metrics; i++)
		if (!fg_sparkplug_metric(s, template->metrics[i], name, depth + 1))
			return false;
	return true;
}

static bool template_write(struct fg_sparkplug *s, struct fg_str name, ProtobufCBinaryData data,
			   int64_t time_ns, unsigned depth)
{
	Spb__Template *template;

	if (depth == FG_SPARKPLUG_DEPTH)
		return bad(s, "nested too deep");
	template = spb__template__unpack(s->memory, data.len, data.data);
	if (!template)
		return bad(s, "not a template");
	return members_write(s, name, template, time_ns, depth);
}

/* -- */

static struct fg_str name_of(struct fg_sparkplug *s, const Spb__Metric *metric)
{
	enum { ROOM = 32 };
	char *text;

	if (metric->name && metric->name[0])
		return fg_str_c(metric->name);
	text = metric->has_alias ? fg_doc_text(s->doc, ROOM) : NULL;
	if (!text)
		return fg_str(NULL, 0);
	return fg_str(text, (size_t)snprintf(text, ROOM, "alias:%llu",
					     (unsigned long long)metric->alias));
}

int64_t fg_sparkplug_time(struct fg_doc *doc, bool given, uint64_t ms)
{
	const int64_t ms_ns = 1000000;

	if (!given)
		return FG_TIME_NONE;
	if (ms <= (uint64_t)(INT64_MAX / ms_ns) && fg_doc_believes(doc, (int64_t)ms * ms_ns))
		return (int64_t)ms * ms_ns;
	doc->absurd_time = true;
	return FG_TIME_NONE;
}

static bool scalar_write(struct fg_sparkplug *s, const Spb__Metric *m, struct fg_str name,
			 int64_t time_ns)
{
	switch (m->value_case) {
	case SPB__METRIC__VALUE_INT_VALUE:
		return add_value(s, name, of_bits(m->int_value, m->datatype), time_ns);
	case SPB__METRIC__VALUE_LONG_VALUE:
		return add_value(s, name, of_bits(m->long_value, m->datatype), time_ns);
	case SPB__METRIC__VALUE_FLOAT_VALUE:
		return add_value(s, name, of_float(m->float_value), time_ns);
	case SPB__METRIC__VALUE_DOUBLE_VALUE:
		return add_value(s, name, of_double(m->double_value), time_ns);
	case SPB__METRIC__VALUE_BOOLEAN_VALUE:
		return add_value(s, name, fg_value_bool(m->boolean_value), time_ns);
	case SPB__METRIC__VALUE_STRING_VALUE:
		return add_value(s, name, of_text(m->string_value), time_ns);
	default:
		return add(s, name, FG_NODE_NULL, time_ns);
	}
}

bool fg_sparkplug_metric(struct fg_sparkplug *s, const Spb__Metric *m, struct fg_str prefix,
			 unsigned depth)
{
	int64_t time_ns = fg_sparkplug_time(s->doc, m->has_timestamp, m->timestamp);
	struct fg_str name = name_of(s, m);

	if (!name.ptr)
		return bad(s, "a metric without a name");
	name = below(s, prefix, name);
	if (m->has_is_null && m->is_null)
		return add(s, name, FG_NODE_NULL, time_ns);
	switch (m->value_case) {
	case SPB__METRIC__VALUE_BYTES_VALUE:
		return bytes_write(s, name, m->bytes_value, m->datatype, time_ns);
	case SPB__METRIC__VALUE_DATASET_VALUE:
		return dataset_write(s, name, m->dataset_value, time_ns);
	case SPB__METRIC__VALUE_TEMPLATE_VALUE:
		return template_write(s, name, m->template_value, time_ns, depth);
	default:
		return scalar_write(s, m, name, time_ns);
	}
}
