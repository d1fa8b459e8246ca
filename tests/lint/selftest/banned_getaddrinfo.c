/* gateway/adapt/x.c: banned_function */
static int f(struct addrinfo **ret)
{
	return getaddrinfo("x", NULL, NULL, ret);
}
