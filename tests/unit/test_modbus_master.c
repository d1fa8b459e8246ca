/* The Modbus driver's parts that do no I/O: which reads are made, and what counts as an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../drivers/modbus/conf.h"
#include "../../drivers/modbus/pdu.h"
#include "../../drivers/modbus/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Compiled only where the driver is built in (fg_driver_modbus). */

/* -- the plan -- */

static const char *plan_text(const struct modbus_plan *plan)
{
	static char text[1024];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < plan->count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u:%u+%u%s", n ? " " : "",
				      plan->reads[i].span.table, plan->reads[i].span.at,
				      plan->reads[i].span.count, plan->reads[i].skipped ? "!" : "");
	return text;
}

static void plan_make(struct modbus_plan *plan, const struct fg_register_span *spans, size_t count,
		      uint16_t max_read, uint16_t max_gap)
{
	const struct fg_registers registers = { spans, count, max_read, max_gap };

	assert_int_equal(modbus_plan_init(plan, &registers), 0);
}

#define PLAN(plan, spans, read, gap) \
	plan_make(plan, spans, sizeof(spans) / sizeof(*(spans)), read, gap)

static void merging(void **state)
{
	static const struct fg_register_span spans[] = {
		{ 1, 0, 1 },   { 1, 100, 1 }, { 1, 2500, 1 }, { 3, 10, 2 }, { 3, 12, 1 },
		{ 3, 20, 4 },  { 3, 130, 2 }, { 3, 136, 2 },  { 4, 20, 2 }, { 4, 65534, 2 },
	};
	static const struct fg_register_span overlapping[] = { { 3, 0, 4 },
							       { 3, 2, 4 },
							       { 3, 5, 9 } };
	struct modbus_plan plan;

	(void)state;
	PLAN(&plan, spans, 125, 7);
	assert_string_equal(plan_text(&plan), "1:0+101 1:2500+1 3:10+14 3:130+8 4:20+2 4:65534+2");
	modbus_plan_fini(&plan);
	PLAN(&plan, spans, 125, 125);
	assert_string_equal(plan_text(&plan), "1:0+101 1:2500+1 3:10+122 3:136+2 4:20+2 4:65534+2");
	modbus_plan_fini(&plan);
	PLAN(&plan, spans, 125, 0);
	assert_string_equal(plan_text(&plan), "1:0+1 1:100+1 1:2500+1 3:10+3 3:20+4 3:130+2 "
					      "3:136+2 4:20+2 4:65534+2");
	modbus_plan_fini(&plan);
	PLAN(&plan, overlapping, 125, 0);
	assert_string_equal(plan_text(&plan), "3:0+14");
	modbus_plan_fini(&plan);
	PLAN(&plan, overlapping, 6, 0);
	assert_string_equal(plan_text(&plan), "3:0+6 3:5+9");
	modbus_plan_fini(&plan);
	plan_make(&plan, NULL, 0, 125, 8);
	assert_int_equal(plan.count, 0);
	modbus_plan_fini(&plan);
}

static void splitting(void **state)
{
	static const struct fg_register_span spans[] = {
		{ 3, 0, 1 }, { 3, 2, 1 }, { 3, 4, 2 }, { 3, 8, 1 }, { 3, 9, 1 },
	};
	struct modbus_plan plan;
	size_t bytes;

	(void)state;
	PLAN(&plan, spans, 125, 8);
	bytes = modbus_plan_bytes(&plan);
	assert_string_equal(plan_text(&plan), "3:0+10");
	assert_true(modbus_plan_split(&plan, 0));
	assert_string_equal(plan_text(&plan), "3:0+3 3:4+6");
	assert_true(modbus_plan_split(&plan, 0));
	assert_string_equal(plan_text(&plan), "3:0+1 3:2+1 3:4+6");
	assert_false(modbus_plan_split(&plan, 1));
	assert_string_equal(plan_text(&plan), "3:0+1 3:2+1! 3:4+6");
	assert_true(modbus_plan_split(&plan, 2));
	assert_true(modbus_plan_split(&plan, 3));
	assert_string_equal(plan_text(&plan), "3:0+1 3:2+1! 3:4+2 3:8+1 3:9+1");
	assert_true(bytes >= 5 * FG_REGISTER_BLOCK_HEAD + 12);
	modbus_plan_merge(&plan);
	assert_string_equal(plan_text(&plan), "3:0+10");
	modbus_plan_fini(&plan);
}

/* -- requests -- */

static void requests(void **state)
{
	const struct fg_register_span span = { FG_REGISTER_INPUT, 0x0102, 3 };
	struct fg_register_write coil = { .span = { 1, 5, 1 }, .bytes = { 1 } };
	struct fg_register_write one = { .span = { 3, 7, 1 }, .bytes = { 0x12, 0x34 } };
	struct fg_register_write two = { .span = { 3, 7, 2 }, .bytes = { 1, 2, 3, 4 } };
	struct modbus_request request;
	uint8_t frame[MODBUS_FRAME_MAX];

	(void)state;
	modbus_request_read(&request, 17, &span);
	assert_int_equal(request.answer, 8);
	assert_int_equal(modbus_frame_tcp(&request, 0xabcd, frame), 12);
	assert_memory_equal(frame, "\xab\xcd\0\0\0\x06\x11\x04\x01\x02\0\x03", 12);
	modbus_request_write(&request, 1, &coil);
	assert_memory_equal(request.pdu, "\x05\0\x05\xff\0", 5);
	modbus_request_write(&request, 1, &one);
	assert_memory_equal(request.pdu, "\x06\0\x07\x12\x34", 5);
	modbus_request_write(&request, 1, &two);
	assert_int_equal(request.len, 10);
	assert_memory_equal(request.pdu, "\x10\0\x07\0\x02\x04\1\2\3\4", 10);
	/* the example of the specification's appendix */
	modbus_request_read(&request, 1, &(struct fg_register_span){ 3, 0, 10 });
	assert_int_equal(modbus_frame_rtu(&request, frame), 8);
	assert_memory_equal(frame, "\1\3\0\0\0\x0a\xc5\xcd", 8);
}

/* -- answers -- */

static const struct fg_register_span asked = { FG_REGISTER_HOLDING, 16, 2 };

static void answers(void **state)
{
	static const struct {
		struct fg_str pdu;
		enum modbus_answer answer;
	} rows[] = {
		{ FG_STR("\x03\x04\x12\x34\x56\x78"), MODBUS_GOOD },
		{ FG_STR("\x83\x02"), MODBUS_REFUSED },
		{ FG_STR("\x84\x02"), MODBUS_WRONG },
		{ FG_STR("\x83"), MODBUS_WRONG },
		{ FG_STR("\x83\x02\x02"), MODBUS_WRONG },
		{ FG_STR("\x04\x04\x12\x34\x56\x78"), MODBUS_WRONG },
		{ FG_STR("\x03\x02\x12\x34"), MODBUS_WRONG },
		{ FG_STR("\x03\x05\x12\x34\x56\x78"), MODBUS_WRONG },
		{ FG_STR("\x03\x04\x12\x34\x56\x78\x9a"), MODBUS_WRONG },
		{ FG_STR(""), MODBUS_WRONG },
	};
	struct modbus_request request;
	struct fg_str data;
	uint8_t code;

	(void)state;
	modbus_request_read(&request, 5, &asked);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(modbus_answer_read(&request, rows[i].pdu, &code, &data),
				 rows[i].answer);
	assert_int_equal(modbus_answer_read(&request, rows[0].pdu, &code, &data), MODBUS_GOOD);
	assert_int_equal(data.len, 4);
	assert_string_equal(modbus_code_name(2), "illegal data address");
	assert_string_equal(modbus_code_name(7), "unknown exception");
	assert_string_equal(modbus_code_name(255), "unknown exception");
}

struct scan_row {
	struct fg_str bytes;
	enum modbus_scan kind;
	size_t taken;
};

static void scan_check(const struct scan_row *row, bool tcp)
{
	struct modbus_request request;
	uint8_t *copy = malloc(row->bytes.len + 1);
	struct modbus_found found;

	assert_non_null(copy);
	memcpy(copy, row->bytes.ptr, row->bytes.len);
	copy = realloc(copy, row->bytes.len ? row->bytes.len : 1);
	assert_non_null(copy);
	modbus_request_read(&request, 5, &asked);
	found = tcp ? modbus_scan_tcp(&request, 7, copy, row->bytes.len) :
		      modbus_scan_rtu(&request, copy, row->bytes.len);
	assert_int_equal(found.kind, row->kind);
	assert_int_equal(found.taken, row->taken);
	free(copy);
}

#define GOOD "\x05\x03\x04\x12\x34\x56\x78\xc4\xc7"

static void tcp_streams(void **state)
{
	static const struct scan_row rows[] = {
		{ FG_STR("\0\7\0\0\0\7\5\3\4\1\2\3\4"), MODBUS_SCAN_FRAME, 13 },
		{ FG_STR("\0\7\0\0\0\7\5\3\4\1\2\3\4\0"), MODBUS_SCAN_FRAME, 13 },
		{ FG_STR("\0\7\0\0\0\3\5\x83\2"), MODBUS_SCAN_FRAME, 9 },
		{ FG_STR("\0\6\0\0\0\7\5\3\4\1\2\3\4"), MODBUS_SCAN_FOREIGN, 13 },
		{ FG_STR("\0\7\0\0\0\7\6\3\4\1\2\3\4"), MODBUS_SCAN_FOREIGN, 13 },
		{ FG_STR("\0\7\0\0\0\7\5\3\4\1\2\3"), MODBUS_SCAN_MORE, 0 },
		{ FG_STR("\0\7\0\0\0"), MODBUS_SCAN_MORE, 0 },
		{ FG_STR(""), MODBUS_SCAN_MORE, 0 },
		{ FG_STR("\0\7\1"), MODBUS_SCAN_BROKEN, 3 },
		{ FG_STR("\0\7\0\1\0\7\5"), MODBUS_SCAN_BROKEN, 7 },
		{ FG_STR("\0\7\0\0\0\2\5\3"), MODBUS_SCAN_BROKEN, 8 },
		{ FG_STR("\0\7\0\0\0\xff\5\3"), MODBUS_SCAN_BROKEN, 8 },
		{ FG_STR("\0\7\0\0\xff\xff\5\3"), MODBUS_SCAN_BROKEN, 8 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		scan_check(&rows[i], true);
	assert_int_equal(modbus_scan_tcp(NULL, 7, (const uint8_t *)rows[0].bytes.ptr, 13).kind,
			 MODBUS_SCAN_FOREIGN);
}

static void rtu_streams(void **state)
{
	static const struct scan_row rows[] = {
		{ FG_STR(GOOD), MODBUS_SCAN_FRAME, 9 },
		{ FG_STR("\0\5\3" GOOD "\0"), MODBUS_SCAN_FRAME, 12 },
		{ FG_STR("\x05\x83\x02\x81\x30"), MODBUS_SCAN_FRAME, 5 },
		{ FG_STR("\x05\x03\x04\x12\x34\x56\x78\xc4"), MODBUS_SCAN_MORE, 0 },
		{ FG_STR("\x05\x03\x04\x12\x34\x56\x79\xc4\xc7"), MODBUS_SCAN_MORE, 0 },
		/* whole, but of another function, unit or count */
		{ FG_STR("\x05\x04\x02\x01\xf4\x48\xe7"), MODBUS_SCAN_MORE, 0 },
		{ FG_STR(""), MODBUS_SCAN_MORE, 0 },
	};
	struct modbus_request request;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		scan_check(&rows[i], false);
	modbus_request_read(&request, 5, &asked);
	assert_int_equal(modbus_rest_judge(&request, (const uint8_t *)rows[4].bytes.ptr, 9),
			 MODBUS_REST_DAMAGED);
	assert_int_equal(modbus_rest_judge(&request, (const uint8_t *)rows[5].bytes.ptr, 7),
			 MODBUS_REST_FOREIGN);
	assert_int_equal(modbus_rest_judge(&request, (const uint8_t *)"\0", 1),
			 MODBUS_REST_FOREIGN);
}

static void urls(void **state)
{
	static const char *const bad[] = {
		"tcp://", "tcp://:502", "udp://h", "tcp://h:", "tcp://h:0", "tcp://h:65536",
		"tcp://h:1x", "tcp://[::1", "tcp://h/p", "tcp://[]:1", "h:502",
	};
	char host[MODBUS_HOST_MAX], service[MODBUS_SERVICE_MAX];

	(void)state;
	assert_int_equal(modbus_url_parse("tcp://meter.example", host, service), 0);
	assert_string_equal(host, "meter.example");
	assert_string_equal(service, "502");
	assert_int_equal(modbus_url_parse("tcp://[fe80::1]:1502", host, service), 0);
	assert_string_equal(host, "fe80::1");
	assert_string_equal(service, "1502");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(modbus_url_parse(bad[i], host, service), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merging),     cmocka_unit_test(splitting),
		cmocka_unit_test(requests),    cmocka_unit_test(answers),
		cmocka_unit_test(tcp_streams), cmocka_unit_test(rtu_streams),
		cmocka_unit_test(urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
