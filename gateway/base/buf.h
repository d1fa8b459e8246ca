/* Drivers and bridges write into these buffers too, so the header stands with theirs. */
#pragma once

#include <fg/buf.h>
