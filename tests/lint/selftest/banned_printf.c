/* bridges/file/x.c: banned_function */
static void f(void)
{
	printf("x");
}
