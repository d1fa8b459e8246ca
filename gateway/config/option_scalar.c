/* One JSON scalar into one member: booleans, numbers, durations, sizes, texts, choices. */
#include <fg/log.h>
#include <fg/value.h>

#include "base/units.h"
#include "config/option.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define INTEGER_MAX 9007199254740992.0	/* 2^53: beyond it JSON numbers skip integers */
#define CHOICES_SHOWN 8
#define WHY_MAX 256

const char *fg_json_describe(const cJSON *json, char out[FG_DESCRIBE_MAX])
{
	struct fg_value number;

	if (cJSON_IsString(json))
		return fg_log_quote(json->valuestring, strlen(json->valuestring), out, 64);
	if (cJSON_IsNumber(json) && isfinite(json->valuedouble)) {
		number = fg_value_of_double(json->valuedouble);
		out[fg_value_write_number(&number, out)] = '\0';
		return out;
	}
	if (cJSON_IsBool(json))
		return cJSON_IsTrue(json) ? "true" : "false";
	if (cJSON_IsNull(json))
		return "null";
	return cJSON_IsArray(json) ? "a list" : cJSON_IsObject(json) ? "an object" : "a number";
}

void fg_item_read_bool(const struct fg_item *item)
{
	if (cJSON_IsBool(item->json))
		*(bool *)fg_option_member(item->option, item->conf) = cJSON_IsTrue(item->json);
	else
		fg_item_expected(item, "true or false");
}

/* Writes a bound as the configuration would have it. */
static const char *bound_write(const struct fg_option *option, int64_t bound, char *out, size_t cap)
{
	char text[FG_UNITS_MAX];
	size_t len;

	if (option->type == FG_OPT_DURATION)
		len = fg_duration_format(bound, text);
	else if (option->type == FG_OPT_SIZE)
		len = fg_size_format((uint64_t)bound, text);
	else
		len = (size_t)snprintf(text, sizeof(text), "%lld", (long long)bound);
	snprintf(out, cap, "%.*s", (int)len, text);
	return out;
}

static bool has_bounds(const struct fg_option *option)
{
	return option->min || option->max;
}

static void out_of_range(const struct fg_item *item)
{
	const struct fg_option *option = item->option;
	char got[FG_DESCRIBE_MAX], min[48], max[48];

	fg_json_describe(item->json, got);
	bound_write(option, option->min, min, sizeof(min));
	if (option->expects)
		fg_fault_at(item->reader->faults, item->place, "%s is not %s", got,
			    option->expects);
	else if (option->max < option->min)
		fg_fault_at(item->reader->faults, item->place, "%s is less than %s", got, min);
	else
		fg_fault_at(item->reader->faults, item->place, "%s is not within %s to %s", got,
			    min, bound_write(option, option->max, max, sizeof(max)));
}

static bool in_range(const struct fg_item *item, double d)
{
	const struct fg_option *option = item->option;

	if (has_bounds(option) &&
	    (d < (double)option->min || (option->max >= option->min && d > (double)option->max))) {
		out_of_range(item);
		return false;
	}
	return true;
}

void fg_item_read_int(const struct fg_item *item)
{
	double d = cJSON_IsNumber(item->json) ? item->json->valuedouble : (double)NAN;

	if (!isfinite(d) || fabs(d) > INTEGER_MAX || d != (double)(int64_t)d)
		fg_item_expected(item, "an integer");
	else if (in_range(item, d))
		*(int64_t *)fg_option_member(item->option, item->conf) = (int64_t)d;
}

void fg_item_read_number(const struct fg_item *item)
{
	double d = cJSON_IsNumber(item->json) ? item->json->valuedouble : (double)NAN;

	if (!isfinite(d))
		fg_item_expected(item, "a number");
	else if (in_range(item, d))
		*(double *)fg_option_member(item->option, item->conf) = d;
}

static void expected_unit(const struct fg_item *item, const char *what)
{
	char got[FG_DESCRIBE_MAX];

	fg_fault_at(item->reader->faults, item->place, "expected %s, got %s%s",
		    item->option->expects ? item->option->expects : what,
		    fg_json_describe(item->json, got),
		    cJSON_IsNumber(item->json) ? " (a bare number has no unit)" : "");
}

static struct fg_str string_of(const cJSON *json)
{
	return fg_str_c(cJSON_IsString(json) ? json->valuestring : "");
}

void fg_item_read_duration(const struct fg_item *item)
{
	int64_t ns;
	int r = fg_duration_parse(string_of(item->json), &ns);

	if (r == -ERANGE)
		fg_fault_at(item->reader->faults, item->place, "more than 292 years");
	else if (r < 0)
		expected_unit(item, "a duration such as \"5s\"");
	else if (in_range(item, (double)ns))
		*(int64_t *)fg_option_member(item->option, item->conf) = ns;
}

void fg_item_read_size(const struct fg_item *item)
{
	uint64_t bytes;
	int r = fg_size_parse(string_of(item->json), &bytes);

	if (r == -ERANGE || (r == 0 && bytes > INT64_MAX))
		fg_fault_at(item->reader->faults, item->place, "more than 8388607TiB");
	else if (r < 0)
		expected_unit(item, "a size in KiB, MiB or GiB such as \"64KiB\"");
	else if (in_range(item, (double)bytes))
		*(uint64_t *)fg_option_member(item->option, item->conf) = bytes;
}

const char *fg_choice_text(const cJSON *json, char out[FG_DESCRIBE_MAX])
{
	if (cJSON_IsString(json))
		return json->valuestring;
	return cJSON_IsNumber(json) ? fg_json_describe(json, out) : NULL;
}

static bool length_ok(const struct fg_item *item, size_t len)
{
	const struct fg_option *option = item->option;

	if (!has_bounds(option))
		return true;
	if ((int64_t)len < option->min)
		fg_fault_at(item->reader->faults, item->place,
			    option->min == 1 ? "must not be empty" : "is too short");
	else if (option->max >= option->min && (int64_t)len > option->max)
		fg_fault_at(item->reader->faults, item->place, "has %zu bytes, at most %lld can be",
			    len, (long long)option->max);
	else
		return true;
	return false;
}

void fg_item_read_string(const struct fg_item *item)
{
	const struct fg_option *option = item->option;
	char number[FG_DESCRIBE_MAX], why[WHY_MAX] = "not valid";
	const char *text = NULL;
	char *copy;

	if (cJSON_IsString(item->json) || (option->flags & FG_OPT_OR_NUMBER))
		text = fg_choice_text(item->json, number);
	if (!text) {
		fg_item_expected(item, "a string");
		return;
	}
	if (!length_ok(item, strlen(text)))
		return;
	if (option->check && option->check(text, why, sizeof(why)) < 0) {
		fg_fault_at(item->reader->faults, item->place, "%s", why);
		return;
	}
	copy = fg_arena_dup(item->reader->arena, fg_str_c(text));
	if (!copy)
		item->reader->no_memory = true;
	*(const char **)fg_option_member(option, item->conf) = copy;
}

const struct fg_choice *fg_choice_find(const struct fg_choice *choices, const char *text)
{
	for (; choices && choices->name && text; choices++)
		if (strcmp(choices->name, text) == 0)
			return choices;
	return NULL;
}

/* "a, b, c", cut to the first few of a long list. */
static void list_choices(const struct fg_choice *choices, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; choices && choices[i].name && len < cap; i++) {
		if (i == CHOICES_SHOWN) {
			snprintf(out + len, cap - len, ", …");
			return;
		}
		len += (size_t)snprintf(out + len, cap - len, "%s%s", i ? ", " : "",
					choices[i].name);
	}
}

void fg_item_read_enum(const struct fg_item *item)
{
	const struct fg_option *option = item->option;
	char text[FG_DESCRIBE_MAX], list[256];
	const struct fg_choice *choice =
		fg_choice_find(option->choices, fg_choice_text(item->json, text));

	if (choice) {
		*(int *)fg_option_member(option, item->conf) = choice->value;
		return;
	}
	list_choices(option->choices, list, sizeof(list));
	if (option->expects)
		fg_fault_at(item->reader->faults, item->place, "%s is not %s (%s)",
			    fg_json_describe(item->json, text), option->expects, list);
	else
		fg_fault_at(item->reader->faults, item->place, "expected one of %s, got %s", list,
			    fg_json_describe(item->json, text));
}

static void value_of_string(const struct fg_item *item, struct fg_value *value)
{
	struct fg_str s = fg_str_c(item->json->valuestring);
	char *copy = fg_arena_dup(item->reader->arena, s);

	if (!copy) {
		item->reader->no_memory = true;
		return;
	}
	*value = (struct fg_value){ .kind = FG_STRING, .s = fg_str(copy, s.len) };
}

void fg_item_read_value(const struct fg_item *item)
{
	struct fg_value *value = fg_option_member(item->option, item->conf);

	if (cJSON_IsBool(item->json))
		*value = (struct fg_value){ .kind = FG_BOOL, .b = cJSON_IsTrue(item->json) };
	else if (cJSON_IsNumber(item->json) && isfinite(item->json->valuedouble))
		*value = fg_value_of_double(item->json->valuedouble);
	else if (cJSON_IsString(item->json))
		value_of_string(item, value);
	else
		fg_item_expected(item, "a string, a number, true or false");
}
