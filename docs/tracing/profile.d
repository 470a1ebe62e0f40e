/*
 * Where the processor is when a clock that ticks 997 times a second looks at it between the brackets: the
 * kernel function, or "user" for the program itself.
 *
 *     dtrace -s bracket.d -s profile.d -c 'io-benchmark -r -b 512 iofile'
 *
 * 997 and not 1000: a frequency that nothing else ticks at does not fall into step with it. On some virtual
 * machines only processor 0 ticks; the benchmark runs there.
 */

profile-997
/sample[pid] && arg0/
{
	@kernel[pid, sample[pid], func(arg0)] = count();
}

profile-997
/sample[pid] && !arg0/
{
	@user[pid, sample[pid]] = count();
}

END
{
	printf("%8s %8s  %-40s %10s\n", "PID", "SAMPLE", "FUNCTION", "SAMPLES");
	printa("%8d %8d  %-40a %@10d\n", @kernel);
	printa("%8d %8d  user                                     %@10d\n", @user);
}
