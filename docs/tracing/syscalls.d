#!/usr/sbin/dtrace -s
/*
 * System calls that each sample makes between its brackets, by name.
 *
 *     dtrace -s syscalls.d -c 'io-benchmark -r -b 4096 iofile'
 *
 * A probe on every system call takes about half a minute to remove again. Where you know which calls to
 * expect, name them instead of syscall:::entry (syscall::read:entry, syscall::write:entry); then what you
 * did not expect stays unseen.
 *
 * The bracket: each sample lies between two raw clock_gettime calls. Odd calls open, even ones close,
 * counted from the start of the program in its first thread: self->sample is the sample's number from the
 * return of the opening call to the entry of the closing one, and 0 everywhere else. A program that already
 * runs when the tracer comes, or another thread of it, is left alone: it might be anywhere.
 * The lab's script takes the return of the closing call for another opening: it goes on counting what the
 * program does after its loop (write, close, munmap, brk, exit_group ...). Here a closing call only closes.
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

/* The clause above has ended the sample before this one sees the closing call. */
syscall:::entry
/self->sample/
{
	@syscalls[pid, self->sample, probefunc] = count();
}

END
{
	printf("%8s %8s  %-24s %10s\n", "PID", "SAMPLE", "SYSTEM CALL", "COUNT");
	printa("%8d %8d  %-24s %@10d\n", @syscalls);
}
