/* gateway/spool/x.c: include_foreign */
#include <mosquitto.h>
