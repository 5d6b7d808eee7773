#include "runtime/memory/size_class.h"

/* The first four are one unit apart; then there are four to each doubling. */
enum { PER_DOUBLING = 4 };

size_t dyno_size_class_bytes(unsigned size_class)
{
  if (size_class < PER_DOUBLING)
    return (size_t)DYNO_SMALL_UNIT * (size_class + 1);
  unsigned doubling = size_class / PER_DOUBLING - 1, step = size_class % PER_DOUBLING;
  return (size_t)DYNO_SMALL_UNIT * (PER_DOUBLING + step + 1) << doubling;
}

static unsigned class_for(size_t bytes)
{
  size_t units = bytes == 0 ? 1 : (bytes + DYNO_SMALL_UNIT - 1) / DYNO_SMALL_UNIT;
  if (units <= PER_DOUBLING)
    return (unsigned)units - 1;
  unsigned doubling = 61 - (unsigned)__builtin_clzll(units - 1); /* units > 4 << doubling */
  return PER_DOUBLING * (doubling + 1) + (unsigned)((units - 1) >> doubling) - PER_DOUBLING;
}

unsigned dyno_size_class_for(size_t bytes, size_t alignment)
{
  if (bytes > DYNO_MOST_SMALL || alignment > DYNO_MOST_SMALL)
    return DYNO_SIZE_CLASSES;
  unsigned size_class = class_for(bytes > alignment ? bytes : alignment);
  while (dyno_size_class_bytes(size_class) % alignment != 0)
    size_class++;
  return size_class;
}

static void link_slab(dyno_size_classes *classes, dyno_slab *slab)
{
  dyno_slab **head = &classes->some[slab->size_class];
  slab->previous = NULL;
  slab->next = *head;
  if (*head != NULL)
    (*head)->previous = slab;
  *head = slab;
}

static void unlink_slab(dyno_size_classes *classes, dyno_slab *slab)
{
  if (slab->previous != NULL)
    slab->previous->next = slab->next;
  else
    classes->some[slab->size_class] = slab->next;
  if (slab->next != NULL)
    slab->next->previous = slab->previous;
}

static size_t block_count(const dyno_slab *slab)
{
  return DYNO_SLAB_BYTES / dyno_size_class_bytes(slab->size_class);
}

void dyno_slab_open(dyno_size_classes *classes, dyno_slab *slab, unsigned size_class, char *data,
                    dyno_small *blocks)
{
  *slab = (dyno_slab){.size_class = size_class, .data = data, .blocks = blocks};
  for (size_t i = 0; i < block_count(slab); i++) {
    slab->free[i / 64] |= UINT64_C(1) << i % 64;
    slab->blocks[i] = (dyno_small){0};
  }
  link_slab(classes, slab);
}

void *dyno_small_take(dyno_size_classes *classes, unsigned size_class, dyno_small **small)
{
  dyno_slab *slab = classes->some[size_class];
  if (slab == NULL)
    return NULL;
  size_t word = 0;
  while (slab->free[word] == 0)
    word++;
  size_t index = word * 64 + (size_t)__builtin_ctzll(slab->free[word]);
  slab->free[word] &= slab->free[word] - 1;
  if (++slab->used == block_count(slab))
    unlink_slab(classes, slab);
  *small = &slab->blocks[index];
  return slab->data + index * dyno_size_class_bytes(size_class);
}

size_t dyno_small_index(const dyno_slab *slab, const void *address)
{
  return (size_t)((const char *)address - slab->data) / dyno_size_class_bytes(slab->size_class);
}

bool dyno_small_give(dyno_size_classes *classes, dyno_slab *slab, size_t index)
{
  if (slab->used == block_count(slab))
    link_slab(classes, slab);
  slab->free[index / 64] |= UINT64_C(1) << index % 64;
  slab->used--;
  if (slab->used > 0 || (slab->next == NULL && slab->previous == NULL))
    return false;
  unlink_slab(classes, slab);
  return true;
}

dyno_slab *dyno_slab_unused(dyno_size_classes *classes)
{
  for (unsigned i = 0; i < DYNO_SIZE_CLASSES; i++)
    for (dyno_slab *slab = classes->some[i]; slab != NULL; slab = slab->next)
      if (slab->used == 0) {
        unlink_slab(classes, slab);
        return slab;
      }
  return NULL;
}
