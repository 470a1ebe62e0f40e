#!/usr/sbin/dtrace -s
/*
 * What each sample asks of the block layer between its brackets: reads and writes by size in bytes.
 *
 *     dtrace -s block.d -c 'io-benchmark -r -d -b 4096 iofile'
 *
 * io:::start fires in the thread that submits, so readahead that a read sets off counts and the kernel's own
 * write-back, which runs in another thread, does not. It sees what is submitted (a "bio"): the block layer
 * may still merge several into one request to the device or split one; block.bt shows both.
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

io:::start
/self->sample/
{
	@blocks[pid, self->sample, args[0]->b_flags & B_READ ? "read" : "write", args[0]->b_bcount] = count();
}

END
{
	printf("%8s %8s  %-8s %10s %10s\n", "PID", "SAMPLE", "KIND", "BYTES", "COUNT");
	printa("%8d %8d  %-8s %10d %@10d\n", @blocks);
}
