/* The last line of an answer, for both who wait for it and who do not. */
#include <fg/doc.h>

#include "control/client.h"
#include "control/control.h"
#include "decode/decode.h"

#include <errno.h>

int fg_control_result_read(struct fg_str line, struct fg_control_result *result)
{
	struct fg_str ok = FG_STR("ok"), status = FG_STR("status"), error;
	const struct fg_node *node;
	struct fg_doc doc;
	int r = -EPROTO;

	*result = (struct fg_control_result){ .status = FG_CONTROL_FAILED };
	fg_doc_init(&doc, 4, line.len);
	if (fg_json_parse(line, &doc) == 0) {
		node = fg_doc_find(&doc, &ok, 1);
		result->ok = node && node->value.kind == FG_BOOL && node->value.b;
		node = fg_doc_find(&doc, &status, 1);
		if (node && node->value.kind == FG_INT && node->value.i >= FG_CONTROL_NO &&
		    node->value.i <= FG_CONTROL_FAILED)
			result->status = (int)node->value.i;
		error = fg_control_text(&doc, "error");
		if (error.len >= sizeof(result->error))
			error.len = sizeof(result->error) - 1;
		if (error.len)
			memcpy(result->error, error.ptr, error.len);
		r = 0;
	}
	fg_doc_fini(&doc);
	return r;
}
