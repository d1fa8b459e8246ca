/* gateway/base/x.c: typedef_struct */
typedef struct fg_x fg_x_t;
