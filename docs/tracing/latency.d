/*
 * How long each system call takes that a sample makes between its brackets: a histogram for each name,
 * in nanoseconds.
 *
 *     dtrace -s bracket.d -s latency.d -c 'io-benchmark -r -b 4096 iofile'
 *
 * Named are the calls that move data or wait for it; a probe on every call takes half a minute to remove.
 */

syscall::read:entry, syscall::write:entry,
syscall::pread64:entry, syscall::pwrite64:entry,
syscall::preadv*:entry, syscall::pwritev*:entry,
syscall::io_uring_enter:entry,
syscall::fsync:entry, syscall::fdatasync:entry, syscall::msync:entry
/sample[pid]/
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
	@latency_ns[pid, sample[pid], probefunc] = quantize(timestamp - self->start);
	self->start = 0;
}

END
{
	printa("pid %d, sample %d, %s, nanoseconds%@d\n", @latency_ns);
}
