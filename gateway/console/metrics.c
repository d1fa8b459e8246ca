/*
 * What `fieldgate status` says, in Prometheus' text format (0.0.4): a table of metrics, each taken
 * from a place in that JSON, so that the two cannot say different things. Base units; counts end in
 * _total; HELP and TYPE for each.
 */
#include "console/private.h"

#include <stdio.h>

enum unit { PLAIN, FROM_MS, FROM_KIB };

enum kind { COUNTER, GAUGE };

/* One metric. `path` is where its value stands; below `each`, an object, once for every member of
 * that, which becomes the label. */
struct metric {
	const char *name, *help;
	enum kind kind;
	const char *each, *label;	/* NULL: there is one value */
	const char *path;		/* steps with '/' between them; "": the member itself */
	enum unit unit;
};

static const struct metric METRICS[] = {
	{ "fieldgate_start_time_seconds", "When the gateway started, in UNIX time.", GAUGE, NULL,
	  NULL, "since", PLAIN },
	{ "fieldgate_config_generation", "How often a configuration has come into force.", GAUGE,
	  NULL, NULL, "generation", PLAIN },
	{ "fieldgate_payloads_total", "Payloads that came in.", COUNTER, NULL, NULL, "payloads",
	  PLAIN },
	{ "fieldgate_records_received_total", "Values of good payloads.", COUNTER, NULL, NULL,
	  "ledger/received", PLAIN },
	{ "fieldgate_records_suppressed_total", "Values that a report policy held back.", COUNTER,
	  NULL, NULL, "ledger/suppressed", PLAIN },
	{ "fieldgate_records_accepted_total", "Records written to the spool.", COUNTER, NULL, NULL,
	  "ledger/accepted", PLAIN },
	{ "fieldgate_rejected_total", "Payloads and frames that were rejected.", COUNTER,
	  "ledger/rejected", "reason", "", PLAIN },
	{ "fieldgate_values_null_total", "Values that were null or empty.", COUNTER, NULL, NULL,
	  "nulls", PLAIN },
	{ "fieldgate_values_nonfinite_total", "Values that were no finite number.", COUNTER, NULL,
	  NULL, "nonfinite", PLAIN },
	{ "fieldgate_values_unconverted_total", "Values that their profile could not convert.",
	  COUNTER, NULL, NULL, "unconverted", PLAIN },
	{ "fieldgate_ledger_acknowledged_total", "Records that the upstream has acknowledged.",
	  COUNTER, "ledger/bridges", "bridge", "acknowledged", PLAIN },
	{ "fieldgate_ledger_sent_total", "Records sent to an upstream that does not acknowledge.",
	  COUNTER, "ledger/bridges", "bridge", "sent", PLAIN },
	{ "fieldgate_ledger_waiting", "Records that wait in the spool.", GAUGE, "ledger/bridges",
	  "bridge", "waiting", PLAIN },
	{ "fieldgate_ledger_dead", "Records among the dead letters.", GAUGE, "ledger/bridges",
	  "bridge", "dead", PLAIN },
	{ "fieldgate_ledger_oldest_seconds", "Age of the oldest record that waits.", GAUGE,
	  "ledger/bridges", "bridge", "oldest_s", PLAIN },
	{ "fieldgate_driver_up", "Whether the driver is up.", GAUGE, "drivers", "driver", "state",
	  PLAIN },
	{ "fieldgate_driver_payloads_total", "Payloads of the driver.", COUNTER, "drivers",
	  "driver", "payloads", PLAIN },
	{ "fieldgate_driver_records_total", "Records of the driver.", COUNTER, "drivers", "driver",
	  "records", PLAIN },
	{ "fieldgate_driver_rejected_total", "Those of the driver that were rejected.",
	  COUNTER, "drivers", "driver", "rejected", PLAIN },
	{ "fieldgate_driver_faults_total", "Faults of the driver.", COUNTER, "drivers", "driver",
	  "faults", PLAIN },
	{ "fieldgate_bridge_up", "Whether the bridge is up.", GAUGE, "links", "bridge", "state",
	  PLAIN },
	{ "fieldgate_bridge_packs_total", "Packs that the bridge was given.", COUNTER, "links",
	  "bridge", "packs", PLAIN },
	{ "fieldgate_bridge_records_total", "Records in them.", COUNTER, "links", "bridge",
	  "records", PLAIN },
	{ "fieldgate_bridge_delivered_total", "Records of them that are done.", COUNTER, "links",
	  "bridge", "delivered", PLAIN },
	{ "fieldgate_bridge_bytes_total", "Bytes of packs.", COUNTER, "links", "bridge", "bytes",
	  PLAIN },
	{ "fieldgate_bridge_in_flight", "Packs in flight.", GAUGE, "links", "bridge", "in_flight",
	  PLAIN },
	{ "fieldgate_bridge_faults_total", "Faults of the bridge.", COUNTER, "links", "bridge",
	  "faults", PLAIN },
	{ "fieldgate_devices", "Devices, by their state.", GAUGE, "states", "state", "", PLAIN },
	{ "fieldgate_commands_total", "Commands that were asked for.", COUNTER, NULL, NULL,
	  "commands/requests", PLAIN },
	{ "fieldgate_commands_waiting", "Commands without an outcome.", GAUGE, NULL, NULL,
	  "commands/waiting", PLAIN },
	{ "fieldgate_spool_bytes", "Disk that the spool takes.", GAUGE, NULL, NULL, "spool/bytes",
	  PLAIN },
	{ "fieldgate_spool_limit_bytes", "Disk that it may take.", GAUGE, NULL, NULL,
	  "spool/limit", PLAIN },
	{ "fieldgate_spool_segments", "Files of the spool.", GAUGE, NULL, NULL, "spool/segments",
	  PLAIN },
	{ "fieldgate_spool_oldest_position", "Position of the first record that can be read.",
	  GAUGE, NULL, NULL, "spool/oldest", PLAIN },
	{ "fieldgate_spool_committed_position", "Position up to which records are synced.", GAUGE,
	  NULL, NULL, "spool/committed", PLAIN },
	{ "fieldgate_clock_synced", "Whether the clock is known to be right.", GAUGE, NULL, NULL,
	  "clock", PLAIN },
	{ "fieldgate_clock_steps_total", "Times that the clock was set.", COUNTER, NULL, NULL,
	  "clock_steps", PLAIN },
	{ "fieldgate_loop_turns_total", "Turns of the loop.", COUNTER, NULL, NULL, "loop/turns",
	  PLAIN },
	{ "fieldgate_loop_longest_turn_seconds", "Its longest turn, without the sleep.", GAUGE,
	  NULL, NULL, "loop/longest_turn_ms", FROM_MS },
	{ "fieldgate_cpu_seconds_total", "CPU time of the process.", COUNTER, NULL, NULL, "cpu_s",
	  PLAIN },
	{ "fieldgate_memory_peak_bytes", "Most memory that was resident.", GAUGE, NULL, NULL,
	  "memory_kib", FROM_KIB },
	{ 0 },
};

#define STEPS 4

/* -- finding a place -- */

static size_t steps_of(const char *path, struct fg_str steps[STEPS])
{
	size_t n = 0;

	while (*path && n < STEPS) {
		size_t len = strcspn(path, "/");

		steps[n++] = fg_str(path, len);
		path += len + (path[len] == '/');
	}
	return n;
}

static const struct fg_node *find(const struct fg_doc *doc, const char *path)
{
	struct fg_str steps[STEPS];

	return fg_doc_find(doc, steps, steps_of(path, steps));
}

/* The first member of an object, and the one behind `node`; NULL: none. */
static const struct fg_node *first_of(const struct fg_node *object)
{
	return object && object->type == FG_NODE_OBJECT && object->children ? object + 1 : NULL;
}

static const struct fg_node *behind(const struct fg_doc *doc, const struct fg_node *object,
				    const struct fg_node *node)
{
	const struct fg_node *next = &doc->nodes[node->next];

	return node->next < object->next ? next : NULL;
}

static const struct fg_node *member(const struct fg_doc *doc, const struct fg_node *object,
				    const char *name)
{
	const struct fg_node *node = first_of(object);

	while (node && !fg_str_eq_c(node->key, name))
		node = behind(doc, object, node);
	return node;
}

/* -- writing -- */

static void put_head(struct fg_buf *out, const char *name, const char *help, enum kind kind)
{
	fg_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
		      kind == COUNTER ? "counter" : "gauge");
}

/* Escaped as the format wants it. */
static void put_label(struct fg_buf *out, const char *label, struct fg_str value)
{
	fg_buf_text(out, label);
	fg_buf_text(out, "=\"");
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] == '\n') {
			fg_buf_text(out, "\\n");
			continue;
		}
		if (value.ptr[i] == '"' || value.ptr[i] == '\\')
			fg_buf_char(out, '\\');
		fg_buf_char(out, value.ptr[i]);
	}
	fg_buf_char(out, '"');
}

/* Of a text: whether it is the good one. */
static void put_value(struct fg_buf *out, const struct fg_node *node, enum unit unit)
{
	static const double factors[] = { [PLAIN] = 1, [FROM_MS] = 1e-3, [FROM_KIB] = 1024 };
	const struct fg_value *value = &node->value;
	char number[FG_NUMBER_MAX];

	if (value->kind == FG_STRING)
		fg_buf_text(out, fg_str_eq_c(value->s, "up") || fg_str_eq_c(value->s, "synced") ?
					 "1" :
					 "0");
	else if (unit == PLAIN && fg_value_is_number(value))
		fg_buf_str(out, fg_str(number, fg_value_write_number(value, number)));
	else if (fg_value_is_number(value))
		fg_buf_printf(out, "%.9g", fg_value_double(value) * factors[unit]);
	else
		fg_buf_char(out, '0');
	fg_buf_char(out, '\n');
}

static void put_one(struct fg_buf *out, const struct fg_doc *doc, const struct metric *metric)
{
	const struct fg_node *node = find(doc, metric->path);

	if (!node || node->type != FG_NODE_SCALAR)
		return;
	put_head(out, metric->name, metric->help, metric->kind);
	fg_buf_text(out, metric->name);
	fg_buf_char(out, ' ');
	put_value(out, node, metric->unit);
}

static void put_each(struct fg_buf *out, const struct fg_doc *doc, const struct metric *metric)
{
	const struct fg_node *object = find(doc, metric->each);
	bool begun = false;

	for (const struct fg_node *node = first_of(object); node;
	     node = behind(doc, object, node)) {
		const struct fg_node *value = *metric->path ? member(doc, node, metric->path) :
							      node;

		if (!value || value->type != FG_NODE_SCALAR)
			continue;
		if (!begun)
			put_head(out, metric->name, metric->help, metric->kind);
		begun = true;
		fg_buf_text(out, metric->name);
		fg_buf_char(out, '{');
		put_label(out, metric->label, node->key);
		fg_buf_text(out, "} ");
		put_value(out, value, metric->unit);
	}
}

/* What each bridge has lost, by its reason. */
static void put_dropped(struct fg_buf *out, const struct fg_doc *doc)
{
	static const char name[] = "fieldgate_ledger_dropped_total";
	const struct fg_node *bridges = find(doc, "ledger/bridges");
	bool begun = false;

	for (const struct fg_node *bridge = first_of(bridges); bridge;
	     bridge = behind(doc, bridges, bridge)) {
		const struct fg_node *dropped = member(doc, bridge, "dropped");

		for (const struct fg_node *node = first_of(dropped); node;
		     node = behind(doc, dropped, node)) {
			if (!begun)
				put_head(out, name, "Records that are lost.", COUNTER);
			begun = true;
			fg_buf_printf(out, "%s{", name);
			put_label(out, "bridge", bridge->key);
			fg_buf_char(out, ',');
			put_label(out, "reason", node->key);
			fg_buf_text(out, "} ");
			put_value(out, node, PLAIN);
		}
	}
}

static void put_percentiles(struct fg_buf *out, const char *name, const char *label,
			    struct fg_str of, const struct fg_node *p50, const struct fg_node *p99)
{
	static const char *const percentiles[] = { "50", "99" };
	const struct fg_node *nodes[] = { p50, p99 };

	for (int i = 0; i < 2; i++) {
		if (!nodes[i])
			continue;
		fg_buf_printf(out, "%s{", name);
		if (label) {
			put_label(out, label, of);
			fg_buf_char(out, ',');
		}
		fg_buf_printf(out, "percentile=\"%s\"} ", percentiles[i]);
		put_value(out, nodes[i], FROM_MS);
	}
}

static void put_lag(struct fg_buf *out, const struct fg_doc *doc)
{
	static const char lag[] = "fieldgate_loop_lag_seconds";
	static const char phase[] = "fieldgate_loop_phase_seconds";
	const struct fg_node *phases = find(doc, "loop/phases");

	put_head(out, lag, "How long what comes in waits: a turn, without the sleep.", GAUGE);
	put_percentiles(out, lag, NULL, fg_str(NULL, 0), find(doc, "loop/lag_p50_ms"),
			find(doc, "loop/lag_p99_ms"));
	if (!first_of(phases))
		return;
	put_head(out, phase, "How long a phase of the loop takes, measured while somebody asks.",
		 GAUGE);
	for (const struct fg_node *node = first_of(phases); node; node = behind(doc, phases, node))
		put_percentiles(out, phase, "phase", node->key, member(doc, node, "p50_ms"),
				member(doc, node, "p99_ms"));
}

static void put_info(struct fg_buf *out, const struct fg_doc *doc)
{
	static const char name[] = "fieldgate_info";
	const struct fg_node *id = find(doc, "ledger/gateway"), *version = find(doc, "version");

	if (!id || !version || id->value.kind != FG_STRING || version->value.kind != FG_STRING)
		return;
	put_head(out, name, "Which gateway this is.", GAUGE);
	fg_buf_printf(out, "%s{", name);
	put_label(out, "gateway", id->value.s);
	fg_buf_char(out, ',');
	put_label(out, "version", version->value.s);
	fg_buf_text(out, "} 1\n");
}

static void put_own(struct fg_buf *out, const char *name, const char *help, enum kind kind,
		    uint64_t value)
{
	put_head(out, name, help, kind);
	fg_buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

void metrics_write(const struct fg_doc *status, const struct metrics_more *more, struct fg_buf *out)
{
	put_info(out, status);
	for (const struct metric *metric = METRICS; metric->name; metric++)
		(metric->each ? put_each : put_one)(out, status, metric);
	put_dropped(out, status);
	put_lag(out, status);
	if (more->resident)
		put_own(out, "fieldgate_memory_resident_bytes", "Memory that is resident.", GAUGE,
			more->resident);
	put_own(out, "fieldgate_console_viewers", "Who looks on.", GAUGE, more->viewers);
	put_own(out, "fieldgate_console_requests_total", "Requests to the console.", COUNTER,
		more->counts.requests);
	put_own(out, "fieldgate_console_refused_total", "Those that were answered by an error.",
		COUNTER, more->counts.refused);
	put_own(out, "fieldgate_console_denied_total", "Those of them that might not ask.", COUNTER,
		more->counts.denied);
	put_own(out, "fieldgate_console_left_out_total", "Readings that slow viewers did not get.",
		COUNTER, more->counts.left_out);
}
