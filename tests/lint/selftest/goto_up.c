/* gateway/base/x.c: goto_up */
static int f(int a)
{
again:
	if (a--)
		goto again;
	return a;
}
