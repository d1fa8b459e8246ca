/* The file of a control socket. */
#pragma once

#include <sys/un.h>

/* -ENAMETOOLONG */
int control_address(const char *path, struct sockaddr_un *ret_address);
/* A listening socket at path; see fg_control_open(). A descriptor or -errno. */
int control_listen(const char *path);
