/* The program: nothing but its commands. */
#include "cli/cli.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

/* What is written to a standard stream must not reach whatever was opened in its place, and not
 * count as written where nobody has it. */
static void streams_fill(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= STDIN_FILENO && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	/* a peer that went away is an error of write(), not the end of the gateway */
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	streams_fill();
	sigaction(SIGPIPE, &ignore, NULL);
	/* workers allocate seldom: a heap of their own would cost more than waiting for a lock */
	mallopt(M_ARENA_MAX, 1);
	return fg_cli_main(argc, argv);
}
