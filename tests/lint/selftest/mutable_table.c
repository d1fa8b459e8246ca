/* gateway/base/x.c: mutable_variable */
static int (*table[2])(void);
