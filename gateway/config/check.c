/* Faults and doubts that no single option shows: what instances do to each other. */
#include "config/load.h"

#include "config/registry.h"
#include "config/same_place.h"
#include "config/suggest.h"

#include <string.h>

/* One instance, of either kind, as these checks see it. */
struct instance {
	struct fg_place place;
	const char *type;
	const struct fg_bridge *bridge; /* NULL: a driver */
	const struct fg_option *options;
	const void *conf;
};

struct instances {
	struct fg_faults *faults;
	struct fg_place drivers_place, bridges_place;
	struct instance *items;
	size_t ndrivers, count; /* drivers that run come first, then the bridges */
};

static const char *text_of(const struct instance *i, const char *option)
{
	return fg_option_text(i->options, i->conf, option);
}

/* Both name the same thing by that option; "-" (standard output) may be shared. */
static bool share(const struct instance *a, const struct instance *b, const char *option)
{
	const char *x = text_of(a, option), *y = text_of(b, option);

	if (!x || !y || strcmp(x, "-") == 0)
		return false;
	if (strcmp(option, "url") == 0)
		return fg_same_server(x, y);
	return strcmp(option, "listen") == 0 ? fg_same_address(x, y) : strcmp(x, y) == 0;
}

static void fault_shared(struct instances *all, const struct instance *a, const struct instance *b,
			 const char *option, const char *what)
{
	struct fg_place place = { .up = &b->place, .key = option };
	char other[FG_POINTER_MAX];

	fg_place_write(&a->place, other, sizeof(other));
	fg_fault_at(all->faults, &place, "%s already has %s", other, what);
}

/* The same, also when {name} is filled in. */
static bool share_filled(const struct instance *a, const struct instance *b, const char *option)
{
	return share(a, b, option) &&
	       (!strstr(text_of(a, option), "{name}") || strcmp(a->place.key, b->place.key) == 0);
}

/* A broker ends the older of two connections with one client id, so each would end the other's. */
static bool same_client(const struct instance *a, const struct instance *b)
{
	return share(a, b, "url") && share_filled(a, b, "client_id");
}

/* Two bridges that write to one place upstream. */
static void check_meeting(struct instances *all, const struct instance *a, const struct instance *b)
{
	struct fg_place place = { .up = &b->place, .key = "topic" };
	char other[FG_POINTER_MAX];
	bool sure = true;

	fg_place_write(&a->place, other, sizeof(other));
	if (share(a, b, "url") && share_filled(a, b, "topic"))
		fg_doubt_at(all->faults, &place,
			    "the same topic at the same broker as %s: what both carry comes twice",
			    other);
	if (share(a, b, "url") && share_filled(a, b, "group") && share_filled(a, b, "node"))
		fault_shared(all, a, b, "node", "this edge node at the same broker");
	place.key = a->bridge && a->bridge == b->bridge && a->bridge->meets ?
			    a->bridge->meets(a->conf, a->place.key, b->conf, b->place.key, &sure) :
			    NULL;
	if (place.key && sure)
		fault_shared(all, a, b, place.key, "this place at the same server");
	else if (place.key)
		fg_doubt_at(
			all->faults, &place,
			"the same as that of %s: it must not be, if their servers belong together",
			other);
}

static void check_pair(struct instances *all, const struct instance *a, const struct instance *b,
		       bool both_drivers, bool both_bridges)
{
	struct fg_place url = { .up = &b->place, .key = "url" };
	char other[FG_POINTER_MAX];

	if (both_drivers && share(a, b, "port"))
		fault_shared(all, a, b, "port", "this port");
	if (both_drivers && share(a, b, "listen"))
		fault_shared(all, a, b, "listen", "this address");
	if (both_bridges && share(a, b, "path"))
		fault_shared(all, a, b, "path", "this file");
	if (both_bridges)
		check_meeting(all, a, b);
	if (same_client(a, b))
		fault_shared(all, a, b, "client_id", "this client_id at the same broker");
	if (both_drivers || both_bridges || !share(a, b, "url"))
		return;
	fg_place_write(&a->place, other, sizeof(other));
	fg_doubt_at(all->faults, &url,
		    "the same broker as %s: field and upstream share its fate and its load", other);
}

static void check_pairs(struct instances *all)
{
	for (size_t i = 0; i < all->count; i++)
		for (size_t j = i + 1; j < all->count; j++)
			check_pair(all, &all->items[i], &all->items[j], j < all->ndrivers,
				   i >= all->ndrivers);
}

static void list_instances(struct instances *all, const struct fg_config *config)
{
	for (size_t i = 0; i < config->ndrivers; i++) {
		const struct fg_driver_conf *d = &config->drivers[i];

		if (d->enabled)
			all->items[all->count++] = (struct instance){
				{ .up = &all->drivers_place, .key = d->name },
				d->type,
				NULL,
				d->driver->options,
				d->conf,
			};
	}
	all->ndrivers = all->count;
	for (size_t i = 0; i < config->nbridges; i++) {
		const struct fg_bridge_conf *b = &config->bridges[i];

		all->items[all->count++] = (struct instance){
			{ .up = &all->bridges_place, .key = b->name },
			b->type,
			b->bridge,
			b->bridge->options,
			b->conf,
		};
	}
}

/* Too short to be renewed, see drivers/mqtt/source.c. */
static void check_session(struct instances *all, const struct instance *driver)
{
	struct fg_place place = { .up = &driver->place, .key = "session_expiry" };

	for (const struct fg_option *o = driver->options; o->name; o++)
		if (strcmp(o->name, place.key) == 0 &&
		    *(const int64_t *)fg_option_const_member(o, driver->conf) < 2000000000)
			fg_doubt_at(all->faults, &place,
				    "a full spool means leaving the field broker, which then "
				    "(MQTT 5) has no queue for us: make it 2s or more");
}

static void check_refuse(struct fg_load *load, struct instances *all)
{
	struct fg_place spool = { .key = "spool" };
	struct fg_place place = { .up = &spool, .key = "when_full" };
	bool said = false;

	if (load->config->spool.when_full != FG_FULL_REFUSE)
		return;
	for (size_t i = 0; i < all->ndrivers; i++) {
		if (strcmp(all->items[i].type, "mqtt") != 0)
			continue;
		if (!said)
			fg_doubt_at(all->faults, &place,
				    "when the spool is full, the field broker's own queue is the "
				    "limit: what it drops is lost without an account");
		said = true;
		check_session(all, &all->items[i]);
	}
}

static bool profile_known(const struct fg_load *load, const char *name, struct fg_suggest *suggest)
{
	const struct fg_config *config = load->config;
	bool known = false;

	for (size_t i = 0; i < config->nprofiles; i++) {
		known |= strcmp(config->profiles[i].name, name) == 0;
		fg_suggest_offer(suggest, config->profiles[i].name);
	}
	return known;
}

/* A shipped profile is known even where its decoder cannot be had: that is the fault then. */
static bool shipped_known(const struct fg_load *load, const struct fg_place *place,
			  const char *name, struct fg_suggest *suggest)
{
	const struct fg_decoder *decoder;
	char text[256];

	for (const struct fg_shipped_profile *p = load->shipped; p->name; p++) {
		fg_suggest_offer(suggest, p->name);
		if (strcmp(p->name, name) != 0)
			continue;
		if (p->format && fg_registry_decoder(p->format, &decoder) < 0) {
			fg_registry_explain(FG_REGISTRY_DECODER, p->format, text, sizeof(text));
			fg_fault_at(load->reader.faults, place, "%s", text);
		}
		return true;
	}
	return false;
}

static void check_profile(struct fg_load *load, const struct fg_place *above, const char *key,
			  const char *name)
{
	struct fg_suggest suggest = { .typed = name };
	struct fg_place place = { .up = above, .key = key };

	if (!name || profile_known(load, name, &suggest) ||
	    shipped_known(load, &place, name, &suggest))
		return;
	if (suggest.best)
		fg_fault_at(load->reader.faults, &place, "unknown profile, did you mean \"%s\"?",
			    suggest.best);
	else
		fg_fault_at(load->reader.faults, &place, "unknown profile");
}

/* Those that a driver's own options name. */
static void check_named(struct fg_load *load, const struct fg_place *above,
			const struct fg_option *options, const void *conf)
{
	for (const struct fg_option *o = options; o && o->name; o++) {
		struct fg_place place = { .up = above, .key = o->name };
		const struct fg_map *map = fg_option_const_member(o, conf);

		if (o->type == FG_OPT_STRING && o->flags & FG_OPT_PROFILE)
			check_profile(load, above, o->name,
				      *(const char *const *)fg_option_const_member(o, conf));
		for (size_t i = 0; o->type == FG_OPT_MAP && i < map->count; i++) {
			struct fg_place below = { .up = &place, .key = map->names[i] };

			check_named(load, &below, o->group,
				    (const char *)map->items + i * map->item_size);
		}
	}
}

static void check_profiles(struct fg_load *load)
{
	struct fg_place drivers = { .key = "drivers" };

	for (size_t i = 0; load->shipped && i < load->config->ndrivers; i++) {
		const struct fg_driver_conf *d = &load->config->drivers[i];
		struct fg_place above = { .up = &drivers, .key = d->name };

		if (!d->driver)
			continue;
		check_profile(load, &above, "profile", d->profile);
		check_named(load, &above, d->driver->options, d->conf);
	}
}

static void check_format(struct instances *all, const struct fg_place *place,
			 const struct fg_bridge_conf *bridge)
{
	const struct fg_bridge *b = bridge->bridge;
	bool senml = bridge->format == FG_FORMAT_SENML_JSON ||
		     bridge->format == FG_FORMAT_SENML_CBOR;
	bool spoken = bridge->format == FG_FORMAT_SPARKPLUG_B;

	if (spoken && !b->writes)
		fg_fault_at(all->faults, place, "only a bridge of type mqtt speaks sparkplug-b");
	else if (b->senml_only && !senml && !spoken)
		fg_fault_at(all->faults, place,
			    "a bridge of type %s takes senml+json or senml+cbor", b->name);
}

/* What the reference names and this version does not do yet is said, never silently ignored. */
static void doubt_unbuilt(struct instances *all, const struct fg_config *config)
{
	for (size_t i = 0; i < config->nbridges; i++) {
		const struct fg_bridge_conf *bridge = &config->bridges[i];
		struct fg_place above = { .up = &all->bridges_place, .key = bridge->name };
		struct fg_place commands = { .up = &above, .key = "commands" };
		struct fg_place format = { .up = &above, .key = "format" };

		check_format(all, &format, bridge);
		if (bridge->commands && !bridge->bridge->commands)
			fg_doubt_at(all->faults, &commands, "a bridge of type %s takes no commands",
				    bridge->bridge->name);
	}
}

/* By which bridge configurations come: the one that is named, else the only one that can. */
static void check_fleet(struct fg_load *load)
{
	struct fg_config *config = load->config;
	const struct fg_fleet_conf *conf = &config->fleet;
	struct fg_place fleet = { .key = "fleet" };
	struct fg_place keys = { .up = &fleet, .key = "keys" };
	struct fg_place bridge = { .up = &fleet, .key = "bridge" };
	struct fg_bridge_conf *found = NULL;
	size_t able = 0;

	if (!conf->remote)
		return;
	if (conf->keys.count == 0)
		fg_fault_at(load->reader.faults, &keys, "missing: \"remote\" needs a key");
	for (size_t i = 0; i < config->nbridges; i++) {
		struct fg_bridge_conf *one = &config->bridges[i];

		if (!one->bridge || !one->bridge->configures ||
		    (conf->bridge && strcmp(conf->bridge, one->name) != 0))
			continue;
		found = one;
		able++;
	}
	if (able == 1)
		found->remote = true;
	else if (conf->bridge)
		fg_fault_at(load->reader.faults, &bridge, "no bridge of type mqtt has that name");
	else
		fg_fault_at(load->reader.faults, &bridge,
			    "missing: there is %s bridge of type mqtt",
			    able ? "more than one" : "no");
}

void fg_load_check(struct fg_load *load)
{
	struct fg_config *config = load->config;
	struct instances all = {
		.faults = load->reader.faults,
		.drivers_place = { .key = "drivers" },
		.bridges_place = { .key = "bridges" },
	};

	all.items = fg_reader_take(&load->reader, config->ndrivers + config->nbridges,
				   sizeof(*all.items));
	if (!all.items)
		return;
	list_instances(&all, config);
	check_pairs(&all);
	check_refuse(load, &all);
	check_profiles(load);
	check_fleet(load);
	fg_load_check_processes(load);
	if (all.ndrivers == 0)
		fg_doubt_at(all.faults, &all.drivers_place, "no driver: nothing will be received");
	if (config->nbridges == 0)
		fg_doubt_at(all.faults, &all.bridges_place,
			    "no bridge: records are kept as long as the spool has room");
	doubt_unbuilt(&all, config);
}
