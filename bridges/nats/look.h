/*
 * Which messages of a stream are to be looked at, so that none is missed that the outbox does not
 * know of: message by message, each the next one of our subject.
 *
 * What may be unknown was in flight together with the head of the window, so it is among the last
 * messages of the subject: those that this process remembers to have sent nothing before, or else
 * (a new process) as many as it takes until a whole window of known ones has been seen. In a stream
 * that many write to, these may be far apart: the step back is doubled each time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NATS_LOOKS_MAX 8192 /* messages; then it is left at that */

enum nats_look_next { NATS_LOOK_LAST, NATS_LOOK_NEXT, NATS_LOOK_DONE };

struct nats_look {
	uint64_t floor;			/* up to here nothing is news; 0: nobody knows */
	uint64_t begin;			/* the stream's first message */
	uint32_t window;
	uint64_t last;			/* the subject's last message; 0: it has none */
	uint64_t from, at, until;	/* the part being looked through; `until` is not of it */
	uint64_t step;
	uint32_t known, asked;
	enum nats_look_next next;
};

void nats_look_begin(struct nats_look *look, uint32_t window, uint64_t floor, uint64_t begin);
/* The answer to `next`: a message (`known`: the outbox need not be told of it), or none. */
void nats_look_found(struct nats_look *look, uint64_t seq, bool known);
void nats_look_none(struct nats_look *look);
