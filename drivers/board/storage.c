/*
 * What flash has behind it. An eMMC tells its own estimate (JEDEC JESD84-B51, 7.4.19: device life
 * time estimation, pre-EOL information); an SD card tells nothing, so there is what was written to
 * it since the boot.
 */
#include "sample.h"

#include <stdio.h>
#include <string.h>

enum { SECTOR = 512, LIFE_STEPS = 11 };

static bool is_real(const char *name)
{
	static const char *const kinds[] = { "mmcblk", "nvme", "sd", "vd", "xvd" };

	/* a boot area or the replay-protected block of an eMMC is no disk */
	if (strstr(name, "boot") || strstr(name, "rpmb"))
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(name, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}

static void storage_key(struct fg_buf *out, const char *name, const char *what)
{
	char key[BOARD_PATH_MAX];

	snprintf(key, sizeof(key), "storage_%.200s_%s", name, what);
	board_key(out, key);
}

/* "0x01 0x03": two kinds of memory, each in tenths of its life; 0: not told, 11: past its end. */
static void wear_put(const struct board_walk *walk, const char *folder, const char *name)
{
	char text[BOARD_TEXT_MAX];
	unsigned a, b, worst;

	if (!board_read(walk->sys, folder, "life_time", text) || sscanf(text, "%x %x", &a, &b) != 2)
		return;
	worst = a > b ? a : b;
	if (worst == 0 || worst > LIFE_STEPS)
		return;
	storage_key(walk->out, name, "worn");
	fg_buf_u64(walk->out, worst * 10);
}

static void end_of_life_put(const struct board_walk *walk, const char *folder, const char *name)
{
	static const char *const words[] = { NULL, "normal", "warning", "urgent" };
	long long n;

	if (!board_read_number(walk->sys, folder, "pre_eol_info", &n) || n < 1 || n > 3)
		return;
	storage_key(walk->out, name, "end_of_life");
	fg_buf_json(walk->out, fg_str_c(words[n]));
}

static void written_put(const struct board_walk *walk, const char *folder, const char *name)
{
	char text[BOARD_TEXT_MAX];
	unsigned long long sectors;

	/* the seventh number: sectors written */
	if (!board_read(walk->sys, folder, "stat", text) ||
	    sscanf(text, "%*u %*u %*u %*u %*u %*u %llu", &sectors) != 1)
		return;
	storage_key(walk->out, name, "written");
	fg_buf_u64(walk->out, sectors * SECTOR);
}

static void storage_look(const struct board_walk *walk, const char *name)
{
	char folder[BOARD_PATH_MAX], device[BOARD_PATH_MAX];

	if (!is_real(name))
		return;
	snprintf(folder, sizeof(folder), "block/%.200s", name);
	snprintf(device, sizeof(device), "block/%.200s/device", name);
	wear_put(walk, device, name);
	end_of_life_put(walk, device, name);
	written_put(walk, folder, name);
}

void board_storage(const char *sys, struct fg_buf *out)
{
	board_each(&(struct board_walk){ sys, "block", out, NULL }, storage_look);
}
