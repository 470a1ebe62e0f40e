#!/usr/sbin/dtrace -s
/*
 * What each sample brings into the page cache between its brackets: pages inserted, by how many come at once
 * (a folio), and how often a read set off readahead: "sync" for pages that it needs now, "async" for the
 * next window, while pages are left.
 *
 *     dtrace -s cache.d -c 'io-benchmark -r -b 4096 iofile'
 *
 * A warm file shows nothing: everything is there already. Drop it first:
 * dd if=iofile iflag=nocache count=0
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

sdt:filemap::mm_filemap_add_to_page_cache
/self->sample/
{
	@insertions[pid, self->sample, 1 << args[4]] = count();
	@pages[pid, self->sample] = sum(1 << args[4]);
}

sdt:readahead::page_cache_sync_ra,
sdt:readahead::page_cache_async_ra
/self->sample/
{
	@readahead[pid, self->sample, probename == "page_cache_sync_ra" ? "sync" : "async"] = count();
}

END
{
	printf("%8s %8s  %-24s %10s\n", "PID", "SAMPLE", "WHAT", "COUNT");
	printa("%8d %8d  pages inserted           %@10d\n", @pages);
	printa("%8d %8d  insertions of %4d pages %@10d\n", @insertions);
	printa("%8d %8d  readahead, %-12s  %@10d\n", @readahead);
}
