#!/usr/sbin/dtrace -s
/*
 * Page faults that each sample takes between its brackets: "user" when the program itself touched the page
 * (a mapped file), "kernel" when the kernel did on its behalf (read into a buffer never touched before).
 *
 *     dtrace -s faults.d -c 'io-benchmark -r -b 4096 iofile'
 *
 * The vminfo provider of other systems does not exist on Linux; these are the kernel's own tracepoints.
 * They exist on x86; elsewhere the cpc provider counts faults (dtrace -l -P cpc).
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

sdt:exceptions::page_fault_user,
sdt:exceptions::page_fault_kernel
/self->sample/
{
	@faults[pid, self->sample, probename == "page_fault_user" ? "user" : "kernel"] = count();
}

END
{
	printf("%8s %8s  %-8s %10s\n", "PID", "SAMPLE", "MODE", "COUNT");
	printa("%8d %8d  %-8s %@10d\n", @faults);
}
