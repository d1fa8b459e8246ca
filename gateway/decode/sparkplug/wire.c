/* The generated reader of the messages; its code is not held to the warnings of ours. */
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include <sparkplug_b.pb-c.c>
