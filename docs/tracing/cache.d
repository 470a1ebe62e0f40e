/*
 * What each sample brings into the page cache between its brackets: pages inserted, by how many come at once
 * (a folio), and how often a read set off readahead: "sync" for pages that it needs now, "async" for the
 * next window, while pages are left.
 *
 *     dtrace -s bracket.d -s cache.d -c 'io-benchmark -r -b 4096 iofile'
 *
 * A warm file shows nothing: everything is there already. Drop it first:
 * dd if=iofile iflag=nocache count=0
 */

sdt:filemap::mm_filemap_add_to_page_cache
/sample[pid]/
{
	@insertions[pid, sample[pid], 1 << args[4]] = count();
	@pages[pid, sample[pid]] = sum(1 << args[4]);
}

sdt:readahead::page_cache_sync_ra,
sdt:readahead::page_cache_async_ra
/sample[pid]/
{
	@readahead[pid, sample[pid], probename == "page_cache_sync_ra" ? "sync" : "async"] = count();
}

END
{
	printf("%8s %8s  %-24s %10s\n", "PID", "SAMPLE", "WHAT", "COUNT");
	printa("%8d %8d  pages inserted           %@10d\n", @pages);
	printa("%8d %8d  insertions of %4d pages %@10d\n", @insertions);
	printa("%8d %8d  readahead, %-12s  %@10d\n", @readahead);
}
