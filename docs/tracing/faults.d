/*
 * Page faults that each sample takes between its brackets: "user" when the program itself touched the page
 * (a mapped file), "kernel" when the kernel did on its behalf (read into a buffer never touched before).
 *
 *     dtrace -s bracket.d -s faults.d -c 'io-benchmark -r -b 4096 iofile'
 *
 * The vminfo provider of other systems does not exist on Linux; these are the kernel's own tracepoints.
 * They exist on x86; elsewhere the cpc provider counts faults (dtrace -l -P cpc).
 */

sdt:exceptions::page_fault_user,
sdt:exceptions::page_fault_kernel
/sample[pid]/
{
	@faults[pid, sample[pid], probename == "page_fault_user" ? "user" : "kernel"] = count();
}

END
{
	printf("%8s %8s  %-8s %10s\n", "PID", "SAMPLE", "MODE", "COUNT");
	printa("%8d %8d  %-8s %@10d\n", @faults);
}
