/* gateway/base/x.c: include_layers */
#include "loop/loop_private.h"
