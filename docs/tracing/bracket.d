/*
 * The bracket of a sample, for the other scripts in this folder. It prints nothing by itself and needs one of
 * them behind it:
 *
 *     dtrace -s bracket.d -s syscalls.d -c 'io-benchmark -r -b 4096 iofile'
 *
 * Each sample lies between two raw clock_gettime calls. Odd calls open it, even calls close it, counted from
 * the start of the program in its first thread. self->sample is the number of the sample from the return of
 * the opening call to the entry of the closing call, and 0 everywhere else. The scripts test it in their
 * predicates and use it as a key.
 *
 * A program that already runs when the tracer starts is not followed, nor is another thread of it: the
 * tracer cannot know whether it is inside a sample.
 */

#pragma D option quiet

proc:::exec-success
/execname == "io-benchmark" || execname == "iobench"/
{
	self->ours = 1;
	self->calls = 0;
	self->sample = 0;
}

/* The program of -c has been started, and stopped, before there were probes. */
syscall::clock_gettime:entry
/pid == $target && (execname == "io-benchmark" || execname == "iobench")/
{
	self->ours = 1;
}

syscall::clock_gettime:entry
/self->ours/
{
	self->calls++;
	self->sample = 0;
}

syscall::clock_gettime:return
/self->ours && self->calls % 2 == 1/
{
	self->sample = (self->calls + 1) / 2;
}
