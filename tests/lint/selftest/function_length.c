/* gateway/base/x.c: function_length */
static void f(void)
{
@LINES 81@
}
