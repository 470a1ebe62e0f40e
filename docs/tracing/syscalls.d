/*
 * System calls that each sample makes between its brackets, by name.
 *
 *     dtrace -s bracket.d -s syscalls.d -c 'io-benchmark -r -b 4096 iofile'
 *
 * A probe on every system call takes about half a minute to remove again. Where you know which calls to
 * expect, name them instead of syscall:::entry (syscall::read:entry, syscall::write:entry); then what you
 * did not expect stays unseen.
 *
 * The lab's script takes the return of the closing call for another opening: it goes on counting what the
 * program does after its loop (write, close, munmap, brk, exit_group ...). Here a closing call only closes.
 */

/* The clauses of bracket.d run first: they have ended the sample before this clause sees the closing call. */
syscall:::entry
/sample[pid]/
{
	@syscalls[pid, sample[pid], probefunc] = count();
}

END
{
	printf("%8s %8s  %-24s %10s\n", "PID", "SAMPLE", "SYSTEM CALL", "COUNT");
	printa("%8d %8d  %-24s %@10d\n", @syscalls);
}
