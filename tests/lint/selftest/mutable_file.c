/* gateway/base/x.c: mutable_variable */
static int counter;
