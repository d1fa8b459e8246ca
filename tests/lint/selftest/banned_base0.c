/* gateway/base/x.c: banned_function */
static long f(const char *p, char **end)
{
	return strtol(p, end, 0);
}
