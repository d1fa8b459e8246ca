/* Looking into answers. What is missing, or of another kind, is "", 0 or NULL. */
#pragma once

#include <cjson/cJSON.h>

static inline const cJSON *cli_member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static inline const char *cli_text(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cli_member(object, key));

	return text ? text : "";
}

static inline double cli_number(const cJSON *object, const char *key)
{
	const cJSON *item = cli_member(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

/* Of the numbers that are an object's members. */
static inline double cli_sum(const cJSON *object)
{
	const cJSON *item;
	double sum = 0;

	cJSON_ArrayForEach(item, object)
		sum += cJSON_IsNumber(item) ? item->valuedouble : 0;
	return sum;
}
