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
 * The bracket: each sample lies between two raw clock_gettime calls of one thread. Odd calls open, even
 * ones close; self->sample is the sample's number from the return of the opening call to the entry of
 * the closing one, and 0 everywhere else.
 */

#pragma D option quiet

syscall::clock_gettime:entry
/execname == "io-benchmark" || execname == "iobench"/
{
	self->calls++;
	self->sample = 0;
}

syscall::clock_gettime:return
/self->calls % 2 == 1/
{
	self->sample = (self->calls + 1) / 2;
}

io:::start
/self->sample/
{
	@blocks[self->sample, args[0]->b_flags & B_READ ? "read" : "write", args[0]->b_bcount] = count();
}

END
{
	printf("%8s  %-8s %10s %10s\n", "SAMPLE", "KIND", "BYTES", "COUNT");
	printa("%8d  %-8s %10d %@10d\n", @blocks);
}
