#!/usr/sbin/dtrace -s
/*
 * How often each sample gives up its processor between its brackets, and for how long: "waits" when the
 * thread sleeps until something happens (the device), "preempted" when the kernel lets another run.
 *
 *     dtrace -s sched.d -c 'io-benchmark -r -d -b 4096 iofile'
 *
 * Off-processor time runs from the switch away to the switch back: it includes the time from being woken to
 * running again.
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

/* By thread, and readable from any other: where fbt is missing, on-cpu does not fire (DTrace says nothing).
   So the switch back is the off-cpu of whoever makes room; its first argument is the next thread. */
int sample[int];
uint64_t left[int];

sched:::off-cpu
/self->sample/
{
	@switches[self->sample, curthread->__state ? "waits" : "preempted"] = count();
	sample[tid] = self->sample;
	left[tid] = timestamp;
}

sched:::off-cpu
/left[args[0]->pr_lwpid]/
{
	this->away = timestamp - left[args[0]->pr_lwpid];
	@off_cpu_ns[sample[args[0]->pr_lwpid]] = sum(this->away);
	@off_cpu_hist[sample[args[0]->pr_lwpid]] = quantize(this->away);
	left[args[0]->pr_lwpid] = 0;
}

END
{
	printf("%8s  %-10s %14s\n", "SAMPLE", "WHY", "SWITCHES");
	printa("%8d  %-10s %@14d\n", @switches);
	printf("\n%8s  %25s\n", "SAMPLE", "OFF CPU (NS)");
	printa("%8d  %@25d\n", @off_cpu_ns);
	printa("sample %d, nanoseconds off the processor%@d\n", @off_cpu_hist);
}
