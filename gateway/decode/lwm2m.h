/* What LwM2M's objects say of their resources. */
#pragma once

#include <stdint.h>

enum lwm2m_type {
	LWM2M_UNKNOWN,
	LWM2M_STRING,
	LWM2M_INTEGER,
	LWM2M_FLOAT,
	LWM2M_BOOLEAN,
	LWM2M_OPAQUE,
	LWM2M_LINK,
};

/* The type of a resource by the OMA registry, as far as it is kept here. */
enum lwm2m_type lwm2m_type_of(int object, int resource);
