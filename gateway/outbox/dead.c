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

static bool type_is_json(const char *type)
{
	return strstr(type, "json") != NULL;
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
	if (type_is_json(batch->content_type)) {
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
	/* one that goes back had its place */
	uint64_t limit = flight->kind == FLIGHT_AGAIN ? UINT64_MAX : box->conf->dead_limit;
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
	r = line.failed ? -ENOMEM : append_line(path, &line, limit);
	fg_buf_fini(&line);
	if (r == 0)
		r = names_sync(box);
	if (r < 0)
		fg_log(&box->sink.logger, FG_ERROR, "dead letter not kept", "error=\"%s\"",
		       strerror(-r));
	return r;
}

struct letter {
	uint64_t epoch, first, last, records;
	char *pack; /* in the line, which ends behind it */
	size_t len; /* of the pack, once it was opened */
	const char *type; /* NULL: none that is known */
};

static uint64_t number_at(const char *line, const char *key, int base)
{
	const char *p = strstr(line, key);

	return p ? strtoull(p + strlen(key), NULL, base) : 0;
}

static const char *type_at(const char *line)
{
	static const char key[] = ",\"type\":\"";
	const char *p = strstr(line, key);

	for (int i = 0; p && i < FG_PACK__MAX; i++) {
		const char *type = fg_pack_content_type((enum fg_pack_format)i);

		if (strncmp(p + strlen(key), type, strlen(type)) == 0)
			return type;
	}
	return NULL;
}

/* A text's quotes are escaped in the reason, so no key can be found in it. False: it is none. */
static bool letter_read(char *line, struct letter *ret)
{
	char *pack = strstr(line, ",\"pack\":");

	if (!pack)
		return false;
	*pack = '\0';
	ret->epoch = number_at(line, ",\"epoch\":\"", 16);
	ret->first = number_at(line, ",\"first\":", 10);
	ret->last = number_at(line, ",\"last\":", 10);
	ret->records = number_at(line, ",\"records\":", 10);
	ret->type = type_at(line);
	*pack = ',';
	ret->pack = pack + strlen(",\"pack\":");
	return ret->records > 0;
}

/* Finds the end of the pack, and decodes it in place if it is a text. False: there is none, or none
 * that can be read. */
static bool letter_open(struct letter *letter)
{
	char *pack = letter->pack;
	size_t len = strlen(pack);

	while (len && (pack[len - 1] == '\n' || pack[len - 1] == '}'))
		if (pack[--len] == '}')
			break;
	letter->len = len;
	if (!letter->type)
		return false;
	if (type_is_json(letter->type))
		return len > 0;
	return len > 2 && pack[0] == '"' && pack[len - 1] == '"' &&
	       fg_base64_decode(fg_str(pack + 1, len - 2), pack, &letter->len) == 0 &&
	       letter->len > 0;
}

/* A letter that the cursor has not passed was written and never counted, by a gateway that died
 * right then: its records are about to be sent, and refused, again. */
static bool letter_counts(const struct fg_outbox *box, const struct letter *letter)
{
	const struct fg_cursor_state *state = fg_cursor_state(box->cursor);
	const struct fg_spool *spool = box->forward->conf.spool;
	uint64_t position = fg_spool_position(spool, letter->epoch, letter->first);
	const struct fg_spool_epoch *epoch = fg_spool_epoch_at(spool, position);

	/* what a power cut took of its epoch's end does not come again either */
	if (position <= state->position || position < fg_spool_oldest(spool) ||
	    position > fg_spool_accepted(spool) || !epoch || epoch->id != letter->epoch)
		return true;
	for (uint32_t i = 0; i < state->nislands; i++)
		if (position >= state->islands[i].from && position <= state->islands[i].to)
			return true;
	return false;
}

/* Letters that stand already, by what they hold. */
struct known {
	struct letter *all;
	size_t count, cap;
};

static bool known_find(const struct known *known, const struct letter *letter)
{
	for (size_t i = 0; letter->first && i < known->count; i++)
		if (known->all[i].epoch == letter->epoch && known->all[i].first == letter->first &&
		    known->all[i].last == letter->last)
			return true;
	return false;
}

static int known_add(struct known *known, const struct letter *letter)
{
	if (known->count == known->cap) {
		size_t cap = known->cap ? 2 * known->cap : 64;
		struct letter *all = realloc(known->all, cap * sizeof(*all));

		if (!all)
			return -ENOMEM;
		known->all = all;
		known->cap = cap;
	}
	known->all[known->count++] = *letter;
	return 0;
}

/* Copies the letters of a file that still count, but for the first `skip`. A file that is not
 * there has none. *ret_gone: some were left out. */
static int letters_take(const struct fg_outbox *box, const char *path, uint64_t skip, int to,
			struct known *known, bool *ret_gone)
{
	FILE *from = fopen(path, "re");
	struct letter letter;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int r = from || errno == ENOENT ? 0 : -errno;

	while (r == 0 && from && (len = getline(&line, &cap, from)) > 0) {
		bool sound = letter_read(line, &letter);

		if (sound &&
		    (skip > 0 || !letter_counts(box, &letter) || known_find(known, &letter))) {
			skip -= skip > 0;
			*ret_gone = true;
			continue;
		}
		if (write(to, line, (size_t)len) != len)
			r = -EIO;
		else if (sound)
			r = known_add(known, &letter);
	}
	if (r == 0 && from && ferror(from))
		r = -EIO;
	free(line);
	if (from)
		fclose(from);
	return r;
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

/* Writes the letters of both files into `fresh`, each once. 0: as they stand; 1: written. */
static int letters_merge(const struct fg_outbox *box, const char *path, const char *again,
			 const char *fresh)
{
	int to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640), r;
	struct known known = { 0 };
	bool gone = access(again, F_OK) == 0;

	if (to < 0)
		return -errno;
	r = letters_take(box, path, 0, to, &known, &gone);
	if (r == 0)
		r = letters_take(box, again, fg_cursor_state(box->cursor)->again, to, &known,
				 &gone);
	if (r == 0 && gone && fdatasync(to) < 0)
		r = -errno;
	close(to);
	free(known.all);
	return r < 0 ? r : gone;
}

/* What was on its way again when the gateway ended is a dead letter as before, and none stands
 * twice: neither what was refused right before the end and not counted, nor what was on its way
 * again and has been refused again or taken. */
void dead_open(struct fg_outbox *box)
{
	char again[PATH_MAX], path[PATH_MAX], fresh[PATH_MAX];
	int r;

	if (!dead_path(box, ".again", again) || !dead_path(box, ".jsonl", path) ||
	    !dead_path(box, ".new", fresh))
		return;
	if (access(path, F_OK) < 0 && access(again, F_OK) < 0)
		return;
	letters_mend(path);
	r = letters_merge(box, path, again, fresh);
	if (r == 1)
		r = rename(fresh, path) < 0 ? -errno : names_sync(box);
	else
		unlink(fresh);
	/* rather twice than never */
	if (r == 0)
		unlink(again);
	else
		fg_log(&box->sink.logger, FG_ERROR, "dead letters not looked through",
		       "error=\"%s\"", strerror(-r));
}

static void fill_again(struct fg_outbox *box, struct flight *flight, const struct letter *letter)
{
	struct fg_buf text = flight->text;

	fg_buf_reset(&text);
	fg_buf_add(&text, letter->pack, letter->len);
	*flight = (struct flight){
		.text = text,
		.kind = FLIGHT_AGAIN,
		.state = FLIGHT_READY,
		.batch = {
			.payload = fg_buf_view(&text),
			.content_type = letter->type,
			.records = (uint32_t)letter->records,
			.epoch = letter->epoch,
			.first = letter->first,
			.last = letter->last,
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
	fg_cursor_state(box->cursor)->again = 0;
	box->moved = true;
	fg_log(&box->sink.logger, FG_INFO, "dead letters were sent again", "%s", "");
}

bool dead_next(struct fg_outbox *box)
{
	struct letter letter;
	char *line = NULL;
	size_t cap = 0;
	bool found = false;

	while (!found && getline(&line, &cap, box->again) > 0) {
		if (!letter_read(line, &letter))
			continue;
		if (!letter_open(&letter)) {
			fg_cursor_state(box->cursor)->again++;
			continue;
		}
		fill_again(box, flight_at(box, box->tail), &letter);
		box->rested = false;
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
	state->again++;
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

/* Records of letters that the cursor has not passed yet, for their loss is still to be
 * acknowledged; given up with the letters if `drop`. */
static uint64_t dead_in_flight(struct fg_outbox *box, bool drop)
{
	uint64_t sum = 0;

	for (uint64_t n = box->head; n < box->tail; n++) {
		struct flight *flight = flight_at(box, n);

		sum += flight->dead;
		if (!drop || !flight->dead)
			continue;
		flight->dropped += flight->dead;
		flight->drop_why = FG_WHY_REFUSED;
		flight->dead = 0;
	}
	return sum;
}

/* On the disk before the letters are: how many of an earlier lot were done must not be taken for
 * some of this one. */
static int again_begin(struct fg_outbox *box)
{
	int r;

	fg_cursor_state(box->cursor)->again = 0;
	r = fg_cursor_write(box->cursor);
	if (r < 0)
		return r;
	pthread_mutex_lock(&box->forward->list_lock);
	r = fg_cursor_sync(box->cursor);
	pthread_mutex_unlock(&box->forward->list_lock);
	return r;
}

int fg_forward_requeue(struct fg_forward *forward, const char *bridge, uint64_t *ret_count)
{
	struct fg_outbox *box = fg_forward_find(forward, bridge);
	char path[PATH_MAX], again[PATH_MAX];
	int r;

	if (!box)
		return -ENOENT;
	if (box->again)
		return -EAGAIN;
	if (!dead_path(box, ".jsonl", path) || !dead_path(box, ".again", again))
		return -ENAMETOOLONG;
	*ret_count = fg_cursor_state(box->cursor)->dead + dead_in_flight(box, false);
	r = again_begin(box);
	if (r < 0)
		return r;
	/* one that is there could not be opened, or looked through, before: its letters go first */
	if (access(again, F_OK) < 0 && rename(path, again) < 0) {
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
	char path[PATH_MAX], again[PATH_MAX];

	if (!box)
		return -ENOENT;
	if (box->again)
		return -EAGAIN;
	if (!dead_path(box, ".jsonl", path) || !dead_path(box, ".again", again))
		return -ENAMETOOLONG;
	if ((unlink(path) < 0 && errno != ENOENT) || (unlink(again) < 0 && errno != ENOENT))
		return -errno;
	state = fg_cursor_state(box->cursor);
	*ret_count = state->dead + dead_in_flight(box, true);
	state->dropped[FG_WHY_REFUSED] += state->dead;
	state->dead = 0;
	return fg_cursor_write(box->cursor);
}
