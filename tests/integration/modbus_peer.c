/*
 * Devices on Modbus as libmodbus has them, for test_modbus.py:
 *
 *	modbus_peer tcp 1502	or	modbus_peer rtu /dev/pts/3
 *
 * Unit 1 has everything, unit 2 has holding registers 0 to 9 only, unit 3 says that it is busy;
 * nobody else answers. Over RTU there is unit 1 alone. "listening" on stdout says that it is there;
 * each request is a line "UNIT FUNCTION ADDRESS COUNT".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <modbus.h>

/* The library's own setters swap the bytes of each register (3.1.6). */
static void float_set(float f, uint16_t *high, uint16_t *low)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	*high = (uint16_t)(bits >> 16);
	*low = (uint16_t)bits;
}

static modbus_mapping_t *full_new(void)
{
	modbus_mapping_t *map = modbus_mapping_new(16, 16, 200, 100);

	if (!map)
		exit(1);
	float_set(230.1f, &map->tab_input_registers[0], &map->tab_input_registers[1]);
	float_set(-12.5f, &map->tab_input_registers[12], &map->tab_input_registers[13]);
	float_set(50.02f, &map->tab_input_registers[71], &map->tab_input_registers[70]);
	map->tab_registers[10] = 0x8001;
	map->tab_registers[11] = 215;
	map->tab_registers[150] = 0x0001;
	map->tab_registers[151] = 0x86a0;
	map->tab_bits[3] = 1;
	map->tab_input_bits[9] = 1;
	return map;
}

static modbus_mapping_t *small_new(void)
{
	modbus_mapping_t *map = modbus_mapping_new(0, 0, 10, 0);

	if (!map)
		exit(1);
	map->tab_registers[2] = 22;
	return map;
}

static void answer(modbus_t *ctx, const uint8_t *request, int len, modbus_mapping_t *const maps[])
{
	int head = modbus_get_header_length(ctx), unit = request[head - 1];

	printf("%d %d %d %d\n", unit, request[head], request[head + 1] << 8 | request[head + 2],
	       request[head + 3] << 8 | request[head + 4]);
	fflush(stdout);
	if (unit == 3)
		modbus_reply_exception(ctx, request, MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY);
	else if (unit == 1 || unit == 2)
		modbus_reply(ctx, request, len, maps[unit]);
}

static void serve(modbus_t *ctx, modbus_mapping_t *const maps[])
{
	uint8_t request[MODBUS_MAX_ADU_LENGTH];

	for (;;) {
		int len = modbus_receive(ctx, request);

		if (len > 0)
			answer(ctx, request, len, maps);
		else if (len < 0 && errno != EMBBADCRC && errno != ETIMEDOUT)
			return;
	}
}

int main(int argc, char **argv)
{
	modbus_mapping_t *const maps[] = { NULL, full_new(), small_new() };
	modbus_t *ctx;
	int listener;

	if (argc != 3)
		return 2;
	if (strcmp(argv[1], "rtu") == 0) {
		ctx = modbus_new_rtu(argv[2], 115200, 'N', 8, 1);
		if (!ctx || modbus_set_slave(ctx, 1) < 0 || modbus_connect(ctx) < 0)
			return 1;
		puts("listening");
		fflush(stdout);
		serve(ctx, maps);
		return 0;
	}
	ctx = modbus_new_tcp("127.0.0.1", (int)strtol(argv[2], NULL, 10));
	listener = ctx ? modbus_tcp_listen(ctx, 1) : -1;
	if (listener < 0)
		return 1;
	puts("listening");
	fflush(stdout);
	while (modbus_tcp_accept(ctx, &listener) >= 0) {
		serve(ctx, maps);
		modbus_close(ctx);
	}
	return 0;
}
