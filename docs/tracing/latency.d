#!/usr/sbin/dtrace -s
/*
 * How long each system call takes that a sample makes between its brackets: a histogram for each name,
 * in nanoseconds.
 *
 *     dtrace -s latency.d -c 'io-benchmark -r -b 4096 iofile'
 *
 * Named are the calls that move data or wait for it; a probe on every call takes half a minute to remove.
 *
 * The bracket: each sample lies between two raw clock_gettime calls. Odd calls open, even ones close,
 * counted from the start of the program in its first thread: self->sample is the sample's number from the
 * return of the opening call to the entry of the closing one, and 0 everywhere else. A program that already
 * runs when the tracer comes, or another thread of it, is left alone: it might be anywhere.
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

syscall::read:entry, syscall::write:entry,
syscall::pread64:entry, syscall::pwrite64:entry,
syscall::preadv*:entry, syscall::pwritev*:entry,
syscall::io_uring_enter:entry,
syscall::fsync:entry, syscall::fdatasync:entry, syscall::msync:entry
/self->sample/
{
	self->start = timestamp;
}

syscall::read:return, syscall::write:return,
syscall::pread64:return, syscall::pwrite64:return,
syscall::preadv*:return, syscall::pwritev*:return,
syscall::io_uring_enter:return,
syscall::fsync:return, syscall::fdatasync:return, syscall::msync:return
/self->start/
{
	@latency_ns[pid, self->sample, probefunc] = quantize(timestamp - self->start);
	self->start = 0;
}

END
{
	printa("pid %d, sample %d, %s, nanoseconds%@d\n", @latency_ns);
}
