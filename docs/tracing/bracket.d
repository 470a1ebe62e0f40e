/*
 * The bracket of a sample, for the other scripts in this folder. It prints nothing by itself and needs one of
 * them behind it:
 *
 *     dtrace -s bracket.d -s syscalls.d -c 'io-benchmark -r -b 4096 iofile'
 *
 * Each sample lies between two raw clock_gettime calls. Odd calls open it, even calls close it, counted from
 * the start of the program. sample[pid] is the number of the sample from the return of the opening call to the
 * entry of the closing call, and 0 everywhere else. The scripts test it in their predicates and use it as a
 * key. All threads of the program count, for each may be a worker (--threads).
 *
 * A program that already runs when the tracer starts is not followed: the tracer cannot know whether it is
 * inside a sample.
 */

#pragma D option quiet

int ours[int];
int calls[int];
int sample[int];

proc:::exec-success
/execname == "io-benchmark" || execname == "iobench"/
{
	ours[pid] = 1;
	calls[pid] = 0;
	sample[pid] = 0;
}

/* The program of -c has been started, and stopped, before there were probes. */
syscall::clock_gettime:entry
/pid == $target && (execname == "io-benchmark" || execname == "iobench")/
{
	ours[pid] = 1;
}

syscall::clock_gettime:entry
/ours[pid]/
{
	calls[pid]++;
	sample[pid] = 0;
}

syscall::clock_gettime:return
/ours[pid] && calls[pid] % 2 == 1/
{
	sample[pid] = (calls[pid] + 1) / 2;
}
