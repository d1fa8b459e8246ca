/* gateway/base/x.c: banned_function */
static void f(char *p)
{
	sprintf(p, "x");
}
