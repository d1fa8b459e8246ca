/* gateway/profile/x.c: include_layers */
#include "intake/intake.h"
