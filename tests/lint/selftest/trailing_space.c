/* gateway/base/x.c: trailing_space */
int f(void);@SPACE@
