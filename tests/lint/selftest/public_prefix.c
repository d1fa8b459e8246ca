/* gateway/base/x.c: public_prefix */
int frob(void)
{
	return 0;
}
