/* A process that is left over from a run with more: whether its sources have what was theirs. */
#include "intake/private.h"

void fg_source_drained(struct fg_source *source)
{
	((struct fg_inlet *)source)->drained = true;
	fg_loop_hurry(source->loop);
}

bool fg_intake_drained(const struct fg_intake *intake)
{
	for (const struct fg_inlet *i = intake->inlets; i; i = i->next)
		if (!i->drained)
			return false;
	return true;
}
