/* gateway/base/x.c: unfinished */
/* TODO: later */
