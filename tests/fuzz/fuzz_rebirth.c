/* Any bytes as a command to the edge node, where the bridge is built. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../bridges/sparkplug/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A payload that asks goes on to ask with another metric behind it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fg_value value = { .kind = FG_INT, .i = (int64_t)len };
	struct fg_buf more;

	if (!wire_asks_rebirth(fg_str((const char *)data, len)))
		return 0;
	fg_buf_init(&more, len + 256);
	fg_buf_add(&more, data, len);
	wire_metric(&more, &(struct wire_metric){
				   .name = FG_STR("n"), .type = SPB_INT64, .value = &value });
	if (!wire_asks_rebirth(fg_buf_view(&more)))
		abort();
	fg_buf_fini(&more);
	return 0;
}
