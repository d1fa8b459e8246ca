/* A configuration's text: whatever it is, it is taken or every fault of it is named. */
#include "config/config.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct fg_shipped_profile shipped[] = { { .name = "json" }, { 0 } };
	struct fg_config *config = NULL;
	struct fg_config_diff diff;
	struct fg_faults faults;
	int r;

	fg_faults_init(&faults);
	r = fg_config_parse(fg_str((const char *)data, len), shipped, &faults, &config);
	/* refused without a word, or taken with a fault */
	if (r == 0 ? faults.faults != 0 || !config : faults.faults == 0 || config)
		abort();
	if (r == 0) {
		if (fg_config_diff(config, config, &faults, &diff) != 0)
			abort();
		for (size_t i = 0; i < diff.ndrivers; i++)
			if (diff.drivers[i].change != FG_SAME)
				abort();
		fg_config_diff_fini(&diff);
	}
	fg_config_free(config);
	fg_faults_fini(&faults);
	return 0;
}
