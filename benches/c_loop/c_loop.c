/*
 * The floor for iobench's loops: the smallest honest C loop of each kind.
 *
 *     c_loop read|write|pread64|pwrite64|mapping FILE BLOCK_BYTES TOTAL_BYTES ITERATIONS [THREADS]
 *
 * Each iteration maps and prefaults a buffer, opens the file (and maps it, for mapping), and takes
 * the same bracket as iobench: two raw clock_gettime system calls with TOTAL_BYTES / BLOCK_BYTES
 * transfers and nothing else between them. It prints one line per iteration: nanoseconds.
 *
 * With THREADS, each of them has a descriptor, a buffer, a CPU and a segment of the file of its own. They wait
 * for each other in memory. The first thread takes the bracket.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#else
#include <sys/param.h>
#include <sys/cpuset.h>
#endif

struct job {
	int fd;
	char *buffer;
	const char *mapping; /* of the file; mode mapping only */
	size_t block_bytes;
	size_t blocks;
	off_t start; /* of the segment */
};

struct mode {
	const char *name;
	int open_flags;
	int maps_file;
	void (*loop)(const struct job *);
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* One loop per mode, so that no loop tests its mode. */

static void loop_read(const struct job *job)
{
	const int fd = job->fd;
	char *const buffer = job->buffer;
	const size_t block_bytes = job->block_bytes;

	for (size_t left = job->blocks; left > 0; left--)
		if (read(fd, buffer, block_bytes) != (ssize_t)block_bytes)
			fail("read");
}

static void loop_write(const struct job *job)
{
	const int fd = job->fd;
	char *const buffer = job->buffer;
	const size_t block_bytes = job->block_bytes;

	for (size_t left = job->blocks; left > 0; left--)
		if (write(fd, buffer, block_bytes) != (ssize_t)block_bytes)
			fail("write");
}

static void loop_pread(const struct job *job)
{
	const int fd = job->fd;
	char *const buffer = job->buffer;
	const size_t block_bytes = job->block_bytes;
	const off_t end = job->start + (off_t)(job->blocks * block_bytes);

	for (off_t at = job->start; at < end; at += (off_t)block_bytes)
		if (pread(fd, buffer, block_bytes, at) != (ssize_t)block_bytes)
			fail("pread");
}

static void loop_pwrite(const struct job *job)
{
	const int fd = job->fd;
	char *const buffer = job->buffer;
	const size_t block_bytes = job->block_bytes;
	const off_t end = job->start + (off_t)(job->blocks * block_bytes);

	for (off_t at = job->start; at < end; at += (off_t)block_bytes)
		if (pwrite(fd, buffer, block_bytes, at) != (ssize_t)block_bytes)
			fail("pwrite");
}

static void loop_mmap(const struct job *job)
{
	char *const buffer = job->buffer;
	const size_t block_bytes = job->block_bytes;
	const char *const start = job->mapping + job->start;
	const char *const end = start + job->blocks * block_bytes;

	for (const char *at = start; at < end; at += block_bytes) {
		memcpy(buffer, at, block_bytes);
		/* Not an instruction. Keeps the compiler from dropping a copy that the next one overwrites. */
		__asm__ volatile("" : : "r"(buffer) : "memory");
	}
}

static const struct mode modes[] = {
	{ "read", O_RDONLY, 0, loop_read },
	{ "write", O_WRONLY, 0, loop_write },
	{ "pread64", O_RDONLY, 0, loop_pread },
	{ "pwrite64", O_WRONLY, 0, loop_pwrite },
	{ "mapping", O_RDONLY, 1, loop_mmap },
};

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	return NULL;
}

/* The calling thread. */
static void pin_to_cpu(int cpu)
{
#ifdef __linux__
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof cpus, &cpus) != 0)
		fail("sched_setaffinity");
#else
	cpuset_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (cpuset_setaffinity(CPU_LEVEL_WHICH, CPU_WHICH_TID, -1, sizeof cpus, &cpus) != 0)
		fail("cpuset_setaffinity");
#endif
}

/* The raw system call, as in iobench: a trace does not show calls of the vDSO. */
static int64_t now_ns(void)
{
	struct timespec now;

	if (syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) != 0)
		fail("clock_gettime");
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *map_or_fail(size_t bytes, int protection, int flags, int fd)
{
	void *mapping = mmap(NULL, bytes, protection, flags, fd, 0);

	if (mapping == MAP_FAILED)
		fail("mmap");
	return mapping;
}

static void open_job(struct job *job, const struct mode *mode, const char *path)
{
	const size_t end_bytes = (size_t)job->start + job->block_bytes * job->blocks;

	job->buffer = map_or_fail(job->block_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1);
	memset(job->buffer, 1, job->block_bytes); /* prefault */
	job->fd = open(path, mode->open_flags);
	if (job->fd < 0)
		fail(path);
	if (lseek(job->fd, job->start, SEEK_SET) < 0)
		fail("lseek");
	if (mode->maps_file)
		job->mapping = map_or_fail(end_bytes, PROT_READ, MAP_SHARED, job->fd);
}

static void close_job(const struct job *job)
{
	if (job->mapping)
		munmap((void *)(uintptr_t)job->mapping, (size_t)job->start + job->block_bytes * job->blocks);
	close(job->fd);
	munmap(job->buffer, job->block_bytes);
}

/* What the threads of an iteration share. */
static struct {
	const struct mode *mode;
	const char *path;
	atomic_int ready, started, done, closed;
} team;

struct worker {
	pthread_t thread;
	int cpu;
	struct job job;
};

static void *work(void *argument)
{
	struct worker *const worker = argument;

	pin_to_cpu(worker->cpu);
	open_job(&worker->job, team.mode, team.path);
	atomic_fetch_add(&team.ready, 1);
	while (!atomic_load(&team.started))
		;
	team.mode->loop(&worker->job);
	atomic_fetch_add(&team.done, 1);
	while (!atomic_load(&team.closed))
		;
	close_job(&worker->job);
	return NULL;
}

static int64_t iterate(const struct mode *mode, const char *path, size_t block_bytes, size_t blocks, int threads)
{
	struct worker workers[threads];

	team.mode = mode;
	team.path = path;
	team.ready = team.started = team.done = team.closed = 0;
	for (int i = 0; i < threads; i++) {
		const size_t share = blocks / threads;
		const off_t start = (off_t)(block_bytes * share * i);
		workers[i] = (struct worker){
			.cpu = i,
			.job = { .block_bytes = block_bytes, .blocks = share, .start = start },
		};
		if (i > 0 && pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			fail("pthread_create");
	}
	struct job *const own = &workers[0].job;
	open_job(own, mode, path);
	while (atomic_load(&team.ready) < threads - 1)
		;

	const int64_t opened_ns = now_ns();
	atomic_store(&team.started, 1);
	mode->loop(own);
	while (atomic_load(&team.done) < threads - 1)
		;
	const int64_t closed_ns = now_ns();

	atomic_store(&team.closed, 1);
	for (int i = 1; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	close_job(own);
	return closed_ns - opened_ns;
}

int main(int argc, char **argv)
{
	const struct mode *mode = argc == 6 || argc == 7 ? find_mode(argv[1]) : NULL;
	const size_t block_bytes = mode ? strtoull(argv[3], NULL, 10) : 0;
	const size_t total_bytes = mode ? strtoull(argv[4], NULL, 10) : 0;
	const int threads = argc == 7 ? atoi(argv[6]) : 1;

	if (block_bytes == 0 || threads < 1 || total_bytes % (block_bytes * threads) != 0) {
		fprintf(stderr, "usage: c_loop read|write|pread64|pwrite64|mapping FILE BLOCK_BYTES TOTAL_BYTES ITERATIONS"
				" [THREADS]\n");
		return 64;
	}
	pin_to_cpu(0);
	for (long left = strtol(argv[5], NULL, 10); left > 0; left--)
		printf("%lld\n", (long long)iterate(mode, argv[2], block_bytes, total_bytes / block_bytes, threads));
	return 0;
}
