/* A device's own timestamp: Unix seconds, Unix milliseconds, or ISO 8601 (RFC 3339 and its kin). */
#include "profile/profile_private.h"

#include "base/number.h"

#include <math.h>
#include <time.h>

#define SECOND_NS INT64_C(1000000000)

struct cursor {
	const char *at, *end;
};

static bool digits(struct cursor *c, int n, int *ret_number)
{
	int number = 0;

	if (c->end - c->at < n)
		return false;
	for (int i = 0; i < n; i++, c->at++) {
		if (*c->at < '0' || *c->at > '9')
			return false;
		number = number * 10 + (*c->at - '0');
	}
	*ret_number = number;
	return true;
}

static bool one_of(struct cursor *c, const char *set)
{
	if (c->at == c->end || !*c->at || !strchr(set, *c->at))
		return false;
	c->at++;
	return true;
}

static int64_t fraction_ns(struct cursor *c)
{
	int64_t ns = 0, unit = SECOND_NS / 10;

	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, unit /= 10)
		ns += unit * (*c->at - '0');
	return ns;
}

/* "Z", "+02:00", "+0200", "+02" or nothing. */
static bool zone_offset(struct cursor *c, bool *ret_given, int *ret_seconds)
{
	int sign, hours, minutes = 0;

	*ret_given = true;
	*ret_seconds = 0;
	if (c->at == c->end) {
		*ret_given = false;
		return true;
	}
	if (one_of(c, "Zz"))
		return c->at == c->end;
	sign = *c->at == '-' ? -1 : 1;
	if (!one_of(c, "+-") || !digits(c, 2, &hours))
		return false;
	(void)one_of(c, ":");
	if (c->at != c->end && !digits(c, 2, &minutes))
		return false;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return c->at == c->end && hours < 24 && minutes < 60;
}

static bool date_and_time(struct cursor *c, struct tm *tm, int64_t *ret_ns)
{
	*tm = (struct tm){ .tm_isdst = -1 };
	*ret_ns = 0;
	if (!digits(c, 4, &tm->tm_year) || !one_of(c, "-") || !digits(c, 2, &tm->tm_mon) ||
	    !one_of(c, "-") || !digits(c, 2, &tm->tm_mday) || !one_of(c, "Tt ") ||
	    !digits(c, 2, &tm->tm_hour) || !one_of(c, ":") || !digits(c, 2, &tm->tm_min))
		return false;
	if (one_of(c, ":") && !digits(c, 2, &tm->tm_sec))
		return false;
	if (one_of(c, ".,"))
		*ret_ns = fraction_ns(c);
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 && tm->tm_mday <= 31 &&
	       tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

static int64_t iso8601(struct fg_str text, enum fg_time_zone zone)
{
	struct cursor c = { text.ptr, text.ptr + text.len };
	struct tm tm;
	int64_t ns;
	bool given, leap;
	int offset, day;
	time_t t;

	if (!date_and_time(&c, &tm, &ns) || !zone_offset(&c, &given, &offset))
		return FG_TIME_NONE;
	if (!given && zone == FG_ZONE_NONE)
		return FG_TIME_NONE;
	day = tm.tm_mday;
	leap = tm.tm_sec == 60;
	if (!given && zone == FG_ZONE_LOCAL)
		t = mktime(&tm);
	else
		t = timegm(&tm) - offset;
	/* The 31st of February has become another day. */
	if ((tm.tm_mday != day && !leap) || t >= INT64_MAX / SECOND_NS ||
	    t <= -INT64_MAX / SECOND_NS)
		return FG_TIME_NONE;
	return (int64_t)t * SECOND_NS + ns;
}

static int64_t unix_time(const struct fg_value *value, int64_t unit_ns)
{
	struct fg_value number = *value;
	double us;

	if (value->kind == FG_STRING && fg_value_parse_number(value->s, &number) < 0)
		return FG_TIME_NONE;
	if (!fg_value_is_number(&number))
		return FG_TIME_NONE;
	if (number.kind == FG_INT && number.i > -INT64_MAX / unit_ns &&
	    number.i < INT64_MAX / unit_ns)
		return number.i * unit_ns;
	/* A double holds today's time to some 200 ns; more digits than microseconds mean
	 * nothing. */
	us = fg_value_double(&number) * (double)(unit_ns / 1000);
	return fabs(us) < 9e15 ? fg_nearest(us) * 1000 : FG_TIME_NONE;
}

/* Devices that let their owner choose: a text of ISO 8601, or a number whose size says what it
 * counts. The bound is 5138 in seconds, and 1973 in milliseconds. */
static int64_t any_time(const struct fg_time_conf *conf, const struct fg_value *value)
{
	const double least_ms = 1e11;
	struct fg_value number = *value;

	if (value->kind == FG_STRING && fg_value_parse_number(value->s, &number) < 0)
		return iso8601(value->s, (enum fg_time_zone)conf->zone);
	if (!fg_value_is_number(&number))
		return FG_TIME_NONE;
	return unix_time(&number,
			 fg_value_double(&number) < least_ms ? SECOND_NS : SECOND_NS / 1000);
}

int64_t fg_profile_time(const struct fg_time_conf *conf, const struct fg_value *value)
{
	switch (conf->as) {
	case FG_TIME_UNIX:
		return unix_time(value, SECOND_NS);
	case FG_TIME_UNIX_MS:
		return unix_time(value, SECOND_NS / 1000);
	case FG_TIME_AUTO:
		return any_time(conf, value);
	default:
		return value->kind == FG_STRING ? iso8601(value->s, (enum fg_time_zone)conf->zone) :
						  FG_TIME_NONE;
	}
}
