/* Faults and doubts: each is one allocation that holds its place and its text. */
#include "config/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 1024

void fg_faults_init(struct fg_faults *faults)
{
	*faults = (struct fg_faults){ 0 };
}

void fg_faults_fini(struct fg_faults *faults)
{
	for (size_t i = 0; i < faults->count; i++)
		free((void *)(uintptr_t)faults->items[i].pointer);
	free(faults->items);
	fg_faults_init(faults);
}

bool fg_faults_elsewhere(const struct fg_faults *faults)
{
	return faults->elsewhere;
}

static struct fg_fault_item *item_new(struct fg_faults *faults)
{
	if (faults->count == faults->cap) {
		size_t cap = faults->cap ? 2 * faults->cap : 16;
		void *items;

		if (faults->cap >= FG_FAULTS_MAX)
			return NULL;
		items = reallocarray(faults->items, cap, sizeof(*faults->items));
		if (!items)
			return NULL;
		faults->items = items;
		faults->cap = cap;
	}
	return &faults->items[faults->count];
}

/* A fault that cannot be kept for want of memory still counts, so that nothing passes by it. */
static void add(struct fg_faults *faults, bool doubt, const char *base, const char *pointer,
		const char *fmt, va_list args) __attribute__((format(printf, 5, 0)));

static void add(struct fg_faults *faults, bool doubt, const char *base, const char *pointer,
		const char *fmt, va_list args)
{
	struct fg_fault_item *item = item_new(faults);
	char text[TEXT_MAX];
	size_t place, len;
	char *copy;

	*(doubt ? &faults->doubts : &faults->faults) += 1;
	if (!item)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	place = strlen(base) + strlen(pointer) + 1;
	len = strlen(text) + 1;
	copy = malloc(place + len);
	if (!copy)
		return;
	snprintf(copy, place, "%s%s", base, pointer);
	memcpy(copy + place, text, len);
	*item = (struct fg_fault_item){ .doubt = doubt, .pointer = copy, .text = copy + place };
	faults->count++;
}

void fg_fault(struct fg_faults *faults, const char *pointer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(faults, false, faults->base ? faults->base : "", pointer, fmt, args);
	va_end(args);
}

void fg_doubt(struct fg_faults *faults, const char *pointer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(faults, true, faults->base ? faults->base : "", pointer, fmt, args);
	va_end(args);
}

void fg_fault_at(struct fg_faults *faults, const struct fg_place *place, const char *fmt, ...)
{
	char pointer[FG_POINTER_MAX];
	va_list args;

	fg_place_write(place, pointer, sizeof(pointer));
	va_start(args, fmt);
	add(faults, false, "", pointer, fmt, args);
	va_end(args);
}

void fg_doubt_at(struct fg_faults *faults, const struct fg_place *place, const char *fmt, ...)
{
	char pointer[FG_POINTER_MAX];
	va_list args;

	fg_place_write(place, pointer, sizeof(pointer));
	va_start(args, fmt);
	add(faults, true, "", pointer, fmt, args);
	va_end(args);
}

/* One step of a pointer, '~' and '/' escaped (RFC 6901 section 3); control characters, which a
 * terminal would obey, become '?'. */
static size_t step_write(const char *key, char *out, size_t cap)
{
	size_t n = 0;

	for (; *key && n + 3 < cap; key++) {
		if (*key == '~' || *key == '/') {
			out[n++] = '~';
			out[n++] = *key == '~' ? '0' : '1';
		} else {
			out[n++] = (unsigned char)*key < 0x20 || *key == 0x7f ? '?' : *key;
		}
	}
	return n;
}

void fg_place_write(const struct fg_place *place, char *out, size_t cap)
{
	size_t n;

	out[0] = '\0';
	if (!place)
		return;
	/* depth is bounded by the reader of the text */
	fg_place_write(place->up, out, cap);
	n = strlen(out);
	if (n + 2 >= cap)
		return;
	out[n++] = '/';
	if (place->key) {
		n += step_write(place->key, out + n, cap - n);
		out[n] = '\0';
	} else {
		snprintf(out + n, cap - n, "%zu", place->index);
	}
}

void fg_faults_text(const struct fg_faults *faults, struct fg_buf *out)
{
	for (size_t i = 0; i < faults->count; i++) {
		const struct fg_fault_item *item = &faults->items[i];

		fg_buf_text(out, item->doubt ? "warning: " : "");
		fg_buf_text(out, item->pointer);
		fg_buf_text(out, item->pointer[0] ? ": " : "");
		fg_buf_text(out, item->text);
		fg_buf_char(out, '\n');
	}
	if (faults->count < faults->faults + faults->doubts)
		fg_buf_printf(out, "and %zu more\n",
			      faults->faults + faults->doubts - faults->count);
}

void fg_faults_json(const struct fg_faults *faults, struct fg_buf *out)
{
	fg_buf_char(out, '[');
	for (size_t i = 0; i < faults->count; i++) {
		const struct fg_fault_item *item = &faults->items[i];

		fg_buf_text(out, i ? ",\n {\"severity\":" : "{\"severity\":");
		fg_buf_text(out, item->doubt ? "\"warning\"" : "\"fault\"");
		fg_buf_text(out, ",\"pointer\":");
		fg_buf_json(out, fg_str_c(item->pointer));
		fg_buf_text(out, ",\"text\":");
		fg_buf_json(out, fg_str_c(item->text));
		fg_buf_char(out, '}');
	}
	fg_buf_text(out, "]\n");
}
