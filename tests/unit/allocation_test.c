/* Decoding takes no memory from the system or the heap, however long it goes on. The linker sends
 * the engine's calls of the allocators here (--wrap). */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "runtime/engine.h"
#include "runtime/sample/sampler.h"

static atomic_size_t calls;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);

int __real_posix_memalign(void **block, size_t alignment, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);

int __wrap_posix_memalign(void **block, size_t alignment, size_t size);

int __wrap_posix_memalign(void **block, size_t alignment, size_t size)
{
  atomic_fetch_add(&calls, 1);
  return __real_posix_memalign(block, alignment, size);
}

void *__wrap_malloc(size_t size)
{
  atomic_fetch_add(&calls, 1);
  return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
  atomic_fetch_add(&calls, 1);
  return __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
  atomic_fetch_add(&calls, 1);
  return __real_realloc(block, size);
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
  atomic_fetch_add(&calls, 1);
  return __real_mmap(at, size, protection, flags, file, offset);
}

enum { PROMPT = 70, TOKENS = 300 };

static int32_t choose(dyno_sequence *sequence, dyno_sampler *sampler, size_t position)
{
  int32_t id = 0;
  const dyno_retain_request request = dyno_sampler_request(sampler);
  const dyno_retained *retained = dyno_sequence_retain(sequence, &request);
  if (retained != NULL && dyno_sampler_choose_retained(sampler, &id, retained, position))
    return id;
  const float *logits = dyno_sequence_logits(sequence);
  dyno_error error = {0};
  cr_assert(dyno_sampler_choose(sampler, &id, logits, position, &error) == DYNO_OK, "%s",
            error.message);
  return id;
}

static void decode(dyno_pool_kind pool, dyno_logits_mode logits, dyno_precision precision,
                   dyno_allocator_kind alloc, unsigned cache)
{
  dyno_engine *engine;
  dyno_sequence *sequence;
  dyno_sampler *sampler;
  dyno_error error = {0};
  const char *tree = getenv("top_srcdir");
  char path[4096];
  snprintf(path, sizeof path, "%s/tests/oracle/models/mxfp4", tree != NULL ? tree : ".");
  const dyno_sampler_settings settings = dyno_sampler_defaults();
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = path;
  options.registry.threads = 2;
  options.pool = pool;
  options.logits = logits;
  options.precision = precision;
  options.alloc = alloc;
  options.cache.levels = cache;
  cr_assert(dyno_engine_open(&engine, &options, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_sequence_open(&sequence, engine, PROMPT + TOKENS, &error) == DYNO_OK, "%s",
            error.message);
  size_t vocabulary = dyno_engine_config(engine)->vocab, before = atomic_load(&calls);
  cr_assert(before > 0, "the calls are not counted");
  cr_assert(dyno_sampler_create(&sampler, &settings, vocabulary, &error) == DYNO_OK, "%s",
            error.message);
  int32_t prompt[PROMPT];
  for (size_t i = 0; i < PROMPT; i++)
    prompt[i] = (int32_t)(i * 31 % vocabulary);
  before = atomic_load(&calls);
  cr_assert(dyno_sequence_append(sequence, prompt, PROMPT, NULL, NULL, &error) == DYNO_OK, "%s",
            error.message);
  for (size_t i = 0; i < TOKENS; i++) {
    int32_t id = choose(sequence, sampler, PROMPT + i);
    dyno_sampler_accept(sampler, id);
    cr_assert(dyno_sequence_append(sequence, &id, 1, NULL, NULL, &error) == DYNO_OK, "%s",
              error.message);
    cr_assert(atomic_load(&calls) == before, "token %zu takes memory %zu times", i,
              atomic_load(&calls) - before);
  }
  dyno_sampler_free(sampler);
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
}

TestSuite(allocation, .timeout = 60);

Test(allocation, decoding_takes_no_memory)
{
  decode(DYNO_POOL_SPIN, DYNO_LOGITS_FULL, DYNO_PRECISION_FAST, DYNO_ALLOC_BUDDY, 0);
  decode(DYNO_POOL_MUTEX, DYNO_LOGITS_FULL, DYNO_PRECISION_REFERENCE, DYNO_ALLOC_MALLOC, 0);
}

Test(allocation, nor_do_two_stages)
{
  decode(DYNO_POOL_SPIN, DYNO_LOGITS_TWO_STAGE, DYNO_PRECISION_FAST, DYNO_ALLOC_BUDDY, 0);
}

Test(allocation, nor_does_leaving_prefixes_in_the_cache)
{
  decode(DYNO_POOL_SPIN, DYNO_LOGITS_FULL, DYNO_PRECISION_FAST, DYNO_ALLOC_BUDDY, DYNO_CACHE_L2);
}
