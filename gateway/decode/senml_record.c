/* Base name and name are joined, base values added, relative times made absolute (RFC 8428
 * section 4.6). Decimals are added as decimals: 0.1 on a base of 0.2 is 0.3. */
#include "decode/senml_record.h"

#include "base/base64.h"
#include "base/number.h"
#include "base/utf8.h"
#include "decode/decode.h"

#include <math.h>

#define SECOND_NS 1000000000
#define RELATIVE_END_NS ((INT64_C(1) << 28) * SECOND_NS) /* RFC 8428 section 4.5.3 */
enum { VERSION = 10 };

static const char wrong_type[] = "wrong type of a SenML field";
static const char out_of_range[] = "number out of range";

static const struct {
	const char *name;
	enum fg_senml_label label;
} labels[] = {
	{ "n", FG_SENML_N },   { "v", FG_SENML_V },   { "u", FG_SENML_U },
	{ "t", FG_SENML_T },   { "vs", FG_SENML_VS }, { "vb", FG_SENML_VB },
	{ "vd", FG_SENML_VD }, { "s", FG_SENML_S },   { "ut", FG_SENML_UT },
	{ "bn", FG_SENML_BN }, { "bt", FG_SENML_BT }, { "bu", FG_SENML_BU },
	{ "bv", FG_SENML_BV }, { "bs", FG_SENML_BS }, { "bver", FG_SENML_BVER },
	{ "vlo", FG_SENML_VLO },
};

/* In CBOR fields have numbers; a text there is a field that was given none. */
static bool text_label(struct fg_str key, bool cbor, enum fg_senml_label *ret)
{
	for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
		if (fg_str_eq_c(key, labels[i].name)) {
			*ret = labels[i].label;
			return !cbor || *ret == FG_SENML_VLO;
		}
	}
	return false;
}

/* The CBOR reader has written integer keys in decimal. */
static bool integer_label(struct fg_str key, enum fg_senml_label *ret)
{
	bool negative = key.len == 2 && key.ptr[0] == '-';
	int n = key.len ? key.ptr[key.len - 1] - '0' : 0;

	if ((key.len != 1 && !negative) || n > (negative ? -FG_SENML_FIRST : FG_SENML_VD))
		return false;
	*ret = (enum fg_senml_label)(negative ? -n : n);
	return true;
}

const char *fg_senml_collect(const struct fg_doc *doc, uint32_t at, bool cbor,
			     struct fg_senml_fields *ret)
{
	uint32_t end = doc->nodes[at].next;

	*ret = (struct fg_senml_fields){ 0 };
	for (uint32_t i = at + 1; i < end; i = doc->nodes[i].next) {
		const struct fg_node *node = &doc->nodes[i];
		struct fg_str key = node->key;
		enum fg_senml_label label;

		if (node->dead)
			continue;
		if (node->whole ? integer_label(key, &label) : text_label(key, cbor, &label))
			ret->field[label - FG_SENML_FIRST] = node;
		else if (!node->whole && key.len && key.ptr[key.len - 1] == '_')
			return "unknown SenML field that must be understood";
	}
	return NULL;
}

static bool is_kind(const struct fg_node *node, enum fg_kind kind)
{
	return node->type == FG_NODE_SCALAR && node->value.kind == kind;
}

static bool is_number(const struct fg_node *node)
{
	return node->type == FG_NODE_SCALAR && fg_value_is_number(&node->value);
}

static const char *string_take(const struct fg_node *node, struct fg_str *ret)
{
	if (!node)
		return NULL;
	if (!is_kind(node, FG_STRING))
		return wrong_type;
	*ret = node->value.s;
	return NULL;
}

static const char *number_take(const struct fg_node *node, struct fg_value *ret)
{
	if (!node)
		return NULL;
	if (!is_number(node))
		return wrong_type;
	*ret = node->value;
	return NULL;
}

static bool decimal_ns(int64_t i, int exp10, int64_t *ret_ns)
{
	for (exp10 += 9; exp10 > 0; exp10--) {
		if (__builtin_mul_overflow(i, 10, &i))
			return false;
	}
	for (; exp10 < 0; exp10++)
		i = (i + (exp10 == -1 ? (i < 0 ? -5 : 5) : 0)) / 10;
	*ret_ns = i;
	return true;
}

/* A double of today's size tells no more than quarters of a microsecond, so it is rounded to
 * one; small ones (offsets) are taken to the nanosecond. */
static bool double_ns(double d, int64_t *ret_ns)
{
	int64_t whole;
	double fraction;

	if (!(fabs(d) < 9e9))
		return false;
	whole = (int64_t)d - (d < (double)(int64_t)d);
	fraction = d - (double)whole;
	*ret_ns = whole * SECOND_NS;
	*ret_ns += fabs(d) >= 1e6 ? fg_nearest(fraction * 1e6) * 1000 : fg_nearest(fraction * 1e9);
	return true;
}

static const char *time_take(const struct fg_node *node, int64_t *ret_ns)
{
	bool good;

	if (!node)
		return NULL;
	if (!is_number(node))
		return wrong_type;
	if (node->value.kind == FG_INT || node->value.kind == FG_DECIMAL)
		good = decimal_ns(node->value.i,
				  node->value.kind == FG_DECIMAL ? node->value.exp10 : 0, ret_ns);
	else
		good = double_ns(fg_value_double(&node->value), ret_ns);
	return good ? NULL : "time out of range";
}

/* All records of a pack have one version, which is 10 if the first states none (RFC 8428 section
 * 4.4). */
static const char *version_take(const struct fg_node *node, struct fg_senml_base *base)
{
	int64_t version = base->version ? base->version : VERSION;

	if (node && !is_kind(node, FG_INT))
		return wrong_type;
	if (node)
		version = node->value.i;
	if (version < 1 || version > VERSION)
		return "unknown SenML version";
	if (base->version && base->version != version)
		return "SenML version changes";
	base->version = version;
	return NULL;
}

static const char *base_take(const struct fg_senml_fields *f, struct fg_senml_base *base)
{
	const char *bad = version_take(fg_senml_field(f, FG_SENML_BVER), base);

	if (!bad)
		bad = string_take(fg_senml_field(f, FG_SENML_BN), &base->name);
	if (!bad)
		bad = string_take(fg_senml_field(f, FG_SENML_BU), &base->unit);
	if (!bad)
		bad = time_take(fg_senml_field(f, FG_SENML_BT), &base->time_ns);
	if (!bad)
		bad = number_take(fg_senml_field(f, FG_SENML_BV), &base->value);
	if (!bad)
		bad = number_take(fg_senml_field(f, FG_SENML_BS), &base->sum);
	return bad;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 8428 section 4.5.1. LwM2M's resource paths ("/3303/0/5700") begin with the one character
 * that must not be first; they are taken as long as they are numbers throughout. */
static bool name_is_good(struct fg_str name)
{
	bool path = name.ptr[0] == '/';

	if (!path && !is_alnum(name.ptr[0]))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (path ? c != '/' && (c < '0' || c > '9') :
			   !is_alnum(c) && (!c || !strchr("-:./_", c)))
			return false;
	}
	return true;
}

static const char *name_join(struct fg_doc *doc, struct fg_str bn, struct fg_str n,
			     struct fg_str *ret)
{
	if (bn.len == 0 || n.len == 0) {
		*ret = bn.len ? bn : n;
		return NULL;
	}
	char *text = fg_doc_text(doc, bn.len + n.len);

	if (!text)
		return doc->reason;
	memcpy(text, bn.ptr, bn.len);
	memcpy(text + bn.len, n.ptr, n.len);
	*ret = fg_str(text, bn.len + n.len);
	return NULL;
}

/* RFC 8428 wants a name in every record. A pack of a device that has but one thing to say and names
 * nothing at all is taken none the less. */
static const char *name_resolve(struct fg_doc *doc, struct fg_senml_base *base,
				const struct fg_senml_fields *f, struct fg_str *ret)
{
	struct fg_str n = { 0 };
	const char *bad = string_take(fg_senml_field(f, FG_SENML_N), &n);

	if (!bad)
		bad = name_join(doc, base->name, n, ret);
	if (bad)
		return bad;
	if (ret->len == 0)
		base->nameless = true;
	else if (!name_is_good(*ret))
		return "malformed SenML name";
	else
		base->named = true;
	return base->named && base->nameless ? "SenML record without a name" : NULL;
}

static const char *time_resolve(const struct fg_doc *doc, const struct fg_senml_base *base,
				const struct fg_senml_fields *f, struct fg_node *node)
{
	int64_t t = 0, *ret_ns = &node->time_ns;
	const char *bad = time_take(fg_senml_field(f, FG_SENML_T), &t);

	if (bad)
		return bad;
	*ret_ns = FG_TIME_NONE;
	if (__builtin_add_overflow(base->time_ns, t, &t))
		return "time out of range";
	if (t >= RELATIVE_END_NS)
		*ret_ns = t;
	else if (t != 0 && doc->now_ns != FG_TIME_NONE &&
		 __builtin_add_overflow(doc->now_ns, t, ret_ns))
		return "time out of range";
	node->from_arrival = *ret_ns != FG_TIME_NONE && t < RELATIVE_END_NS;
	return NULL;
}

static bool scaled(const struct fg_value *v, int exp10, int64_t *ret)
{
	int64_t i = v->i;

	for (int e = v->kind == FG_DECIMAL ? v->exp10 : 0; e > exp10; e--) {
		if (__builtin_mul_overflow(i, 10, &i))
			return false;
	}
	*ret = i;
	return true;
}

static bool is_exact(const struct fg_value *v)
{
	return v->kind == FG_INT || v->kind == FG_DECIMAL;
}

/* Exactly, if both are whole or decimal and their sum has room. */
static bool exact_add(const struct fg_value *a, const struct fg_value *b, struct fg_value *ret)
{
	int ea = a->kind == FG_DECIMAL ? a->exp10 : 0, eb = b->kind == FG_DECIMAL ? b->exp10 : 0;
	int exp10 = ea < eb ? ea : eb;
	int64_t x, y;

	if (!is_exact(a) || !is_exact(b) || !scaled(a, exp10, &x) || !scaled(b, exp10, &y) ||
	    __builtin_add_overflow(x, y, &x))
		return false;
	return fg_value_of_decimal(x < 0 ? 0 - (uint64_t)x : (uint64_t)x, x < 0, exp10, ret) == 0;
}

/* *sum += base; either may be absent. */
static const char *base_add(const struct fg_value *base, struct fg_value *value)
{
	if (base->kind == FG_NONE)
		return NULL;
	if (value->kind == FG_NONE) {
		*value = *base;
		return NULL;
	}
	if (exact_add(base, value, value))
		return NULL;
	double d = fg_value_double(base) + fg_value_double(value);

	if (!isfinite(d))
		return out_of_range;
	*value = fg_value_of_double(d);
	return NULL;
}

static const char *data_take(struct fg_doc *doc, const struct fg_node *node, bool cbor,
			     struct fg_value *ret)
{
	struct fg_value v = { .kind = FG_DATA };

	if (!is_kind(node, cbor ? FG_DATA : FG_STRING))
		return wrong_type;
	v.s = node->value.s;
	if (!cbor) {
		char *text = fg_doc_text(doc, FG_BASE64_DECODED(v.s.len));

		if (!text)
			return doc->reason;
		if (fg_base64_decode(v.s, text, &v.s.len) != 0)
			return "malformed base64";
		v.s.ptr = text;
	}
	*ret = v;
	return NULL;
}

static const char *number_resolve(const struct fg_senml_base *base, const struct fg_node *v,
				  struct fg_node *node)
{
	const char *bad;

	if (v && v->type == FG_NODE_NONFINITE) {
		node->type = FG_NODE_NONFINITE;
		return NULL;
	}
	bad = number_take(v, &node->value);
	return bad ? bad : base_add(&base->value, &node->value);
}

/* The one value; a base value alone counts as a value unless the record is about a sum. */
static const char *value_resolve(struct fg_doc *doc, const struct fg_senml_base *base,
				 const struct fg_senml_fields *f, struct fg_node *node)
{
	const struct fg_node *v = fg_senml_field(f, FG_SENML_V);
	const struct fg_node *vs = fg_senml_field(f, FG_SENML_VS);
	const struct fg_node *vb = fg_senml_field(f, FG_SENML_VB);
	const struct fg_node *vd = fg_senml_field(f, FG_SENML_VD);
	const struct fg_node *vlo = fg_senml_field(f, FG_SENML_VLO);

	if (!!v + !!vs + !!vb + !!vd + !!vlo > 1)
		return "SenML record with two values";
	vs = vlo ? vlo : vs;
	if (v || (!vs && !vb && !vd && !fg_senml_field(f, FG_SENML_S)))
		return number_resolve(base, v, node);
	if (vd)
		return data_take(doc, vd, base->cbor, &node->value);
	if ((vs && !is_kind(vs, FG_STRING)) || (vb && !is_kind(vb, FG_BOOL)))
		return wrong_type;
	if (vs || vb)
		node->value = vs ? vs->value : vb->value;
	return NULL;
}

/* Nothing but base fields for the records behind it, as in RFC 8428 section 5.1.7. */
static bool is_base_only(const struct fg_senml_base *base, const struct fg_senml_fields *f)
{
	bool any = false;

	for (int label = FG_SENML_FIRST; label < FG_SENML_N; label++)
		any |= fg_senml_field(f, (enum fg_senml_label)label) != NULL;
	for (int label = FG_SENML_N; label <= FG_SENML_VLO; label++) {
		if (fg_senml_field(f, (enum fg_senml_label)label))
			return false;
	}
	return any && base->value.kind == FG_NONE && base->sum.kind == FG_NONE;
}

const char *fg_senml_resolve(struct fg_doc *doc, struct fg_senml_base *base,
			     const struct fg_senml_fields *f, struct fg_node *ret_node)
{
	struct fg_node node = { .type = FG_NODE_SCALAR, .whole = true };
	struct fg_value update = { .kind = FG_NONE };
	const char *bad = base_take(f, base);

	if (!bad && is_base_only(base, f)) {
		*ret_node = (struct fg_node){ .type = FG_NODE_NULL, .dead = true };
		return NULL;
	}
	node.unit = base->unit;
	if (!bad)
		bad = name_resolve(doc, base, f, &node.key);
	if (!bad)
		bad = string_take(fg_senml_field(f, FG_SENML_U), &node.unit);
	if (!bad)
		bad = time_resolve(doc, base, f, &node);
	if (!bad)
		bad = number_take(fg_senml_field(f, FG_SENML_UT), &update);
	if (!bad)
		bad = number_take(fg_senml_field(f, FG_SENML_S), &node.sum);
	if (!bad)
		bad = base_add(&base->sum, &node.sum);
	if (!bad)
		bad = value_resolve(doc, base, f, &node);
	if (bad)
		return bad;
	if (node.value.kind == FG_NONE && node.sum.kind == FG_NONE &&
	    node.type != FG_NODE_NONFINITE)
		return "SenML record without a value";
	node.update_s = fg_value_double(&update);
	*ret_node = node;
	return NULL;
}
