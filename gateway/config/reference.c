/* docs/options.md: a table of options for each part of the configuration. */
#include "config/schema.h"

#include "base/units.h"
#include "config/tables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PREFIX_MAX 128

static void write_bound(struct fg_buf *out, const struct fg_option *option, int64_t bound)
{
	char text[FG_UNITS_MAX];

	if (option->type == FG_OPT_DURATION)
		fg_buf_add(out, text, fg_duration_format(bound, text));
	else if (option->type == FG_OPT_SIZE)
		fg_buf_add(out, text, fg_size_format((uint64_t)bound, text));
	else
		fg_buf_i64(out, bound);
}

static void write_range(struct fg_buf *out, const struct fg_option *option, const char *what)
{
	fg_buf_text(out, what);
	if (!option->min && !option->max)
		return;
	fg_buf_text(out, option->max >= option->min ? ", " : ", at least ");
	write_bound(out, option, option->min);
	if (option->max >= option->min) {
		fg_buf_text(out, " to ");
		write_bound(out, option, option->max);
	}
}

static void write_choices(struct fg_buf *out, const struct fg_choice *choices)
{
	for (const struct fg_choice *c = choices; c && c->name; c++) {
		fg_buf_text(out, c == choices ? "`" : ", `");
		fg_buf_text(out, c->name);
		fg_buf_char(out, '`');
	}
}

static void write_type(struct fg_buf *out, const struct fg_option *option);

static void write_forms(struct fg_buf *out, const struct fg_option *option)
{
	for (const struct fg_option *form = option->group; form->name; form++) {
		fg_buf_text(out, form == option->group ? "" : "; ");
		write_type(out, form);
	}
}

static void write_values(struct fg_buf *out, const struct fg_option *option)
{
	fg_buf_text(out, "object of name: ");
	if (option->choices)
		write_choices(out, option->choices);
	else
		fg_buf_text(out, "text, number, true or false");
}

static void write_type(struct fg_buf *out, const struct fg_option *option)
{
	switch (option->type) {
	case FG_OPT_BOOL:
		fg_buf_text(out, "`true`, `false`");
		break;
	case FG_OPT_INT:
		write_range(out, option, "integer");
		break;
	case FG_OPT_NUMBER:
		write_range(out, option, "number");
		break;
	case FG_OPT_DURATION:
		write_range(out, option, "duration");
		break;
	case FG_OPT_SIZE:
		write_range(out, option, "size");
		break;
	case FG_OPT_STRING:
		fg_buf_text(out, option->flags & FG_OPT_OR_NUMBER ? "text or number" : "text");
		break;
	case FG_OPT_ENUM:
		write_choices(out, option->choices);
		break;
	case FG_OPT_SECRET:
		fg_buf_text(out, "secret");
		break;
	case FG_OPT_LIST:
		fg_buf_text(out, "list of texts");
		break;
	case FG_OPT_SECRETS:
		fg_buf_text(out, "object of name: secret");
		break;
	case FG_OPT_VALUE:
		fg_buf_text(out, "text, number, true or false");
		break;
	case FG_OPT_VALUES:
		write_values(out, option);
		break;
	case FG_OPT_ONE_OF:
		write_forms(out, option);
		break;
	case FG_OPT_GROUP:
	case FG_OPT_MAP:
		fg_buf_text(out, "object");
		break;
	}
}

/* '|' would end the cell. */
static void write_cell(struct fg_buf *out, const char *text)
{
	for (; text && *text; text++) {
		if (*text == '|')
			fg_buf_char(out, '\\');
		fg_buf_char(out, *text);
	}
}

static void write_row(struct fg_buf *out, const char *prefix, const struct fg_option *option)
{
	fg_buf_printf(out, "| `%s%s` | ", prefix, option->name);
	write_type(out, option);
	fg_buf_text(out, " | ");
	if (option->flags & FG_OPT_REQUIRED)
		fg_buf_text(out, "required");
	else if (option->def)
		fg_buf_printf(out, "`%s`", option->def);
	fg_buf_text(out, " | ");
	write_cell(out, option->help);
	fg_buf_text(out, " |\n");
}

/* Sub-tables follow their row, with its name before theirs. */
static void write_rows(struct fg_buf *out, const char *prefix, const struct fg_option *options)
{
	char below[PREFIX_MAX];

	for (; options && options->name; options++) {
		if (options->flags & FG_OPT_HIDDEN)
			continue;
		write_row(out, prefix, options);
		if (options->type == FG_OPT_GROUP || options->type == FG_OPT_MAP) {
			snprintf(below, sizeof(below), "%s%s.%s", prefix, options->name,
				 options->type == FG_OPT_MAP ? "NAME." : "");
			write_rows(out, below, options->group);
		}
	}
}

static void write_section(struct fg_buf *out, const char *title, const char *text,
			  const struct fg_option *options)
{
	fg_buf_printf(out, "\n## %s\n\n", title);
	if (text)
		fg_buf_printf(out, "%s\n\n", text);
	fg_buf_text(out, "| option | value | default | meaning |\n| --- | --- | --- | --- |\n");
	write_rows(out, "", options);
}

static void write_components(struct fg_buf *out, enum fg_component_kind kind, const char *word)
{
	struct fg_component components[FG_COMPONENTS_MAX];
	size_t n = fg_components_list(kind, components);
	char title[PREFIX_MAX];

	for (size_t i = 0; i < n; i++) {
		snprintf(title, sizeof(title), "%s `%s`", word, components[i].name);
		write_section(out, title, components[i].summary, components[i].options);
	}
}

int fg_config_reference(struct fg_buf *out)
{
	static const char *const head =
		"# Options\n\n"
		"Made by `fieldgate schema --markdown` from the tables that parse the "
		"configuration.\n\n"
		"A duration is an integer with a unit (`ns`, `us`, `ms`, `s`, `m` or `min`, `h`, "
		"`d`), a size likewise (`B`, `KiB`, `MiB`,\n`GiB`, `TiB`): `\"200ms\"`, "
		"`\"64KiB\"`. A secret is `{\"secret\": \"NAME\"}`, read from\n"
		"`$CREDENTIALS_DIRECTORY/NAME` or `/etc/fieldgate/secrets/NAME`.\n";
	char title[PREFIX_MAX];

	fg_buf_text(out, head);
	for (const struct fg_option *o = fg_options_top; o->name; o++) {
		snprintf(title, sizeof(title), "`%s`%s", o->name,
			 o->type == FG_OPT_MAP ? ", each" : "");
		write_section(out, title, o->help, o->group);
	}
	write_section(out, "`drivers`, each", "Named instances of drivers.", fg_options_driver);
	write_components(out, FG_COMPONENT_DRIVER, "Driver");
	write_section(out, "`bridges`, each", "Named instances of bridges.", fg_options_bridge);
	write_components(out, FG_COMPONENT_BRIDGE, "Bridge");
	return out->failed ? -ENOMEM : 0;
}
