/* The program: nothing but its commands. */
#include "cli/cli.h"

#include <signal.h>

int main(int argc, char **argv)
{
	/* a peer that went away is an error of write(), not the end of the gateway */
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &ignore, NULL);
	return fg_cli_main(argc, argv);
}
