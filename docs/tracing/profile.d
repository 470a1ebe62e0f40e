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

profile-997
/self->sample && arg0/
{
	@kernel[self->sample, func(arg0)] = count();
}

profile-997
/self->sample && !arg0/
{
	@user[self->sample] = count();
}

END
{
	printf("%8s  %-40s %10s\n", "SAMPLE", "FUNCTION", "SAMPLES");
	printa("%8d  %-40a %@10d\n", @kernel);
	printa("%8d  user                                     %@10d\n", @user);
}
