/* Reads and writes the options that the driver cares for. */
#include "server.h"

#include <errno.h>
#include <string.h>

static bool segment_ok(struct fg_str s)
{
	return s.len > 0 && !memchr(s.ptr, '/', s.len) && !memchr(s.ptr, '\0', s.len);
}

int fg_coap_path(const coap_pdu_t *request, char *out, size_t cap, struct fg_str *ret_path)
{
	coap_opt_iterator_t it;
	coap_opt_filter_t filter;
	coap_opt_t *option;
	size_t len = 0;

	coap_option_filter_clear(&filter);
	coap_option_filter_set(&filter, COAP_OPTION_URI_PATH);
	coap_option_iterator_init(request, &it, &filter);
	while ((option = coap_option_next(&it))) {
		struct fg_str s =
			fg_str((const char *)coap_opt_value(option), coap_opt_length(option));

		if (!segment_ok(s) || s.len + 1 > cap - len)
			return -EINVAL;
		if (len)
			out[len++] = '/';
		memcpy(out + len, s.ptr, s.len);
		len += s.len;
	}
	if (len == 0)
		return -EINVAL;
	*ret_path = fg_str(out, len);
	return 0;
}

bool fg_coap_is_conditional(const coap_pdu_t *request)
{
	coap_opt_iterator_t it;

	return coap_check_option(request, COAP_OPTION_IF_MATCH, &it) ||
	       coap_check_option(request, COAP_OPTION_IF_NONE_MATCH, &it);
}

int fg_coap_option_number(const coap_pdu_t *request, coap_option_num_t number, uint32_t *ret_value)
{
	coap_opt_iterator_t it;
	coap_opt_t *option = coap_check_option(request, number, &it);

	if (!option)
		return -ENOENT;
	if (coap_opt_length(option) > 4)
		return -EINVAL;
	*ret_value = coap_decode_var_bytes(coap_opt_value(option), coap_opt_length(option));
	return 0;
}

void fg_coap_add_number(coap_pdu_t *response, coap_option_num_t number, uint32_t value)
{
	uint8_t bytes[4];

	coap_add_option(response, number, coap_encode_var_safe(bytes, sizeof(bytes), value), bytes);
}
