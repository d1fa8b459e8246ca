/* gateway/base/x.c: mutable_variable */
struct fg_state fg_state = { 0 };
