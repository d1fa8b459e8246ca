/*
 * What each step of a record's way costs, beside the obvious way to do the same step: our JSON
 * reader beside cJSON's, our pack beside one made with printf, a spooled entry beside a plain
 * write of as many bytes. Prints a JSON line a row with the ratio of CPU times; the median of
 * five rounds.
 */
#include "base/clock.h"
#include "decode/decode.h"
#include "profile/book.h"
#include "record/pack.h"
#include "spool/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>

enum { ROUNDS = 5, TURN = 64 };

static const char payload_text[] =
	"{\"temperature\":21.5,\"humidity\":40.2,\"battery\":93,\"seq\":123456}";

struct bench {
	struct fg_profile_book book;
	struct fg_config *config;
	struct fg_doc doc;
	struct fg_reading reading;
	struct fg_buf text;
	struct fg_spool *spool, *synced;
	struct fg_spool_reader *reader;
	const char *dir;
	int plain_fd;
	uint64_t sink;	/* keeps the compiler from leaving work out */
};

static struct fg_str payload(void)
{
	return fg_str(payload_text, sizeof(payload_text) - 1);
}

static double cpu_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void read_json(struct bench *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		fg_doc_reset(&b->doc, 65536);
		b->sink += (uint64_t)fg_json_parse(payload(), &b->doc) + b->doc.len;
	}
}

static void read_cjson(struct bench *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		cJSON *tree = cJSON_ParseWithLength(payload_text, sizeof(payload_text) - 1);

		b->sink += tree != NULL;
		cJSON_Delete(tree);
	}
}

static void normalise(struct bench *b, unsigned n)
{
	const struct fg_decode_context ctx = { .address = FG_STR("d"), .content_format = -1 };

	for (unsigned i = 0; i < n; i++) {
		fg_doc_reset(&b->doc, 65536);
		b->doc.now_ns = INT64_C(1700000000000000000);
		b->sink += (uint64_t)fg_profile_read(b->book.profiles, NULL, &ctx, payload(),
						     FG_STR(""), &b->doc, &b->reading);
	}
}

static void pack(struct bench *b, enum fg_pack_format format, unsigned n)
{
	const struct fg_pack_head head = { .ranged = true, .epoch = 1, .first = 1, .last = 100 };
	struct fg_pack p;

	normalise(b, 1);
	for (unsigned i = 0; i < n; i += TURN) {
		fg_pack_begin(&p, &b->text, format, FG_STR("gateway"));
		for (unsigned k = 0; k < TURN; k++)
			for (unsigned r = 0; r < b->reading.count; r++)
				fg_pack_add(&p, FG_STR("devices/d0001/telemetry"),
					    &b->reading.records[r], INT64_C(1700000000000000000),
					    false);
		b->sink += fg_pack_end(&p, &head).len;
	}
}

static void pack_json(struct bench *b, unsigned n)
{
	pack(b, FG_PACK_JSON, n);
}

static void pack_cbor(struct bench *b, unsigned n)
{
	pack(b, FG_PACK_CBOR, n);
}

static void pack_printf(struct bench *b, unsigned n)
{
	char line[512];

	for (unsigned i = 0; i < n; i++)
		b->sink += (uint64_t)snprintf(
			line, sizeof(line),
			"{\"bn\":\"%s/%s/\",\"bt\":%.3f,\"n\":\"%s\",\"v\":%.17g},"
			"{\"n\":\"%s\",\"v\":%.17g},{\"n\":\"%s\",\"v\":%d},"
			"{\"n\":\"%s\",\"v\":%d}",
			"gateway", "devices/d0001/telemetry", 1700000000.0, "temperature", 21.5,
			"humidity", 40.2, "battery", 93, "seq", 123456);
}

static void append_to(struct bench *b, struct fg_spool *spool, unsigned n)
{
	struct fg_entry entry = { .device = FG_STR("devices/d0001/telemetry") };

	normalise(b, 1);
	entry.records = b->reading.records;
	entry.count = b->reading.count;
	entry.wall_ns = INT64_C(1700000000000000000);
	for (unsigned i = 0; i < n; i++) {
		uint64_t pos = 0;

		(void)fg_spool_append(spool, &entry, &pos);
		if (i % TURN == 0)
			(void)fg_spool_flush(spool);
		b->sink += pos;
	}
}

static void spool_append(struct bench *b, unsigned n)
{
	append_to(b, b->spool, n);
}

/* Under "commit": "each" and without a loop, a flush is also the sync. */
static void spool_commit(struct bench *b, unsigned n)
{
	append_to(b, b->synced, n);
}

static void spool_read(struct bench *b, unsigned n)
{
	struct fg_spool_view view;
	struct fg_record record;

	for (unsigned i = 0; i < n; i++) {
		size_t at = 0;

		if (fg_spool_read(b->reader, &view) != 1)
			continue;
		while (fg_spool_record(&view, &at, &record) == 1)
			b->sink += record.point.len;
	}
}

/* The naive spool: a write for each message, a sync for as many as a turn has if that is asked. */
static void write_plain(struct bench *b, unsigned n, bool sync)
{
	char entry[160] = { 0 };

	for (unsigned i = 0; i < n; i++) {
		b->sink += (uint64_t)write(b->plain_fd, entry, sizeof(entry));
		if (sync && i % TURN == 0 && fdatasync(b->plain_fd) < 0)
			b->sink++;
	}
	if (ftruncate(b->plain_fd, 0) < 0 || lseek(b->plain_fd, 0, SEEK_SET) < 0)
		b->sink++;
}

static void write_each(struct bench *b, unsigned n)
{
	write_plain(b, n, false);
}

static void write_sync(struct bench *b, unsigned n)
{
	write_plain(b, n, true);
}

/* A start: what is on the disk is opened, as a tool does it that only looks. */
static void spool_open(struct bench *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct fg_spool *spool;

		if (fg_spool_open_readonly(b->dir, &spool) < 0)
			continue;
		b->sink += fg_spool_accepted(spool);
		fg_spool_close(spool, NULL, NULL);
	}
}

/* The obvious start: each segment is read through. */
static void read_all_files(struct bench *b, unsigned n)
{
	char block[65536];

	for (unsigned i = 0; i < n; i++) {
		DIR *dir = opendir(b->dir);
		struct dirent *file;

		while (dir && (file = readdir(dir))) {
			int fd = openat(dirfd(dir), file->d_name, O_RDONLY | O_CLOEXEC);
			ssize_t got;

			while ((got = read(fd, block, sizeof(block))) > 0)
				b->sink += (uint64_t)got;
			close(fd);
		}
		if (dir)
			closedir(dir);
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct step {
	const char *name, *what;
	void (*ours)(struct bench *, unsigned);
	const char *peer;
	void (*theirs)(struct bench *, unsigned);
	unsigned n;
};

static void row(struct bench *b, const struct step *step)
{
	double ratio[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		double t0 = cpu_s(), t1, t2;

		step->ours(b, step->n);
		t1 = cpu_s();
		step->theirs(b, step->n);
		t2 = cpu_s();
		ratio[i] = (t1 - t0) / (t2 - t1);
	}
	qsort(ratio, ROUNDS, sizeof(ratio[0]), compare);
	printf("{\"name\":\"%s\",\"what\":\"%s\",\"peer\":\"%s\",\"ratio\":%.4f,\"from\":%.4f,"
	       "\"to\":%.4f}\n",
	       step->name, step->what, step->peer, ratio[ROUNDS / 2], ratio[0], ratio[ROUNDS - 1]);
}

static bool set_up(struct bench *b, const char *dir)
{
	const struct fg_spool_conf conf = {
		.dir = dir, .limit = 256u << 20, .segment = 4u << 20, .commit_ns = FG_COMMIT_NEVER
	};
	const struct fg_spool_events events = { 0 };
	const struct fg_logger logger = { 0 };
	struct fg_faults faults;
	struct fg_spool_conf each = conf;
	char path[4096];

	b->dir = dir;
	fg_faults_init(&faults);
	if (fg_config_default("mqtt", &faults, &b->config) < 0 ||
	    fg_profile_book_open(&b->book, b->config, &faults) < 0 ||
	    fg_spool_open(NULL, &logger, &conf, &events, &b->spool) < 0 ||
	    fg_spool_reader_new(b->spool, 1, &b->reader) < 0)
		return false;
	fg_faults_fini(&faults);
	fg_doc_init(&b->doc, 32, 65536);
	fg_reading_init(&b->reading, 10000, 65536);
	fg_buf_init(&b->text, 1u << 20);
	snprintf(path, sizeof(path), "%s/synced", dir);
	each.dir = path;
	each.commit_ns = FG_COMMIT_EACH;
	if (fg_spool_open(NULL, &logger, &each, &events, &b->synced) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/plain", dir);
	b->plain_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return b->plain_fd >= 0;
}

static const struct step steps[] = {
	{ "json-read", "read JSON", read_json, "cJSON", read_cjson, 200000 },
	{ "normalise", "read JSON and normalise", normalise, "cJSON, reading alone", read_cjson,
	  200000 },
	{ "senml-json", "SenML JSON", pack_json, "snprintf", pack_printf, 200000 },
	{ "senml-cbor", "SenML CBOR", pack_cbor, "snprintf of the JSON", pack_printf, 200000 },
	{ "spool-append", "spool append", spool_append, "a write each", write_each, 100000 },
	{ "spool-commit", "spool append and sync", spool_commit, "a write each, and a sync",
	  write_sync, 12800 },
	{ "spool-read", "spool read", spool_read, "a write each", write_each, 100000 },
	{ "spool-open", "start on a spool of 48 MiB", spool_open, "reading it through",
	  read_all_files, 5 },
};

/* One step alone, n times: what a counter of instructions looks at. What is read was appended. */
static int one(struct bench *b, const char *name, unsigned n)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (strcmp(steps[i].name, name) != 0)
			continue;
		if (steps[i].ours == spool_read)
			spool_append(b, 16384);
		steps[i].ours(b, n);
		return 0;
	}
	return 2;
}

int main(int argc, char **argv)
{
	struct bench *b = calloc(1, sizeof(*b));

	if ((argc != 2 && argc != 4) || !b || !set_up(b, argv[1])) {
		fprintf(stderr, "usage: %s EMPTY-FOLDER [STEP COUNT]\n", argv[0]);
		return 2;
	}
	if (argc == 4)
		return one(b, argv[2], (unsigned)strtoul(argv[3], NULL, 10));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		row(b, &steps[i]);
	return b->sink == 1;
}
