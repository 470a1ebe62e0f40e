#!/usr/sbin/dtrace -s
/*
 * Where the processor is when a clock that ticks 997 times a second looks at it between the brackets: the
 * kernel function, or "user" for the program itself.
 *
 *     dtrace -s profile.d -c 'io-benchmark -r -b 512 iofile'
 *
 * 997 and not 1000: a frequency that nothing else ticks at does not fall into step with it. On some virtual
 * machines only processor 0 ticks; the benchmark runs there.
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

profile-997
/self->sample && arg0/
{
	@kernel[pid, self->sample, func(arg0)] = count();
}

profile-997
/self->sample && !arg0/
{
	@user[pid, self->sample] = count();
}

END
{
	printf("%8s %8s  %-40s %10s\n", "PID", "SAMPLE", "FUNCTION", "SAMPLES");
	printa("%8d %8d  %-40a %@10d\n", @kernel);
	printa("%8d %8d  user                                     %@10d\n", @user);
}
