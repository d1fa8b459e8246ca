/*
 * Comma-separated values (RFC 4180). One data line gives an object, several an array of objects.
 * Names of a header line are read again for every row, in step with its fields: nothing has to
 * be kept.
 */
#include "decode/csv.h"

#include "base/number.h"
#include "base/utf8.h"
#include "decode/decode.h"

struct csv {
	struct fg_doc *doc;
	const struct fg_csv_conf *conf;
	const char *p, *end, *start;
	const char *header; /* NULL: none */
	char delimiter;
};

struct field {
	struct fg_str text;
	bool quoted;
	bool last; /* of its line */
};

static int csv_bad(struct csv *csv, const char *reason)
{
	return fg_doc_bad(csv->doc, reason, (size_t)(csv->p - csv->start));
}

static bool is_end_of_line(char c)
{
	return c == '\n' || c == '\r';
}

/* A doubled quote stands for one. */
static int quotes_undouble(struct csv *csv, struct fg_str *text)
{
	char *out = fg_doc_text(csv->doc, text->len), *start = out;

	if (!out)
		return csv_bad(csv, NULL);
	for (size_t i = 0; i < text->len; i++) {
		*out++ = text->ptr[i];
		i += text->ptr[i] == '"';
	}
	*text = fg_str(start, (size_t)(out - start));
	return 0;
}

static int quoted_read(struct csv *csv, bool wanted, struct field *field)
{
	const char *start = ++csv->p;
	bool doubled = false;

	for (; csv->p < csv->end; csv->p++) {
		if (*csv->p != '"')
			continue;
		if (csv->end - csv->p < 2 || csv->p[1] != '"')
			break;
		doubled = true;
		csv->p++;
	}
	if (csv->p == csv->end)
		return csv_bad(csv, "unterminated string");
	field->text = fg_str(start, (size_t)(csv->p++ - start));
	field->quoted = true;
	if (csv->p < csv->end && *csv->p != csv->delimiter && !is_end_of_line(*csv->p))
		return csv_bad(csv, "text behind a quoted field");
	return doubled && wanted ? quotes_undouble(csv, &field->text) : 0;
}

/* One field and what ends it. A field that is only passed over is not wanted: it costs no text. */
static int field_read(struct csv *csv, bool wanted, struct field *field)
{
	const char *start = csv->p;

	*field = (struct field){ 0 };
	if (csv->p < csv->end && *csv->p == '"') {
		int r = quoted_read(csv, wanted, field);

		if (r)
			return r;
	} else {
		while (csv->p < csv->end && *csv->p != csv->delimiter && !is_end_of_line(*csv->p))
			csv->p++;
		field->text = fg_str(start, (size_t)(csv->p - start));
	}
	field->last = csv->p == csv->end || is_end_of_line(*csv->p);
	if (!field->last)
		csv->p++;
	return 0;
}

static void lines_skip_empty(struct csv *csv)
{
	while (csv->p < csv->end && is_end_of_line(*csv->p))
		csv->p++;
}

static int line_skip(struct csv *csv)
{
	struct field field;
	int r;

	do {
		r = field_read(csv, false, &field);
	} while (!r && !field.last);
	lines_skip_empty(csv);
	return r;
}

static int index_name(struct csv *csv, uint32_t index, struct fg_str *ret)
{
	char *text = fg_doc_text(csv->doc, FG_U64_MAX_DIGITS);

	if (!text)
		return csv_bad(csv, NULL);
	*ret = fg_str(text, fg_u64_write(index, text));
	return 0;
}

/* The name of the column; *header is where the header's next field begins, NULL behind it. */
static int column_name(struct csv *csv, uint32_t index, const char **header, struct fg_str *ret)
{
	struct field field = { 0 };

	if (csv->conf && index < csv->conf->ncolumns) {
		field.text = csv->conf->columns[index];
	} else if (*header) {
		const char *back = csv->p;
		int r;

		csv->p = *header;
		r = field_read(csv, true, &field);
		*header = field.last ? NULL : csv->p;
		csv->p = back;
		if (r)
			return r;
	}
	if (field.text.len == 0)
		return index_name(csv, index, ret);
	*ret = field.text;
	return 0;
}

static int field_add(struct csv *csv, const struct field *field, struct fg_str name)
{
	bool empty = field->text.len == 0 && !field->quoted;
	struct fg_node *node = fg_doc_append(csv->doc, empty ? FG_NODE_NULL : FG_NODE_SCALAR);

	if (!node)
		return csv_bad(csv, NULL);
	node->key = name;
	node->mark = fg_key_mark(name);
	node->next = csv->doc->len;
	if (field->quoted)
		node->value = (struct fg_value){ .kind = FG_STRING, .s = field->text };
	else if (!empty)
		node->value = fg_value_of_text(field->text);
	return 0;
}

static int row_read(struct csv *csv)
{
	uint32_t at = csv->doc->len, n = 0;
	const char *header = csv->header;
	struct field field;

	if (!fg_doc_append(csv->doc, FG_NODE_OBJECT))
		return csv_bad(csv, NULL);
	do {
		struct fg_str name = { 0 };
		int r = field_read(csv, true, &field);

		if (!r)
			r = column_name(csv, n++, &header, &name);
		if (!r)
			r = field_add(csv, &field, name);
		if (r)
			return r;
	} while (!field.last);
	lines_skip_empty(csv);
	return fg_doc_close_object(csv->doc, at, n);
}

static int rows_read(struct csv *csv)
{
	uint32_t rows = 0;

	if (!fg_doc_append(csv->doc, FG_NODE_ARRAY))
		return csv_bad(csv, NULL);
	for (; csv->p < csv->end; rows++) {
		int r = row_read(csv);

		if (r)
			return r;
	}
	fg_doc_close(csv->doc, 0, rows);
	return 0;
}

/* Control characters other than tab and line ends are a sign of noise on the line. */
static bool is_text(struct fg_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (fg_utf8_has_control(fg_str(s.ptr + i, 1)) && !fg_is_space(s.ptr[i]))
			return false;
	}
	return fg_utf8_valid(s);
}

static int csv_decode(const struct fg_decode_context *ctx, struct fg_str payload,
		      struct fg_doc *doc)
{
	const struct fg_csv_conf *conf = ctx->conf;

	if (payload.len == 0)
		return fg_doc_bad(doc, "empty payload", 0);
	struct csv csv = {
		.doc = doc,
		.conf = conf,
		.p = payload.ptr,
		.end = payload.ptr + payload.len,
		.start = payload.ptr,
		.delimiter = conf && conf->delimiter ? conf->delimiter : ',',
	};
	int r = 0;

	if (!is_text(payload))
		return fg_doc_bad(doc, "not text", 0);
	lines_skip_empty(&csv);
	if (csv.p == csv.end)
		return fg_doc_bad(doc, "empty payload", 0);
	if (conf && conf->header) {
		csv.header = csv.p;
		r = line_skip(&csv);
	}
	const char *first = csv.p;

	if (!r && csv.p < csv.end)
		r = line_skip(&csv);
	if (r)
		return r;
	bool single = csv.p == csv.end;

	csv.p = first;
	return single && first < csv.end ? row_read(&csv) : rows_read(&csv);
}

const struct fg_decoder fg_decoder_csv = {
	.name = "csv",
	.summary = "One or more lines of values (RFC 4180), named by column.",
	.decode = csv_decode,
};
