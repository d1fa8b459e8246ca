#include "sample.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

/* -- files -- */

bool board_read(const char *sys, const char *folder, const char *name, char *text)
{
	char path[BOARD_PATH_MAX];
	ssize_t n;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s/%s", sys, folder, name) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	n = read(fd, text, BOARD_TEXT_MAX - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return true;
}

bool board_read_number(const char *sys, const char *folder, const char *name, long long *ret_n)
{
	char text[BOARD_TEXT_MAX], *end;
	long long n;

	if (!board_read(sys, folder, name, text))
		return false;
	errno = 0;
	n = strtoll(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
	if (end == text || *end || errno)
		return false;
	*ret_n = n;
	return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

void board_each(const struct board_walk *walk,
		void (*each)(const struct board_walk *, const char *))
{
	char path[BOARD_PATH_MAX];
	struct dirent **entries;
	int n;

	if (snprintf(path, sizeof(path), "%s/%s", walk->sys, walk->folder) >= (int)sizeof(path))
		return;
	n = scandir(path, &entries, NULL, by_name);
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.')
			each(walk, entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

void board_key(struct fg_buf *out, const char *key)
{
	if (out->len && out->data[out->len - 1] != '{')
		fg_buf_char(out, ',');
	fg_buf_json(out, fg_str_c(key));
	fg_buf_char(out, ':');
}

static void put_bool(struct fg_buf *out, const char *key, bool value)
{
	board_key(out, key);
	fg_buf_text(out, value ? "true" : "false");
}

static void put_number(struct fg_buf *out, const char *key, long long value)
{
	board_key(out, key);
	fg_buf_i64(out, value);
}

/* -- heat -- */

/* What the makers of boards call the sensor of the processor. */
static bool zone_is_cpu(const char *type)
{
	return strncmp(type, "cpu", 3) == 0 || strncmp(type, "soc", 3) == 0 ||
	       strcmp(type, "x86_pkg_temp") == 0;
}

static void temperature_put(const char *sys, struct fg_buf *out)
{
	long long found = 0, milli;
	bool any = false;

	for (int i = 0; i < 32; i++) {
		char folder[64], type[BOARD_TEXT_MAX];

		snprintf(folder, sizeof(folder), "class/thermal/thermal_zone%d", i);
		if (!board_read_number(sys, folder, "temp", &milli))
			continue;
		if (!any)
			found = milli;
		any = true;
		if (board_read(sys, folder, "type", type) && zone_is_cpu(type)) {
			found = milli;
			break;
		}
	}
	if (!any)
		return;
	board_key(out, "cpu_temperature");
	fg_buf_printf(out, "%s%lld.%03lld", found < 0 ? "-" : "", llabs(found) / 1000,
		      llabs(found) % 1000);
}

struct cooling {
	bool any, active;
};

static void cooling_look(const struct board_walk *walk, const char *name)
{
	struct cooling *cooling = walk->arg;
	char folder[BOARD_PATH_MAX], type[BOARD_TEXT_MAX];
	long long state;

	if (strncmp(name, "cooling_device", 14) != 0)
		return;
	snprintf(folder, sizeof(folder), "class/thermal/%.200s", name);
	if (!board_read(walk->sys, folder, "type", type) || !strstr(type, "cpufreq") ||
	    !board_read_number(walk->sys, folder, "cur_state", &state))
		return;
	cooling->any = true;
	cooling->active |= state > 0;
}

/* -- the Raspberry Pi's firmware, else what any kernel knows -- */

enum throttled_bits {
	NOW_UNDERVOLTAGE = 1 << 0,
	NOW_CAPPED = 1 << 1,
	NOW_THROTTLED = 1 << 2,
	NOW_SOFT_LIMIT = 1 << 3,
	SINCE_BOOT = 16,	/* the same bits again, shifted by this */
};

static bool firmware_put(const char *sys, struct fg_buf *out)
{
	char text[BOARD_TEXT_MAX], *end;
	unsigned long bits;

	if (!board_read(sys, "devices/platform/soc/soc:firmware", "get_throttled", text))
		return false;
	bits = strtoul(text, &end, 16);
	if (end == text)
		return false;
	put_bool(out, "undervoltage", bits & NOW_UNDERVOLTAGE);
	put_bool(out, "frequency_capped", bits & NOW_CAPPED);
	put_bool(out, "throttled", bits & NOW_THROTTLED);
	put_bool(out, "temperature_limited", bits & NOW_SOFT_LIMIT);
	put_bool(out, "undervoltage_since_boot", bits >> SINCE_BOOT & NOW_UNDERVOLTAGE);
	put_bool(out, "throttled_since_boot", bits >> SINCE_BOOT & NOW_THROTTLED);
	return true;
}

static void voltage_look(const struct board_walk *walk, const char *name)
{
	char folder[BOARD_PATH_MAX], text[BOARD_TEXT_MAX];
	long long alarm;

	snprintf(folder, sizeof(folder), "class/hwmon/%.200s", name);
	if (board_read(walk->sys, folder, "name", text) && strcmp(text, "rpi_volt") == 0 &&
	    board_read_number(walk->sys, folder, "in0_lcrit_alarm", &alarm))
		put_bool(walk->out, "undervoltage", alarm != 0);
}

static void throttling_put(const char *sys, struct fg_buf *out)
{
	struct cooling cooling = { 0 };

	if (firmware_put(sys, out))
		return;
	board_each(&(struct board_walk){ sys, "class/hwmon", out, NULL }, voltage_look);
	board_each(&(struct board_walk){ sys, "class/thermal", out, &cooling }, cooling_look);
	if (cooling.any)
		put_bool(out, "throttled", cooling.active);
}

/* -- supply -- */

static void supply_look(const struct board_walk *walk, const char *name)
{
	char folder[BOARD_PATH_MAX], key[BOARD_PATH_MAX], status[BOARD_TEXT_MAX];
	long long n;

	snprintf(folder, sizeof(folder), "class/power_supply/%.200s", name);
	if (board_read_number(walk->sys, folder, "online", &n)) {
		snprintf(key, sizeof(key), "supply_%.200s_online", name);
		put_bool(walk->out, key, n != 0);
	}
	if (board_read_number(walk->sys, folder, "capacity", &n)) {
		snprintf(key, sizeof(key), "supply_%.200s_capacity", name);
		put_number(walk->out, key, n);
	}
	if (board_read(walk->sys, folder, "status", status)) {
		snprintf(key, sizeof(key), "supply_%.200s_status", name);
		board_key(walk->out, key);
		fg_buf_json(walk->out, fg_str_c(status));
	}
}

/* -- clocks -- */

static void clocks_put(const char *sys, struct fg_buf *out)
{
	char source[BOARD_TEXT_MAX];
	long long rtc;

	if (board_read(sys, "devices/system/clocksource/clocksource0", "current_clocksource",
		       source)) {
		board_key(out, "clock_source");
		fg_buf_json(out, fg_str_c(source));
	}
	put_bool(out, "rtc", board_read_number(sys, "class/rtc/rtc0", "since_epoch", &rtc));
	/* how far its battery, or nobody, has let it run away */
	if (board_read_number(sys, "class/rtc/rtc0", "since_epoch", &rtc)) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		put_number(out, "rtc_ahead", rtc - (long long)now.tv_sec);
	}
}

static void load_put(struct fg_buf *out)
{
	struct sysinfo info;
	unsigned long hundredths;

	if (sysinfo(&info) < 0)
		return;
	put_number(out, "uptime", info.uptime);
	hundredths = (info.loads[0] * 100) >> SI_LOAD_SHIFT;
	board_key(out, "load");
	fg_buf_printf(out, "%lu.%02lu", hundredths / 100, hundredths % 100);
}

void board_sample(const char *sys, struct fg_buf *out)
{
	long long khz;

	fg_buf_char(out, '{');
	temperature_put(sys, out);
	if (board_read_number(sys, "devices/system/cpu/cpu0/cpufreq", "scaling_cur_freq", &khz))
		put_number(out, "cpu_frequency", khz * 1000);
	throttling_put(sys, out);
	board_each(&(struct board_walk){ sys, "class/power_supply", out, NULL }, supply_look);
	clocks_put(sys, out);
	load_put(out);
	board_storage(sys, out);
	fg_buf_char(out, '}');
}
