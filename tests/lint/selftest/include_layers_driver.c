/* drivers/mqtt/x.c: include_layers */
#include "spool/spool.h"
