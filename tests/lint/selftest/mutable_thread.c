/* gateway/base/x.c: mutable_variable */
static int f(void)
{
	static const _Thread_local int calls;

	return calls;
}
