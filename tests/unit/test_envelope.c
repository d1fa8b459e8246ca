/* A signed configuration both ways: what is signed is read and believed, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fg/remote.h>

#include "config/config.h"
#include "config/envelope.h"

/* RFC 8032 section 7.1, TEST 1, as files; the second public key belongs to nobody's private one */
#define SECRET                                                               \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" \
	"-----END PRIVATE KEY-----\n"
#define PUBLIC                                                           \
	"-----BEGIN PUBLIC KEY-----\n"                                   \
	"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n" \
	"-----END PUBLIC KEY-----\n"
#define FOREIGN                                                          \
	"-----BEGIN PUBLIC KEY-----\n"                                   \
	"MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n" \
	"-----END PUBLIC KEY-----\n"
#define CONFIG "{\"gateway\":{\"id\":\"plant-7\"},\"note\":\"\xc3\xbe\xc3\xbf?>~\"}\n"

struct bed {
	char folder[64], secret[80], public[80], foreign[80];
	struct fg_envelope envelope;
	struct fg_buf text;
};

static void put(const char *folder, const char *name, const char *text, char path[80])
{
	FILE *file;

	snprintf(path, 80, "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int bed_new(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	assert_non_null(bed);
	snprintf(bed->folder, sizeof(bed->folder), "/tmp/fieldgate-unit.XXXXXX");
	assert_non_null(mkdtemp(bed->folder));
	put(bed->folder, "secret", SECRET, bed->secret);
	put(bed->folder, "public", PUBLIC, bed->public);
	put(bed->folder, "foreign", FOREIGN, bed->foreign);
	fg_envelope_init(&bed->envelope);
	fg_buf_init(&bed->text, FG_REMOTE_MAX + 4096);
	bed->envelope.version = 7;
	snprintf(bed->envelope.gateway, sizeof(bed->envelope.gateway), "plant-7");
	fg_buf_text(&bed->envelope.config, CONFIG);
	assert_int_equal(fg_envelope_sign(&bed->envelope, bed->secret, &bed->text), 0);
	*state = bed;
	return 0;
}

static int bed_free(void **state)
{
	struct bed *bed = *state;

	unlink(bed->secret);
	unlink(bed->public);
	unlink(bed->foreign);
	rmdir(bed->folder);
	fg_envelope_fini(&bed->envelope);
	fg_buf_fini(&bed->text);
	free(bed);
	return 0;
}

/* Read, and signed by one of the keys? 0, or what one of the two said. */
static int believed(const char *key, const char *other, struct fg_str text,
		    struct fg_envelope *envelope, const char **why)
{
	const char *const paths[] = { key, other };
	const struct fg_list keys = { .items = paths, .count = other ? 2 : 1 };
	int r = fg_envelope_read(text, envelope, why);

	return r < 0 ? r : fg_envelope_verify(envelope, &keys, why);
}

static void what_was_signed_is_believed(void **state)
{
	struct bed *bed = *state;
	struct fg_envelope got;
	const char *why = NULL;

	fg_envelope_init(&got);
	assert_int_equal(believed(bed->foreign, bed->public, fg_buf_view(&bed->text), &got, &why),
			 0);
	assert_int_equal(got.version, 7);
	assert_string_equal(got.gateway, "plant-7");
	assert_true(fg_str_eq_c(fg_buf_view(&got.config), CONFIG));
	assert_int_equal(believed(bed->foreign, NULL, fg_buf_view(&bed->text), &got, &why),
			 -EKEYREJECTED);
	assert_non_null(why);
	fg_envelope_fini(&got);
}

/* Whichever byte is another one: it is refused, or what it says is the same all the same. */
static void no_byte_can_be_exchanged(void **state)
{
	struct bed *bed = *state;
	char *copy = malloc(bed->text.len);
	unsigned refused = 0;

	assert_non_null(copy);
	memcpy(copy, bed->text.data, bed->text.len);
	for (size_t i = 0; i < bed->text.len; i++) {
		struct fg_envelope got;
		const char *why = NULL;
		char was = copy[i];

		fg_envelope_init(&got);
		copy[i] = was == 'A' ? 'B' : 'A';
		if (believed(bed->public, NULL, fg_str(copy, bed->text.len), &got, &why) == 0) {
			assert_true(got.version == 7 && strcmp(got.gateway, "plant-7") == 0);
			assert_true(fg_str_eq_c(fg_buf_view(&got.config), CONFIG));
		} else {
			assert_non_null(why);
			refused++;
		}
		copy[i] = was;
		fg_envelope_fini(&got);
	}
	/* JSON has no byte to spare here, nor has base64 but in the last letter before its end */
	assert_true(refused >= bed->text.len - 2);
	free(copy);
}

static void each_part_is_signed(void **state)
{
	static const char *const parts[][2] = {
		{ "\"version\":7", "\"version\":8" },
		{ "\"gateway\":\"plant-7\"", "\"gateway\":\"plant-8\"" },
		{ "\"gateway\":\"plant-7\"", "\"gateway\":\"*\"" },
	};
	struct bed *bed = *state;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct fg_envelope got;
		const char *why = NULL, *at;
		struct fg_buf text;

		fg_envelope_init(&got);
		fg_buf_init(&text, FG_REMOTE_MAX);
		fg_buf_char(&bed->text, '\0');
		bed->text.len--;
		at = strstr(bed->text.data, parts[i][0]);
		assert_non_null(at);
		fg_buf_add(&text, bed->text.data, (size_t)(at - bed->text.data));
		fg_buf_text(&text, parts[i][1]);
		fg_buf_text(&text, at + strlen(parts[i][0]));
		assert_int_equal(believed(bed->public, NULL, fg_buf_view(&text), &got, &why),
				 -EKEYREJECTED);
		fg_buf_fini(&text);
		fg_envelope_fini(&got);
	}
}

static void what_is_too_long_is_refused(void **state)
{
	struct bed *bed = *state;
	const size_t len = FG_REMOTE_MAX + 1;
	struct fg_envelope got;
	const char *why = NULL;
	char *text = calloc(1, len);

	assert_non_null(text);
	memset(text, ' ', len);
	fg_envelope_init(&got);
	assert_int_equal(fg_envelope_read(fg_str(text, len), &got, &why), -EBADMSG);
	assert_string_equal(why, "it is too long");
	assert_int_equal(fg_envelope_sign(&bed->envelope, bed->public, &bed->text), -EINVAL);
	fg_envelope_fini(&got);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_signed_is_believed, bed_new, bed_free),
		cmocka_unit_test_setup_teardown(no_byte_can_be_exchanged, bed_new, bed_free),
		cmocka_unit_test_setup_teardown(each_part_is_signed, bed_new, bed_free),
		cmocka_unit_test_setup_teardown(what_is_too_long_is_refused, bed_new, bed_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
