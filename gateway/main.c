/* The program: nothing but its commands. */
#include "cli/cli.h"

#include <malloc.h>
#include <signal.h>

int main(int argc, char **argv)
{
	/* a peer that went away is an error of write(), not the end of the gateway */
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &ignore, NULL);
	/* workers allocate seldom: a heap of their own would cost more than waiting for a lock */
	mallopt(M_ARENA_MAX, 1);
	return fg_cli_main(argc, argv);
}
