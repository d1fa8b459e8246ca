/* Packs that a bridge reads back from where it would have sent them. */
#include "decode/decode.h"
#include "config/registry.h"
#include "cli/audit.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AFTERWARDS_MS 1000 /* behind the number that was asked for: what is still on its way */

static bool is_cbor(struct fg_str pack, const char *type)
{
	return (type && strstr(type, "cbor")) || (pack.len && (pack.ptr[0] & 0xe0) == 0x80);
}

/* Whether the pack's range holds the number that the reading is to reach. */
static bool reaches(const struct auditing *a)
{
	static const char *const names[] = { "epoch", "last" };
	const struct fg_node *found[2] = { 0 }, *object = &a->doc.nodes[1];
	struct fg_value epoch = { 0 };
	char mark[40];
	uint64_t id, last;

	if (!a->until_epoch || a->doc.len < 2 || object->type != FG_NODE_OBJECT)
		return false;
	for (uint32_t i = 0, m = 2; i < object->children; i++, m = a->doc.nodes[m].next)
		for (int k = 0; k < 2; k++)
			if (fg_str_eq_c(a->doc.nodes[m].key, names[k]))
				found[k] = &a->doc.nodes[m];
	if (!found[0] || !found[1] || found[0]->type != FG_NODE_SCALAR ||
	    found[1]->type != FG_NODE_SCALAR || found[1]->value.kind != FG_INT)
		return false;
	epoch = found[0]->value;
	if (epoch.kind != FG_STRING || epoch.s.len != 16)
		return false;
	memcpy(mark, epoch.s.ptr, 16);
	memcpy(mark + 16, ":0", 2);
	return fg_audit_mark(fg_str(mark, 18), &id, &last) && id == a->until_epoch &&
	       (uint64_t)found[1]->value.i >= a->until_last;
}

static uint32_t take(void *arg, struct fg_str pack, const char *type)
{
	struct auditing *a = arg;
	int r;

	a->messages++;
	cli_progress_at(&a->progress, a->messages);
	fg_doc_reset(&a->doc, (size_t)1 << 20);
	r = is_cbor(pack, type) ? fg_cbor_parse(pack, FG_CBOR_ITEM, &a->doc) :
				  fg_json_parse(pack, &a->doc);
	if (r == -EBADMSG)
		cli_audit_fault(a, "message", a->messages, a->doc.reason);
	else if (r == 0)
		r = cli_audit_doc(a, "message", a->messages);
	if (r == -ENOMEM)
		a->error = r;
	else if (r == 0 && reaches(a) && a->wait_ms > AFTERWARDS_MS)
		a->wait_ms = AFTERWARDS_MS;
	return a->error ? 0 : a->wait_ms;
}

/* What must not stand in a command line that others can see may come from the environment. */
static void from_environment(struct fg_collect *collect)
{
	if (!collect->credentials)
		collect->credentials = getenv("FIELDGATE_CREDENTIALS");
	collect->username = getenv("FIELDGATE_USERNAME");
	collect->password = getenv("FIELDGATE_PASSWORD");
	collect->token = getenv("FIELDGATE_TOKEN");
}

int cli_audit_collect(struct auditing *a, const char *type, struct fg_collect *collect)
{
	const struct fg_bridge *bridge;
	int r = fg_registry_bridge(type, &bridge);

	if (r < 0) {
		char why[200];

		fg_registry_explain(FG_REGISTRY_BRIDGE, type, why, sizeof(why));
		return fg_cli_failed("audit", "%s", why);
	}
	if (!bridge->collect)
		return fg_cli_failed("audit", "a bridge '%s' cannot be read back", type);
	from_environment(collect);
	collect->take = take;
	collect->arg = a;
	collect->wait_ms = a->wait_ms;
	cli_progress_begin(&a->progress, "audit", CLI_RECORDS, 0);
	r = bridge->collect(collect);
	cli_progress_hide(&a->progress);
	if (a->error)
		return fg_cli_failed("audit", "%s", strerror(-a->error));
	return r < 0 ? fg_cli_failed("audit", "%s", collect->why) : FG_EXIT_OK;
}
