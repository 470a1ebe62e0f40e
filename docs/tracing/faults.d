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

sdt:exceptions::page_fault_user,
sdt:exceptions::page_fault_kernel
/self->sample/
{
	@faults[self->sample, probename == "page_fault_user" ? "user" : "kernel"] = count();
}

END
{
	printf("%8s  %-8s %10s\n", "SAMPLE", "MODE", "COUNT");
	printa("%8d  %-8s %@10d\n", @faults);
}
