/* The only program of a guest with several NUMA nodes (two_sockets.sh boots it): sees whether
 * topology, pinning and page placement are what they should be, and prints TAP. The guest's shape
 * comes from the environment: cpus, cores, nodes. With those, MODEL and PACKED set it runs
 * anywhere, but one node leaves little to see. */
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "kernels/base/checked.h"
#include "runtime/engine.h"
#include "runtime/memory/numa.h"
#include "runtime/memory/residence.h"
#include "runtime/model/model.h"
#include "runtime/model/pack.h"
#include "runtime/threads/pool.h"

static unsigned tests, failures;

__attribute__((format(printf, 2, 3))) static void ok(bool passed, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  printf("%sok %u - ", passed ? "" : "not ", ++tests);
  vprintf(format, arguments);
  putchar('\n');
  va_end(arguments);
  failures += !passed;
}

static unsigned wanted(const char *name)
{
  const char *text = getenv(name);
  return text != NULL ? (unsigned)strtoul(text, NULL, 10) : 0;
}

static void test_topology(dyno_topology *topology)
{
  dyno_error error = {0};
  ok(dyno_topology_detect(topology, &error) == DYNO_OK, "the topology is read %s", error.message);
  ok(topology->cpu_count == wanted("cpus"), "%u processors", topology->cpu_count);
  ok(topology->cores_known && topology->core_count == wanted("cores"), "%u cores",
     topology->core_count);
  ok(topology->nodes_known && topology->node_count == wanted("nodes"), "%u nodes",
     topology->node_count);
  ok(dyno_topology_threads(topology) == topology->core_count, "a thread for each core");
}

enum { MOST_THREADS = 64 };

typedef struct whereabouts {
  unsigned cpu[MOST_THREADS], node[MOST_THREADS];
  char *fresh[MOST_THREADS]; /* a page that the thread touches first */
} whereabouts;

static void look_around(void *context, unsigned thread, unsigned threads)
{
  (void)threads;
  whereabouts *found = context;
  if (getcpu(&found->cpu[thread], &found->node[thread]) != 0)
    found->node[thread] = DYNO_MOST_NODES;
  found->fresh[thread][0] = 1;
}

static void test_pinning(dyno_pool *pool)
{
  enum { APART = 1 << 16 };
  whereabouts found = {0};
  dyno_buffer memory;
  unsigned threads = dyno_pool_threads(pool), at_home = 0, first_touched = 0;
  unsigned on_node[DYNO_MOST_NODES] = {0};
  if (dyno_buffer_open_on(&memory, (size_t)APART * threads, DYNO_PAGES_SMALL, NULL) != DYNO_OK) {
    ok(false, "memory");
    return;
  }
  for (unsigned t = 0; t < threads; t++)
    found.fresh[t] = (char *)memory.data + (size_t)t * APART;
  cpu_set_t before, after;
  sched_getaffinity(0, sizeof before, &before);
  dyno_pool_run(pool, look_around, &found);
  sched_getaffinity(0, sizeof after, &after);
  for (unsigned t = 0; t < threads; t++) {
    unsigned node = dyno_pool_system_node(pool, dyno_pool_node(pool, t));
    at_home += found.cpu[t] == dyno_pool_cpu(pool, t) && found.node[t] == node;
    first_touched += dyno_numa_node_of(found.fresh[t]) == (int)node;
    on_node[dyno_pool_node(pool, t)]++;
  }
  ok(dyno_pool_nodes(pool) == wanted("nodes"), "the pool is on %u nodes", dyno_pool_nodes(pool));
  ok(at_home == threads, "%u of %u threads are on their processor and node", at_home, threads);
  ok(on_node[0] == on_node[dyno_pool_nodes(pool) - 1], "%u of them on the first", on_node[0]);
  ok(first_touched == threads, "%u of %u first touches are on the thread's node", first_touched,
     threads);
  ok(CPU_EQUAL(&before, &after), "the caller may go where it could before");
  dyno_buffer_close(&memory);
}

/* Pages that hold rows of one thread only, and how many of them are on that thread's node. */
typedef struct pages {
  uint64_t all, right;
  dyno_pool *pool;
} pages;

static void count_rows(pages *count, const dyno_linear *linear, size_t group, unsigned thread)
{
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  size_t bytes = linear->layout->bytes(linear->layout, linear->n, linear->k), row0, row1;
  dyno_partition(&row0, &row1, linear->n, linear->layout->row_granule, thread,
                 dyno_pool_threads(count->pool));
  uintptr_t base = (uintptr_t)linear->group_weight[group];
  uintptr_t begin = base + (uintptr_t)((double)bytes * (double)row0 / (double)linear->n);
  uintptr_t end = base + (uintptr_t)((double)bytes * (double)row1 / (double)linear->n);
  unsigned node = dyno_pool_system_node(count->pool, dyno_pool_node(count->pool, thread));
  for (uintptr_t at = (begin + page - 1) & ~(page - 1); at + page <= end; at += page) {
    count->all++;
    count->right += dyno_numa_node_of((const void *)at) == (int)node;
  }
}

static void count_linear(void *context, const dyno_linear *linear)
{
  pages *count = context;
  for (size_t group = 0; group < linear->groups; group++)
    for (unsigned thread = 0; thread < dyno_pool_threads(count->pool); thread++)
      count_rows(count, linear, group, thread);
}

static void test_weights(const char *path, const char *kind, dyno_pool *pool, dyno_numa numa)
{
  dyno_error error = {0};
  dyno_checkpoint *checkpoint = NULL;
  dyno_registry *registry = NULL;
  dyno_model model = {0};
  const dyno_registry_options choice = {.isa = DYNO_ISA_COUNT, .threads = dyno_pool_threads(pool)};
  const dyno_model_options options = {.batch = 16, .numa = numa};
  dyno_status status = dyno_checkpoint_open(&checkpoint, path, &error);
  if (status == DYNO_OK)
    status = dyno_registry_open(&registry, &choice, &error);
  if (status == DYNO_OK)
    status = dyno_model_load(&model, checkpoint, registry, pool, &options, &error);
  ok(status == DYNO_OK, "%s: the model loads %s", kind, error.message);
  if (status == DYNO_OK) {
    pages count = {.pool = pool};
    dyno_model_for_each_linear(&model, count_linear, &count);
    /* A boundary is moved by half a page at most, so only pages at one can be elsewhere; small
     * matrices have pages of several threads, which are not counted. */
    bool most = count.right * 100 >= count.all * 99;
    ok(count.all > 1000 && most == (numa == DYNO_NUMA_ROWS),
       "%s: %" PRIu64 " of %" PRIu64 " pages are on the node of the thread that reads them", kind,
       count.right, count.all);
  }
  dyno_model_free(&model);
  dyno_registry_close(&registry);
  dyno_checkpoint_close(&checkpoint);
}

enum { TOKENS = 20 };

/* The logits after TOKENS tokens, to be freed; NULL after a failed test. */
static float *run_model(const dyno_engine_options *options, const char *kind, size_t *vocab)
{
  dyno_error error = {0};
  dyno_engine *engine = NULL;
  dyno_sequence *sequence = NULL;
  float *logits = NULL;
  int32_t tokens[TOKENS];
  for (int32_t i = 0; i < TOKENS; i++)
    tokens[i] = (i * 37 + 5) % 200;
  dyno_status status = dyno_engine_open(&engine, options, &error);
  if (status == DYNO_OK)
    status = dyno_sequence_open(&sequence, engine, TOKENS + 1, &error);
  /* A prefill, and steps of decoding. */
  if (status == DYNO_OK)
    status = dyno_sequence_append(sequence, tokens, TOKENS / 2, NULL, NULL, &error);
  for (size_t i = TOKENS / 2; i < TOKENS && status == DYNO_OK; i++)
    status = dyno_sequence_append(sequence, tokens + i, 1, NULL, NULL, &error);
  if (status == DYNO_OK) {
    *vocab = dyno_engine_config(engine)->vocab;
    logits = malloc(*vocab * sizeof *logits);
    if (logits != NULL)
      memcpy(logits, dyno_sequence_logits(sequence), *vocab * sizeof *logits);
  }
  if (logits == NULL)
    ok(false, "%s: %s", kind, error.message);
  /* No bytes of our own at first, of a packed file. */
  if (status == DYNO_OK && options->huge_pages == DYNO_HUGE_PAGES_BACKGROUND)
    printf("# %s: %" PRIu64 " bytes of weights moved\n", kind, dyno_engine_packed_bytes(engine));
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
  return logits;
}

static void test_logits(const char *model, const char *packed, unsigned threads)
{
  const struct {
    const char *kind, *model;
    unsigned threads;
    dyno_pool_kind pool;
    dyno_numa numa;
    dyno_huge_pages huge_pages;
  } runs[] = {
      {.kind = "all cores", model, threads},
      {.kind = "all cores, mutex", model, threads, .pool = DYNO_POOL_MUTEX},
      {.kind = "all cores, not placed", model, threads, .numa = DYNO_NUMA_OFF},
      {.kind = "three threads", model, 3},
      {.kind = "packed file", packed, threads},
      {.kind = "weights that move", packed, threads, .huge_pages = DYNO_HUGE_PAGES_BACKGROUND},
  };
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = model;
  options.registry.threads = 1;
  size_t vocab = 0;
  float *one = run_model(&options, "one thread", &vocab);
  for (size_t i = 0; one != NULL && i < sizeof runs / sizeof *runs; i++) {
    options.model = runs[i].model;
    options.registry.threads = runs[i].threads;
    options.pool = runs[i].pool;
    options.numa = runs[i].numa;
    options.huge_pages = runs[i].huge_pages;
    float *logits = run_model(&options, runs[i].kind, &vocab);
    if (logits != NULL)
      ok(memcmp(one, logits, vocab * sizeof *one) == 0,
         "%s: logits are those of one thread, bit for bit", runs[i].kind);
    free(logits);
  }
  free(one);
}

static dyno_status pack(const char *path, const char *model, dyno_pool *pool, dyno_error *error)
{
  dyno_checkpoint *checkpoint = NULL;
  dyno_registry *registry = NULL;
  const dyno_pack_options options = {.source = "the guest's model", .prefill_tokens = 16};
  dyno_status status = dyno_checkpoint_open(&checkpoint, model, error);
  if (status == DYNO_OK)
    status = dyno_registry_open(&registry, &DYNO_REGISTRY_DEFAULTS, error);
  if (status == DYNO_OK)
    status = dyno_pack(path, NULL, checkpoint, registry, pool, &options, error);
  dyno_registry_close(&registry);
  dyno_checkpoint_close(&checkpoint);
  return status;
}

static void run_tests(const char *model, const char *packed)
{
  static dyno_topology topology;
  dyno_error error = {0};
  dyno_pool *pool = NULL;
  test_topology(&topology);
  unsigned threads = dyno_topology_threads(&topology);
  const dyno_pool_options options = {.threads = threads, .topology = &topology};
  if (threads > MOST_THREADS || dyno_pool_open_as(&pool, &options, &error) != DYNO_OK) {
    ok(false, "the pool opens %s", error.message);
    return;
  }
  test_pinning(pool);
  ok(pack(packed, model, pool, &error) == DYNO_OK, "the model is packed %s", error.message);
  if (dyno_pool_nodes(pool) > 1) {
    test_weights(model, "packed at load", pool, DYNO_NUMA_ROWS);
    test_weights(model, "packed at load, not placed", pool, DYNO_NUMA_OFF);
    test_weights(packed, "mapped", pool, DYNO_NUMA_ROWS);
  }
  dyno_pool_close(&pool);
  test_logits(model, packed, threads);
}

int main(void)
{
  bool guest = getpid() == 1;
  const char *model = guest ? "/model.gguf" : getenv("MODEL");
  const char *packed = guest ? "/model.dyno" : getenv("PACKED");
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (guest &&
      (mount("proc", "/proc", "proc", 0, NULL) != 0 || mount("sys", "/sys", "sysfs", 0, NULL) != 0))
    ok(false, "the guest has /proc and /sys");
  if (model == NULL || packed == NULL)
    ok(false, "MODEL and PACKED name files");
  else
    run_tests(model, packed);
  printf("1..%u\n", tests);
  fflush(stdout);
  if (guest) {
    sync();
    reboot(RB_AUTOBOOT);
  }
  return failures > 0;
}
