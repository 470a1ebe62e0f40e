/*
 * What each sample asks of the block layer between its brackets: reads and writes by size in bytes.
 *
 *     dtrace -s bracket.d -s block.d -c 'io-benchmark -r -d -b 4096 iofile'
 *
 * io:::start fires in the thread that submits, so readahead that a read sets off counts and the kernel's own
 * write-back, which runs in another thread, does not. It sees what is submitted (a "bio"): the block layer
 * may still merge several into one request to the device or split one; block.bt shows both.
 */

io:::start
/sample[pid]/
{
	@blocks[pid, sample[pid], args[0]->b_flags & B_READ ? "read" : "write", args[0]->b_bcount] = count();
}

END
{
	printf("%8s %8s  %-8s %10s %10s\n", "PID", "SAMPLE", "KIND", "BYTES", "COUNT");
	printa("%8d %8d  %-8s %10d %@10d\n", @blocks);
}
