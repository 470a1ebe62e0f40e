/*
 * How often each sample gives up its processor between its brackets, and for how long: "waits" when the
 * thread sleeps until something happens (the device), "preempted" when the kernel lets another run.
 *
 *     dtrace -s bracket.d -s sched.d -c 'io-benchmark -r -d -b 4096 iofile'
 *
 * Off-processor time runs from the switch away to the switch back: it includes the time from being woken to
 * running again.
 */

/* By thread. Where fbt is missing, on-cpu does not fire (DTrace says nothing). So the switch back is the off-cpu
   of whoever makes room; its first argument is the next thread. */
uint64_t left[int];
int process[int];

sched:::off-cpu
/sample[pid]/
{
	@switches[pid, sample[pid], curthread->__state ? "waits" : "preempted"] = count();
	process[tid] = pid;
	left[tid] = timestamp;
}

sched:::off-cpu
/left[args[0]->pr_lwpid]/
{
	this->away = timestamp - left[args[0]->pr_lwpid];
	this->process = process[args[0]->pr_lwpid];
	@off_cpu_ns[this->process, sample[this->process]] = sum(this->away);
	@off_cpu_hist[this->process, sample[this->process]] = quantize(this->away);
	left[args[0]->pr_lwpid] = 0;
}

END
{
	printf("%8s %8s  %-10s %14s\n", "PID", "SAMPLE", "WHY", "SWITCHES");
	printa("%8d %8d  %-10s %@14d\n", @switches);
	printf("\n%8s %8s  %25s\n", "PID", "SAMPLE", "OFF CPU (NS)");
	printa("%8d %8d  %@25d\n", @off_cpu_ns);
	printa("pid %d, sample %d, nanoseconds off the processor%@d\n", @off_cpu_hist);
}
