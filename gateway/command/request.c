/* A request's text: {"id","value","expires"}, or a bare value. */
#include "base/hash.h"
#include "base/units.h"
#include "command/private.h"
#include "decode/decode.h"

#include <errno.h>

static int keep(struct job *job, struct fg_str in, struct fg_str *ret)
{
	const char *copy = fg_arena_dup(&job->arena, in);

	if (!copy)
		return -ENOMEM;
	*ret = fg_str(copy, in.len);
	return 0;
}

static const struct fg_node *member(const struct fg_doc *doc, const char *name)
{
	struct fg_str step = fg_str_c(name);

	return fg_doc_find(doc, &step, 1);
}

/* The id as JSON text: a string or a number. */
static int take_id(struct job *job, const struct fg_node *node, const char **ret_why)
{
	char number[FG_NUMBER_MAX];
	struct fg_buf text;
	int r;

	if (!node || node->type == FG_NODE_NULL)
		return 0;
	*ret_why = "\"id\" is neither a string of 1 to 128 bytes nor a number";
	if (node->type != FG_NODE_SCALAR)
		return -EINVAL;
	if (fg_value_is_number(&node->value))
		return keep(job, fg_str(number, fg_value_write_number(&node->value, number)),
			    &job->id);
	if (node->value.kind != FG_STRING || node->value.s.len == 0 || node->value.s.len > ID_MAX)
		return -EINVAL;
	fg_buf_init(&text, ID_MAX * 6 + 2);
	fg_buf_json(&text, node->value.s);
	r = text.failed ? -ENOMEM : keep(job, fg_buf_view(&text), &job->id);
	fg_buf_fini(&text);
	return r;
}

/* How long from now, if it is said as a time of the wall clock. */
static int from_wall(struct fg_commands *commands, const struct fg_value *value, int64_t *ret_ns,
		     const char **ret_why)
{
	struct fg_time_conf form = { .as = value->kind == FG_STRING ? FG_TIME_ISO8601 :
								      FG_TIME_UNIX };
	int64_t at = fg_profile_time(&form, value);

	*ret_why = "\"expires\" is no duration (\"30s\"), no UNIX time and no ISO 8601 time with "
		   "a zone";
	if (at == FG_TIME_NONE)
		return -EINVAL;
	fg_clock_update(commands->conf.clock);
	*ret_why = "this gateway's clock is not known to be right, so that \"expires\" cannot be "
		   "judged";
	if (!commands->conf.clock->synced)
		return -EINVAL;
	/* one that is centuries ago is over */
	if (__builtin_sub_overflow(at, commands->conf.clock->wall_ns, ret_ns))
		*ret_ns = at < 0 ? 0 : INT64_MAX;
	return 0;
}

static int take_expires(struct job *job, const struct fg_node *node, const char **ret_why)
{
	uint64_t now = fg_loop_update_now(job->commands->conf.loop);
	int64_t ns;
	int r = 0;

	if (!node || node->type == FG_NODE_NULL)
		return 0;
	*ret_why = "\"expires\" is not a time";
	if (node->type != FG_NODE_SCALAR)
		return -EINVAL;
	if (node->value.kind != FG_STRING || fg_duration_parse(node->value.s, &ns) < 0)
		r = from_wall(job->commands, &node->value, &ns, ret_why);
	if (r < 0)
		return r;
	if (ns < 0)
		ns = 0;
	job->expires_ns = now + (uint64_t)ns;
	return 0;
}

static int take_value(struct job *job, const struct fg_node *node, const char **ret_why)
{
	*ret_why = "the value is not a number, true, false or a text";
	if (node->type != FG_NODE_SCALAR)
		return -EINVAL;
	if (node->value.kind == FG_DATA || node->value.kind == FG_NONE)
		return -EINVAL;
	job->value = node->value;
	return node->value.kind == FG_STRING ? keep(job, node->value.s, &job->value.s) : 0;
}

static int take_object(struct job *job, const struct fg_doc *doc, const char **ret_why)
{
	const struct fg_node *value = member(doc, "value");
	int r = take_id(job, member(doc, "id"), ret_why);

	if (r == 0)
		r = take_expires(job, member(doc, "expires"), ret_why);
	if (r < 0)
		return r;
	*ret_why = "an object without \"value\"";
	return value ? take_value(job, value, ret_why) : -EINVAL;
}

static uint64_t id_hash(const struct job *job)
{
	uint64_t seed = fg_hash_str(job->path, job->commands->seed);

	/* 0 says that there is none */
	return job->id.len ? fg_hash_str(job->id, seed) | 1 : 0;
}

int command_parse(struct fg_commands *commands, const struct fg_request *request, struct job *job,
		  const char **ret_why)
{
	struct fg_doc *doc = &commands->doc;
	struct fg_decode_context ctx = { .content_format = -1 };
	int r = keep(job, request->path, &job->path);

	if (r == 0)
		r = keep(job, request->reply, &job->reply);
	if (r < 0)
		return r;
	*ret_why = "more than 64 KiB";
	if (request->payload.len > FG_COMMAND_PAYLOAD)
		return -EINVAL;
	fg_doc_reset(doc, 4096);
	r = fg_decode_auto(&ctx, request->payload, doc);
	if (r < 0) {
		*ret_why = doc->reason ? doc->reason : "neither JSON nor a plain value";
		return r == -ENOMEM ? r : -EINVAL;
	}
	if (doc->nodes[0].type == FG_NODE_OBJECT)
		r = take_object(job, doc, ret_why);
	else
		r = take_value(job, &doc->nodes[0], ret_why);
	job->id_hash = id_hash(job);
	return r;
}
