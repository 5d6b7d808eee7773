/* Small blocks: slabs of equal ones, cut from the arenas.
 *
 * A block is as large as its class: multiples of 64 bytes, four classes to a doubling, so that no
 * more than a fifth is lost, and no two blocks share a cache line. A slab has blocks of one class;
 * what is known of them lies outside of it, where no overrun reaches it.
 *
 * Not thread-safe. */
#ifndef DYNO_RUNTIME_MEMORY_SIZE_CLASS_H
#define DYNO_RUNTIME_MEMORY_SIZE_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  DYNO_SLAB_BYTES = 64 << 10,
  DYNO_SMALL_UNIT = 64,      /* every small block is a multiple of it, and starts at one */
  DYNO_MOST_SMALL = 16 << 10 /* bytes of the largest class */
};

enum {
  DYNO_SIZE_CLASSES = 28,
  DYNO_SLAB_MOST_BLOCKS = DYNO_SLAB_BYTES / DYNO_SMALL_UNIT,
  DYNO_SLAB_WORDS = DYNO_SLAB_MOST_BLOCKS / 64
};

/* What is known of a small block, for whoever handed it out. */
typedef struct dyno_small {
  uint32_t bytes : 16; /* as asked for; 0: never handed out */
  uint32_t purpose : 7;
  uint32_t front : 8; /* units of 64 bytes before what was asked for */
  uint32_t live : 1;
} dyno_small;

typedef struct dyno_slab {
  struct dyno_slab *next, *previous; /* of a class with free blocks */
  char *data;
  dyno_small *blocks; /* [DYNO_SLAB_MOST_BLOCKS] */
  uint32_t size_class;
  uint32_t used; /* blocks */
  uint64_t free[DYNO_SLAB_WORDS];
} dyno_slab;

/* Slabs with free blocks, by class. Zeroed: none. */
typedef struct dyno_size_classes {
  dyno_slab *some[DYNO_SIZE_CLASSES];
} dyno_size_classes;

/* The class of the smallest blocks that hold so many bytes at this alignment (a power of two);
 * DYNO_SIZE_CLASSES when there is none. */
unsigned dyno_size_class_for(size_t bytes, size_t alignment);

/* Bytes of a class's blocks. */
size_t dyno_size_class_bytes(unsigned size_class);

/* Makes a slab of a class of DYNO_SLAB_BYTES at data and puts it with the others. */
void dyno_slab_open(dyno_size_classes *classes, dyno_slab *slab, unsigned size_class, char *data,
                    dyno_small *blocks);

/* Takes a free block of a class; NULL when there is no slab with one. *small is what is known of
 * it. */
void *dyno_small_take(dyno_size_classes *classes, unsigned size_class, dyno_small **small);

/* Which block of the slab an address lies in. */
size_t dyno_small_index(const dyno_slab *slab, const void *address);

/* Gives block number `index` back. True when the slab is not wanted any more: nothing of it is in
 * use, and others of its class have free blocks; it is with the others no longer. */
bool dyno_small_give(dyno_size_classes *classes, dyno_slab *slab, size_t index);

/* Takes out a slab of which nothing is in use; NULL when there is none. */
dyno_slab *dyno_slab_unused(dyno_size_classes *classes);

#endif
