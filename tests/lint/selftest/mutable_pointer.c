/* gateway/base/x.c: mutable_variable */
static const char *name = "x";
