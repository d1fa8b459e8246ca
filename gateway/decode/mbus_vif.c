/* The table of M-Bus quantities, a line for every run of codes that differ in a power of ten. */
#include "decode/mbus_vif.h"

#include <stddef.h>
#include <stdint.h>

static const struct {
	uint16_t first, last;
	int8_t exp10; /* of the first; one more with every code */
	uint8_t time;
	const char *name, *unit;
} table[] = {
	{ 0x00, 0x07, -3, 0, "Energy", "Wh" },
	{ 0x08, 0x0f, 0, 0, "Energy", "J" },
	{ 0x10, 0x17, -6, 0, "Volume", "m3" },
	{ 0x18, 0x1f, -3, 0, "Mass", "kg" },
	{ 0x20, 0x23, 0, FG_MBUS_SECONDS, "On time", "s" },
	{ 0x24, 0x27, 0, FG_MBUS_SECONDS, "Operating time", "s" },
	{ 0x28, 0x2f, -3, 0, "Power", "W" },
	{ 0x30, 0x37, 0, 0, "Power", "" },
	{ 0x38, 0x3f, -6, 0, "Volume flow", "" },
	{ 0x40, 0x47, -7, 0, "Volume flow", "" },
	{ 0x48, 0x4f, -9, 0, "Volume flow", "m3/s" },
	{ 0x50, 0x57, -3, 0, "Mass flow", "" },
	{ 0x58, 0x5b, -3, 0, "Flow temperature", "Cel" },
	{ 0x5c, 0x5f, -3, 0, "Return temperature", "Cel" },
	{ 0x60, 0x63, -3, 0, "Temperature difference", "K" },
	{ 0x64, 0x67, -3, 0, "External temperature", "Cel" },
	{ 0x68, 0x6b, -3, 0, "Pressure", "" },
	{ 0x6c, 0x6c, 0, 0, "Time point (date)", "" },
	{ 0x6d, 0x6d, 0, 0, "Time point (date & time)", "" },
	{ 0x6e, 0x6e, 0, 0, "H.C.A.", "" },
	{ 0x70, 0x73, 0, FG_MBUS_SECONDS, "Averaging Duration", "s" },
	{ 0x74, 0x77, 0, FG_MBUS_SECONDS, "Actuality Duration", "s" },
	{ 0x78, 0x78, 0, 0, "Fabrication No", "" },
	{ 0x79, 0x79, 0, 0, "(Enhanced) Identification", "" },
	{ 0x7a, 0x7a, 0, 0, "Bus Address", "" },
	{ 0x7e, 0x7e, 0, 0, "Any VIF", "" },
	{ 0x7f, 0x7f, 0, 0, "Manufacturer specific", "" },
	{ 0x100, 0x103, -3, 0, "Credit", "" },
	{ 0x104, 0x107, -3, 0, "Debit", "" },
	{ 0x108, 0x108, 0, 0, "Access Number (transmission count)", "" },
	{ 0x109, 0x109, 0, 0, "Medium", "" },
	{ 0x10a, 0x10a, 0, 0, "Manufacturer", "" },
	{ 0x10b, 0x10b, 0, 0, "Parameter set identification", "" },
	{ 0x10c, 0x10c, 0, 0, "Model / Version", "" },
	{ 0x10d, 0x10d, 0, 0, "Hardware version", "" },
	{ 0x10e, 0x10e, 0, 0, "Firmware version", "" },
	{ 0x10f, 0x10f, 0, 0, "Software version", "" },
	{ 0x110, 0x110, 0, 0, "Customer location", "" },
	{ 0x111, 0x111, 0, 0, "Customer", "" },
	{ 0x112, 0x112, 0, 0, "Access Code User", "" },
	{ 0x113, 0x113, 0, 0, "Access Code Operator", "" },
	{ 0x114, 0x114, 0, 0, "Access Code System Operator", "" },
	{ 0x115, 0x115, 0, 0, "Access Code Developer", "" },
	{ 0x116, 0x116, 0, 0, "Password", "" },
	{ 0x117, 0x117, 0, 0, "Error flags", "" },
	{ 0x118, 0x118, 0, 0, "Error mask", "" },
	{ 0x11a, 0x11a, 0, 0, "Digital Output", "" },
	{ 0x11b, 0x11b, 0, 0, "Digital Input", "" },
	{ 0x11c, 0x11c, 0, 0, "Baudrate", "" },
	{ 0x11d, 0x11d, 0, 0, "Response delay time", "" },
	{ 0x11e, 0x11e, 0, 0, "Retry", "" },
	{ 0x120, 0x120, 0, 0, "First storage # for cyclic storage", "" },
	{ 0x121, 0x121, 0, 0, "Last storage # for cyclic storage", "" },
	{ 0x122, 0x122, 0, 0, "Size of storage block", "" },
	{ 0x124, 0x127, 0, FG_MBUS_SECONDS, "Storage interval", "s" },
	{ 0x128, 0x129, 0, FG_MBUS_MONTHS, "Storage interval", "s" },
	{ 0x12c, 0x12f, 0, FG_MBUS_SECONDS, "Duration since last readout", "s" },
	{ 0x130, 0x130, 0, 0, "Start (date/time) of tariff", "" },
	{ 0x131, 0x133, 0, FG_MBUS_SECONDS, "Duration of tariff", "s" },
	{ 0x134, 0x137, 0, FG_MBUS_SECONDS, "Period of tariff", "s" },
	{ 0x138, 0x139, 0, FG_MBUS_MONTHS, "Period of tariff", "s" },
	{ 0x13a, 0x13a, 0, 0, "Dimensionless", "" },
	{ 0x140, 0x14f, -9, 0, "Voltage", "V" },
	{ 0x150, 0x15f, -12, 0, "Current", "A" },
	{ 0x160, 0x160, 0, 0, "Reset counter", "" },
	{ 0x161, 0x161, 0, 0, "Cumulation counter", "" },
	{ 0x162, 0x162, 0, 0, "Control signal", "" },
	{ 0x163, 0x163, 0, 0, "Day of week", "" },
	{ 0x164, 0x164, 0, 0, "Week number", "" },
	{ 0x165, 0x165, 0, 0, "Time point of day change", "" },
	{ 0x166, 0x166, 0, 0, "State of parameter activation", "" },
	{ 0x167, 0x167, 0, 0, "Special supplier information", "" },
	{ 0x168, 0x16b, 0, FG_MBUS_HOURS, "Duration since last cumulation", "s" },
	{ 0x16c, 0x16f, 0, FG_MBUS_HOURS, "Operating time battery", "s" },
	{ 0x170, 0x170, 0, 0, "Date and time of battery change", "" },
	{ 0x200, 0x201, 5, 0, "Energy", "Wh" },
	{ 0x208, 0x209, 8, 0, "Energy", "J" },
	{ 0x210, 0x211, 2, 0, "Volume", "m3" },
	{ 0x218, 0x219, 5, 0, "Mass", "kg" },
	{ 0x221, 0x221, -1, 0, "Volume", "" },
	{ 0x222, 0x223, -1, 0, "Volume", "" },
	{ 0x224, 0x224, -3, 0, "Volume flow", "" },
	{ 0x225, 0x225, 0, 0, "Volume flow", "" },
	{ 0x226, 0x226, 0, 0, "Volume flow", "" },
	{ 0x228, 0x229, 5, 0, "Power", "W" },
	{ 0x230, 0x231, 8, 0, "Power", "" },
	{ 0x258, 0x25b, -3, 0, "Flow temperature", "" },
	{ 0x25c, 0x25f, -3, 0, "Return temperature", "" },
	{ 0x260, 0x263, -3, 0, "Temperature difference", "" },
	{ 0x264, 0x267, -3, 0, "External temperature", "" },
	{ 0x270, 0x273, -3, 0, "Cold / Warm Temperature Limit", "" },
	{ 0x274, 0x277, -3, 0, "Cold / Warm Temperature Limit", "Cel" },
	{ 0x278, 0x27f, -3, 0, "Cumul count max power", "W" },
};

bool fg_mbus_quantity(unsigned code, struct fg_mbus_quantity *ret_quantity)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (code < table[i].first || code > table[i].last)
			continue;
		*ret_quantity = (struct fg_mbus_quantity){
			.name = table[i].name,
			.unit = table[i].unit,
			.time = (enum fg_mbus_time)table[i].time,
			.exp10 = table[i].time ? 0 : table[i].exp10 + (int)(code - table[i].first),
		};
		return true;
	}
	return false;
}
