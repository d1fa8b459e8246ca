/* gateway/base/x.h: pragma_once */
int f(void);
