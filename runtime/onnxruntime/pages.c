//go:build linux && cgo

#include "pages.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

// Blocks are of a power of two bytes or some quarters of one more. Freed ones wait in lists, by their sizes, to be given out again: of each
// size there are never more than were given out at once. All memory goes back to the system when the last block is freed.
enum { HEAD = 64, HUGE = 1 << 21, CHUNK = 1 << 25, SIZES = 256 };

typedef union block {
	struct { union block *next; int size; }; // size is the number of its list
	char head[HEAD];                         // memory for others begins behind it
} block;

typedef struct chunk { struct chunk *next; size_t bytes; } chunk;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static block *waiting[SIZES];
static chunk *chunks;     // each in its own memory
static char *from, *to;   // what is left of the newest
static size_t given;      // blocks that were not freed

// fit rounds n up to the size of a block, and returns the number of the list.
static int fit(size_t *n) {
	int k = 63 - __builtin_clzll(*n);
	size_t quarter = (size_t)1 << (k - 2);
	*n = (*n + quarter - 1) / quarter * quarter;
	return 4 * k + (int)(*n / quarter) - 4; // five quarters more are the next power's first
}

// grow takes memory for a block of n bytes from the system, from an address on at which a huge page can begin.
static int grow(size_t n) {
	size_t bytes = (n + HEAD + CHUNK - 1) / CHUNK * CHUNK + HUGE;
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) return 0;
	madvise(p, bytes, MADV_HUGEPAGE); // where the system has none, small pages do
	chunk *c = (chunk *)p;
	c->next = chunks, c->bytes = bytes;
	chunks = c;
	from = (char *)(((uintptr_t)p + HEAD + HUGE - 1) / HUGE * HUGE), to = p + bytes;
	return 1;
}

static void *allocate(void *self, size_t n) {
	if (n == 0 || n > SIZE_MAX / 4) return NULL;
	n = (n + HEAD + HEAD - 1) / HEAD * HEAD;
	if (n < 4 * HEAD) n = 4 * HEAD; // so that quarters are whole heads
	int size = fit(&n);
	pthread_mutex_lock(&lock);
	block *b = waiting[size];
	if (b) {
		waiting[size] = b->next;
	} else if ((size_t)(to - from) >= n || grow(n)) {
		b = (block *)from, from += n;
	}
	if (b) given++;
	pthread_mutex_unlock(&lock);
	if (!b) return NULL;
	b->size = size;
	return b + 1;
}

static void deallocate(void *self, void *p) {
	if (!p) return;
	block *b = (block *)p - 1;
	pthread_mutex_lock(&lock);
	b->next = waiting[b->size], waiting[b->size] = b;
	if (--given == 0) {
		for (int i = 0; i < SIZES; i++) waiting[i] = NULL;
		for (chunk *c = chunks, *next; c; c = next) next = c->next, munmap(c, c->bytes);
		chunks = NULL, from = to = NULL;
	}
	pthread_mutex_unlock(&lock);
}

// allocator begins as the C API's OrtAllocator does; of a version before 18 it has no more.
static struct allocator {
	uint32_t version;
	void *(*allocate)(void *self, size_t n);
	void (*deallocate)(void *self, void *p);
	const void *(*describe)(const void *self);
	const void *memory;
} allocator;

static const void *describe(const void *self) { return ((const struct allocator *)self)->memory; }

void *pages(void *memory) {
	allocator = (struct allocator){17, allocate, deallocate, describe, memory};
	return &allocator;
}
