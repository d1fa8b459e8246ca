/* Any bytes as packets that a broker of MQTT 5 sends, one behind the other and cut off anywhere. */
#include "adapt/mosquitto_guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* In memory of its own, so that reading behind it is seen. */
static int guard(const uint8_t *data, size_t len, struct fg_mqtt_head *head)
{
	uint8_t *copy = malloc(len ? len : 1);
	int r;

	memcpy(copy, data, len);
	r = fg_mqtt_guard(copy, len, head);
	free(copy);
	return r;
}

/* What came in pieces is found as what came at once: good or bad, only later. */
static void pieces_agree(const uint8_t *data, size_t len, int whole)
{
	struct fg_mqtt_head head;

	for (size_t cut = 0; cut < len && cut < 64; cut++) {
		int r = guard(data, cut, &head);

		if (r != -EAGAIN && r != whole)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	for (;;) {
		struct fg_mqtt_head head = { 0 };
		int r = guard(data, len, &head);

		if (r != 0 && r != -EAGAIN && r != -EBADMSG)
			abort();
		if (r != -EAGAIN)
			pieces_agree(data, len, r);
		if (r < 0 || head.len > len)
			return 0;
		if (head.len < 2)
			abort();
		data += head.len;
		len -= head.len;
	}
}
