#include "cli/tail_pretty.h"

#include "decode/decode.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PACK_MAX ((size_t)4 << 20)
#define DEPTH 8
#define COLUMN 12	/* where columns begin; they grow with what stands in them */

/* What the records of a pack have in common (RFC 8428, 4.1), as far as gateways write it. */
struct base {
	struct fg_str name;
	double time;
};

struct shown {
	struct fg_str name, unit;
	const struct fg_node *value;	/* or NULL */
	double time;
	bool unsynced;
};

void cli_pretty_init(struct cli_pretty *pretty)
{
	*pretty = (struct cli_pretty){ .device = COLUMN, .point = COLUMN };
	fg_doc_init(&pretty->doc, DEPTH, PACK_MAX);
}

void cli_pretty_fini(struct cli_pretty *pretty)
{
	fg_doc_fini(&pretty->doc);
}

/* Text that cannot move the cursor. */
static void print_text(struct fg_str text, int width)
{
	int columns = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		columns += (c & 0xc0) != 0x80;
		putchar(c < 0x20 || c == 0x7f ? '?' : c);
	}
	printf("%*s", columns < width ? width - columns : 0, "");
}

/* The column is as wide as the widest so far. */
static void print_column(struct fg_str text, int *width)
{
	if ((int)text.len > *width)
		*width = (int)text.len;
	print_text(text, *width);
	fputs("  ", stdout);
}

static void print_time(double seconds, bool unsynced)
{
	int64_t ms = (int64_t)llround(seconds * 1000);
	time_t whole = (time_t)(ms / 1000);
	char text[32] = "-";
	struct tm tm;

	if (seconds > 0 && gmtime_r(&whole, &tm)) {
		size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);

		snprintf(text + n, sizeof(text) - n, ".%03dZ%s", (int)(ms % 1000),
			 unsynced ? "?" : "");
	}
	printf("%-25s  ", text);
}

static void print_value(const struct fg_node *node)
{
	char number[FG_NUMBER_MAX];

	if (!node)
		return;
	if (fg_value_is_number(&node->value))
		print_text(fg_str(number, fg_value_write_number(&node->value, number)), 0);
	else if (node->value.kind == FG_BOOL)
		fputs(node->value.b ? "true" : "false", stdout);
	else if (node->value.kind == FG_STRING)
		print_text(node->value.s, 0);
}

/* NAME is GATEWAY/DEVICE/POINT, and "bn" says where the device ends. */
static void print_record(struct cli_pretty *pretty, const struct base *base,
			 const struct shown *shown)
{
	const char *slash = base->name.len ? memchr(base->name.ptr, '/', base->name.len) : NULL;
	struct fg_str device = base->name;

	if (slash)
		device = fg_str(slash + 1, base->name.len - (size_t)(slash + 1 - base->name.ptr));
	if (device.len && device.ptr[device.len - 1] == '/')
		device.len--;
	if (!pretty->begun)
		printf("%-25s  %-*s  %-*s  VALUE\n", "TIME", pretty->device, "DEVICE",
		       pretty->point, "POINT");
	pretty->begun = true;
	print_time(shown->time, shown->unsynced);
	print_column(device, &pretty->device);
	print_column(shown->name, &pretty->point);
	print_value(shown->value);
	if (shown->unit.len) {
		putchar(' ');
		print_text(shown->unit, 0);
	}
	putchar('\n');
}

static void take_member(const struct fg_node *member, struct base *base, struct shown *shown)
{
	if (fg_str_eq_c(member->key, "bn"))
		base->name = member->value.s;
	else if (fg_str_eq_c(member->key, "bt"))
		base->time = fg_value_double(&member->value);
	else if (fg_str_eq_c(member->key, "n"))
		shown->name = member->value.s;
	else if (fg_str_eq_c(member->key, "u"))
		shown->unit = member->value.s;
	else if (fg_str_eq_c(member->key, "t"))
		shown->time = fg_value_double(&member->value);
	else if (fg_str_eq_c(member->key, "clock"))
		shown->unsynced = true;
	else if (fg_str_eq_c(member->key, "v") || fg_str_eq_c(member->key, "vb") ||
		 fg_str_eq_c(member->key, "vs") || fg_str_eq_c(member->key, "vd"))
		shown->value = member;
}

int cli_pretty_pack(struct cli_pretty *pretty, struct fg_str pack)
{
	const struct fg_doc *doc = &pretty->doc;
	struct base base = { .name = FG_STR("") };
	int r;

	fg_doc_reset(&pretty->doc, PACK_MAX);
	r = fg_json_parse(pack, &pretty->doc);
	if (r < 0)
		return r;
	if (doc->nodes[0].type != FG_NODE_ARRAY)
		return -EBADMSG;
	for (uint32_t at = 1; at < doc->len; at = doc->nodes[at].next) {
		struct shown shown = { 0 };

		for (uint32_t m = at + 1; m < doc->nodes[at].next; m = doc->nodes[m].next)
			if (doc->nodes[m].type == FG_NODE_SCALAR)
				take_member(&doc->nodes[m], &base, &shown);
		shown.time += base.time;
		print_record(pretty, &base, &shown);
	}
	return 0;
}
