/* The framer that a profile brings to a line: its own, or the one its decoder needs. */
#include "base/checksum.h"
#include "profile/profile_private.h"

static bool framer_kind(const char *name, enum fg_framer_kind *ret_kind)
{
	for (int i = 0; name && i < FG_FRAMER__MAX; i++) {
		if (strcmp(fg_framer_name((enum fg_framer_kind)i), name) == 0) {
			*ret_kind = (enum fg_framer_kind)i;
			return true;
		}
	}
	return false;
}

static enum fg_checksum checksum_of(const char *name)
{
	for (int i = 0; name && i < FG_CHECKSUM__MAX; i++)
		if (strcmp(fg_checksum_names[i], name) == 0)
			return (enum fg_checksum)i;
	return FG_CHECKSUM_NONE;
}

bool fg_profile_framer(const struct fg_profile *profile, struct fg_framer_conf *ret_conf)
{
	const struct fg_profile_conf *conf;
	const struct fg_decoder *decoder;
	const char *name;
	struct fg_framer_conf framer = { 0 };

	if (!profile || fg_profile_ready(profile) < 0)
		return false;
	conf = fg_profile_conf(profile);
	decoder = profile->decoder ? profile_decoder(profile->decoder) : NULL;
	name = conf->framer ? conf->framer : decoder ? decoder->framer : NULL;
	if (!framer_kind(name, &framer.kind))
		return false;
	framer.checksum = checksum_of(conf->checksum);
	framer.max = conf->framer_options.max;
	framer.delimiter = fg_str_c(conf->framer_options.delimiter);
	framer.length = (size_t)conf->framer_options.length;
	framer.idle_ns = conf->framer_options.idle_ns;
	*ret_conf = framer;
	return true;
}
