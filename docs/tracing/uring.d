/*
 * io_uring requests that each sample submits between its brackets, by operation code (22 read, 23 write,
 * 4 and 5 with a registered buffer; <linux/io_uring.h> has them all), their completions by outcome, and how
 * often the program enters the kernel for them.
 *
 *     dtrace -s bracket.d -s uring.d -c 'iobench --strategy io_uring -r -b 4096 iofile'
 *
 * A submission or a completion may run in a thread of the kernel (a polling thread, a worker), so a ring
 * belongs to the program that made it, not to the thread that happens to run.
 */

int owner[void *];	/* the program that made a ring */

sdt:io_uring::io_uring_create
/execname == "io-benchmark" || execname == "iobench"/
{
	owner[args[1]] = pid;
}

sdt:io_uring::io_uring_submit_req
/sample[owner[args[0]]]/
{
	@submissions[owner[args[0]], sample[owner[args[0]]], args[3]] = count();
}

sdt:io_uring::io_uring_complete
/sample[owner[args[0]]]/
{
	@completions[owner[args[0]], sample[owner[args[0]]], args[3] < 0 ? "failed" : "done"] = count();
}

syscall::io_uring_enter:entry
/sample[pid]/
{
	@enters[pid, sample[pid]] = count();
}

END
{
	printf("%8s %8s  %-20s %10s\n", "PID", "SAMPLE", "WHAT", "COUNT");
	printa("%8d %8d  submitted, code %3d  %@10d\n", @submissions);
	printa("%8d %8d  completed, %-8s  %@10d\n", @completions);
	printa("%8d %8d  io_uring_enter       %@10d\n", @enters);
}
