/* gateway/decode/x.c: include_foreign */
#include <cjson/cJSON.h>
