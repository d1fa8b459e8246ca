/* gateway/base/x.c: mutable_variable */
static int f(void)
{
	static int calls;

	return calls++;
}
