/* Types of resources: the core objects 0 to 7 of LwM2M 1.1, the example objects of its TLV chapter,
 * and the reusable resources of the IPSO objects. */
#include "decode/lwm2m.h"

#include <stddef.h>

struct types {
	int object;
	/* one letter a resource from 0: s i f b o l, '-' for none */
	const char *letters;
};

static const struct types objects[] = {
	{ 0, "sbiooooioiiiib-s" },
	{ 1, "iiii-ibs-isb-iibiiiiiiibbb" },
	{ 2, "iiii" },
	{ 3, "ssss--iiiiii-issssisiiii" },
	{ 4, "iiiissiissiiii" },
	{ 5, "os-i-ississii" },
	{ 6, "fffofif" },
	{ 7, "-----iiii-" },
	{ 65, "lsi" },
	{ 66, "ssl" },
};

struct range {
	int first, last;
	enum lwm2m_type type;
};

static const struct range reusable[] = {
	{ 5500, 5500, LWM2M_BOOLEAN }, { 5501, 5501, LWM2M_INTEGER }, { 5502, 5503, LWM2M_BOOLEAN },
	{ 5504, 5504, LWM2M_BOOLEAN }, { 5505, 5505, LWM2M_BOOLEAN }, { 5506, 5506, LWM2M_INTEGER },
	{ 5513, 5513, LWM2M_STRING },  { 5514, 5515, LWM2M_STRING },  { 5516, 5516, LWM2M_STRING },
	{ 5517, 5517, LWM2M_OPAQUE },  { 5518, 5518, LWM2M_INTEGER }, { 5519, 5519, LWM2M_STRING },
	{ 5521, 5521, LWM2M_FLOAT },   { 5524, 5526, LWM2M_FLOAT },   { 5527, 5529, LWM2M_STRING },
	{ 5530, 5530, LWM2M_STRING },  { 5531, 5534, LWM2M_INTEGER }, { 5535, 5535, LWM2M_STRING },
	{ 5536, 5538, LWM2M_FLOAT },   { 5540, 5542, LWM2M_STRING },  { 5543, 5543, LWM2M_FLOAT },
	{ 5544, 5545, LWM2M_FLOAT },   { 5547, 5548, LWM2M_FLOAT },   { 5550, 5550, LWM2M_BOOLEAN },
	{ 5600, 5604, LWM2M_FLOAT },   { 5607, 5609, LWM2M_FLOAT },   { 5700, 5700, LWM2M_FLOAT },
	{ 5701, 5701, LWM2M_STRING },  { 5702, 5705, LWM2M_FLOAT },   { 5706, 5706, LWM2M_STRING },
	{ 5710, 5710, LWM2M_STRING },  { 5750, 5751, LWM2M_STRING },  { 5800, 5800, LWM2M_FLOAT },
	{ 5805, 5805, LWM2M_FLOAT },   { 5810, 5810, LWM2M_FLOAT },   { 5815, 5815, LWM2M_FLOAT },
	{ 5820, 5822, LWM2M_FLOAT },   { 5850, 5850, LWM2M_BOOLEAN }, { 5851, 5852, LWM2M_INTEGER },
	{ 5853, 5853, LWM2M_STRING },  { 5900, 5900, LWM2M_FLOAT },   { 5903, 5904, LWM2M_FLOAT },
	{ 6050, 6050, LWM2M_INTEGER },
};

static enum lwm2m_type type_of_letter(char letter)
{
	switch (letter) {
	case 's':
		return LWM2M_STRING;
	case 'i':
		return LWM2M_INTEGER;
	case 'f':
		return LWM2M_FLOAT;
	case 'b':
		return LWM2M_BOOLEAN;
	case 'o':
		return LWM2M_OPAQUE;
	case 'l':
		return LWM2M_LINK;
	default:
		return LWM2M_UNKNOWN;
	}
}

static enum lwm2m_type type_in(const char *letters, int resource)
{
	while (*letters && resource-- > 0)
		letters++;
	return type_of_letter(*letters);
}

enum lwm2m_type lwm2m_type_of(int object, int resource)
{
	if (object < 0 || resource < 0)
		return LWM2M_UNKNOWN;
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
		if (objects[i].object == object)
			return type_in(objects[i].letters, resource);
	for (size_t i = 0; object >= 3200 && i < sizeof(reusable) / sizeof(reusable[0]); i++)
		if (resource >= reusable[i].first && resource <= reusable[i].last)
			return reusable[i].type;
	return LWM2M_UNKNOWN;
}
