/* Dead letters: what an upstream refused for good, kept for a person to look at, bounded. */
#include <fg/lines.h>

#include "base/base64.h"
#include "outbox/private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool dead_path(const struct fg_outbox *box, const char *ending, char *out)
{
	int n = snprintf(out, PATH_MAX, "%s/dead/%s%s", box->forward->conf.spool_dir, box->name,
			 ending);

	return n > 0 && n < PATH_MAX;
}

static void write_letter(struct fg_buf *line, const struct fg_outbox *box,
			 const struct flight *flight, const char *why)
{
	const struct fg_batch *batch = &flight->batch;

	fg_buf_printf(line, "{\"time\":%" PRId64 ",\"why\":",
		      box->forward->conf.clock->wall_ns / 1000000000);
	fg_buf_json(line, fg_str_c(why ? why : "refused"));
	fg_buf_printf(line,
		      ",\"epoch\":\"%016" PRIx64 "\",\"first\":%" PRIu64 ",\"last\":%" PRIu64
		      ",\"records\":%" PRIu32 ",\"type\":\"%s\",\"pack\":",
		      batch->epoch, batch->first, batch->last, batch->records, batch->content_type);
	if (strcmp(batch->content_type, "application/senml+json") == 0) {
		fg_buf_str(line, batch->payload);
	} else {
		char *p;

		fg_buf_char(line, '"');
		p = fg_buf_reserve(line, FG_BASE64_ENCODED(batch->payload.len));
		if (p)
			line->len += fg_base64_encode(batch->payload, p);
		fg_buf_char(line, '"');
	}
	fg_buf_text(line, "}\n");
}

static int append_line(const char *path, const struct fg_buf *line, uint64_t limit)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640), r;
	off_t size = 0;

	if (fd < 0)
		return -errno;
	/* the one before may have been torn by a power cut, and was not counted then */
	r = fg_lines_mend(fd, 2, &size);
	if (r == 0 && (uint64_t)size + line->len > limit)
		r = -ENOSPC;
	else if (r == 0 && write(fd, line->data, line->len) != (ssize_t)line->len)
		r = ftruncate(fd, size) < 0 ? -errno : -EIO;
	else if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* The letters' name in dead/, and that one's: an earlier run may have been killed before. */
static int names_sync(const struct fg_outbox *box)
{
	static const char *const endings[] = { "dead", "." };
	char path[PATH_MAX];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < 2; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", box->forward->conf.spool_dir, endings[i]);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (fsync(fd) < 0 && errno != EINVAL)
			r = -errno;
		close(fd);
	}
	return r;
}

int dead_write(struct fg_outbox *box, const struct flight *flight, const char *why)
{
	char path[PATH_MAX];
	struct fg_buf line;
	int r;

	snprintf(path, sizeof(path), "%s/dead", box->forward->conf.spool_dir);
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return -errno;
	if (!dead_path(box, ".jsonl", path))
		return -ENAMETOOLONG;
	fg_buf_init(&line, 4u << 20);
	write_letter(&line, box, flight, why);
	r = line.failed ? -ENOMEM : append_line(path, &line, box->conf->dead_limit);
	fg_buf_fini(&line);
	if (r == 0)
		r = names_sync(box);
	if (r < 0)
		fg_log(&box->sink.logger, FG_ERROR, "dead letter not kept", "error=\"%s\"",
		       strerror(-r));
	return r;
}

static int letters_copy(int from, int to)
{
	char block[4096];
	off_t size;
	ssize_t n;
	int r = fg_lines_mend(to, 2, &size);

	if (r < 0)
		return r;
	while ((n = read(from, block, sizeof(block))) > 0)
		if (write(to, block, (size_t)n) != n)
			return -EIO;
	return n < 0 || fdatasync(to) < 0 ? -errno : 0;
}

/* A letter that a power cut tore was not counted: nobody should find a part of it. */
static void letters_mend(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	off_t size;

	if (fd < 0)
		return;
	(void)fg_lines_mend(fd, 2, &size);
	close(fd);
}

/* What was on its way again when the gateway ended is a dead letter as before. */
void dead_open(struct fg_outbox *box)
{
	char again[PATH_MAX], path[PATH_MAX];
	int from, to, r = -EIO;

	if (!dead_path(box, ".again", again) || !dead_path(box, ".jsonl", path))
		return;
	letters_mend(path);
	from = open(again, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return;
	to = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (to >= 0) {
		r = letters_copy(from, to);
		close(to);
	}
	/* rather twice than never */
	if (r == 0 && names_sync(box) == 0)
		unlink(again);
	close(from);
}

static bool letter_records(const char *line, uint64_t *ret_records, char **ret_pack)
{
	const char *records = strstr(line, ",\"records\":");
	char *pack = strstr(line, ",\"pack\":");
	size_t len;

	if (!records || !pack)
		return false;
	*ret_records = strtoull(records + strlen(",\"records\":"), NULL, 10);
	pack += strlen(",\"pack\":");
	len = strlen(pack);
	while (len && (pack[len - 1] == '\n' || pack[len - 1] == '}'))
		if (pack[--len] == '}')
			break;
	pack[len] = '\0';
	*ret_pack = pack;
	return *ret_records > 0 && len > 0;
}

static void fill_again(struct fg_outbox *box, struct flight *flight, uint64_t records, char *pack)
{
	struct fg_buf text = flight->text;
	size_t len = strlen(pack);
	const char *type = "application/senml+json";

	if (pack[0] == '"') {
		type = "application/senml+cbor";
		if (fg_base64_decode(fg_str(pack + 1, len - 2), pack, &len) < 0)
			len = 0;
	}
	fg_buf_reset(&text);
	fg_buf_add(&text, pack, len);
	*flight = (struct flight){
		.text = text,
		.kind = FLIGHT_AGAIN,
		.state = FLIGHT_READY,
		.batch = {
			.payload = fg_buf_view(&text),
			.content_type = type,
			.records = (uint32_t)records,
			.slot = (uint32_t)(flight - box->flights),
		},
	};
}

static void again_end(struct fg_outbox *box)
{
	char path[PATH_MAX];

	fclose(box->again);
	box->again = NULL;
	if (dead_path(box, ".again", path))
		unlink(path);
	fg_log(&box->sink.logger, FG_INFO, "dead letters were sent again", "%s", "");
}

bool dead_next(struct fg_outbox *box)
{
	char *line = NULL, *pack;
	uint64_t records;
	size_t cap = 0;
	bool found = false;

	while (!found && getline(&line, &cap, box->again) > 0) {
		if (!letter_records(line, &records, &pack))
			continue;
		fill_again(box, flight_at(box, box->tail), records, pack);
		box->tail++;
		box->again_flights++;
		found = true;
	}
	free(line);
	if (!found && box->again_flights == 0)
		again_end(box);
	return found;
}

void dead_again_done(struct fg_outbox *box, const struct flight *flight)
{
	struct fg_cursor_state *state = fg_cursor_state(box->cursor);
	uint64_t gone = flight->batch.records - flight->dead;

	gone = gone < state->dead ? gone : state->dead;
	state->dead -= gone;
	if (flight->dropped)
		state->dropped[FG_WHY_REFUSED] += gone;
	else if (box->acknowledges)
		state->acknowledged += gone;
	else
		state->sent += gone;
	box->again_flights--;
	if (box->again && feof(box->again) && box->again_flights == 0)
		again_end(box);
}

int fg_forward_requeue(struct fg_forward *forward, const char *bridge, uint64_t *ret_count)
{
	struct fg_outbox *box = fg_forward_find(forward, bridge);
	char path[PATH_MAX], again[PATH_MAX];

	if (!box)
		return -ENOENT;
	if (box->again)
		return -EAGAIN;
	if (!dead_path(box, ".jsonl", path) || !dead_path(box, ".again", again))
		return -ENAMETOOLONG;
	*ret_count = fg_cursor_state(box->cursor)->dead;
	if (rename(path, again) < 0) {
		*ret_count = 0;
		return errno == ENOENT ? 0 : -errno;
	}
	box->again = fopen(again, "re");
	return box->again ? 0 : -errno;
}

int fg_forward_discard(struct fg_forward *forward, const char *bridge, uint64_t *ret_count)
{
	struct fg_outbox *box = fg_forward_find(forward, bridge);
	struct fg_cursor_state *state;
	char path[PATH_MAX];

	if (!box)
		return -ENOENT;
	if (box->again)
		return -EAGAIN;
	if (!dead_path(box, ".jsonl", path))
		return -ENAMETOOLONG;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	state = fg_cursor_state(box->cursor);
	*ret_count = state->dead;
	state->dropped[FG_WHY_REFUSED] += state->dead;
	state->dead = 0;
	return fg_cursor_write(box->cursor);
}
