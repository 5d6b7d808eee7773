#include "runtime/model/linear.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/memory/numa.h"
#include "runtime/model/packed.h"
#include "runtime/model/requantize.h"

/* Both kernels and the layout, for activations of one format. in is the layout to choose them for,
 * or NULL to choose that too. */
static dyno_status choose(dyno_linear *linear, const dyno_linear_source *source,
                          const dyno_tensor *tensor, dyno_dtype activation, const dyno_layout *in,
                          dyno_error *error)
{
  size_t used =
      tensor->groups < source->groups_per_token ? tensor->groups : source->groups_per_token;
  dyno_problem problems[2] = {
      {.op = DYNO_OP_MATMUL,
       .weight = tensor->dtype,
       .activation = activation,
       .m = used,
       .n = tensor->n,
       .k = tensor->k,
       .groups = used},
      {.op = DYNO_OP_MATMUL,
       .weight = tensor->dtype,
       .activation = activation,
       .m = source->prefill_tokens * used,
       .n = tensor->n,
       .k = tensor->k,
       .groups = tensor->groups},
  };
  dyno_choice choices[2];
  const dyno_layout *layout = in;
  dyno_status status =
      in != NULL ? dyno_select_in_layout(choices, source->registry, problems, 2, in, error)
                 : dyno_select_layout(&layout, choices, source->registry, problems, 2, error);
  if (status != DYNO_OK)
    return status;
  linear->layout = layout;
  linear->activation = activation;
  linear->decode = choices[0];
  linear->prefill = choices[1];
  return DYNO_OK;
}

/* Fast precision takes A8 activations where there is a kernel for the weights' format. */
static dyno_status choose_in(dyno_linear *linear, const dyno_linear_source *source,
                             const dyno_tensor *tensor, const dyno_layout *in, dyno_error *error)
{
  if (source->precision == DYNO_PRECISION_FAST) {
    dyno_error none;
    dyno_status status = choose(linear, source, tensor, DYNO_A8, in, &none);
    if (status == DYNO_OK)
      return DYNO_OK;
    if (status != DYNO_ERROR_NOT_FOUND)
      return dyno_fail(error, status, "%s", none.message);
  }
  return choose(linear, source, tensor, DYNO_F32, in, error);
}

static dyno_status choose_kernels(dyno_linear *linear, const dyno_linear_source *source,
                                  const dyno_tensor *tensor, dyno_error *error)
{
  if (tensor->layout == NULL || source->repack)
    return choose_in(linear, source, tensor, NULL, error);
  dyno_status status = choose_in(linear, source, tensor, tensor->layout, error);
  if (status != DYNO_ERROR_NOT_FOUND)
    return status;
  if (source->precision == DYNO_PRECISION_REFERENCE)
    return choose_in(linear, source, tensor, NULL, error);
  char remedy[DYNO_PACKED_REMEDY];
  const char *tier = dyno_isa_name(dyno_registry_isa(source->registry));
  bool masked = dyno_registry_isa(source->registry) < dyno_registry_cpu(source->registry)->isa;
  return dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                   "%s: tensor '%s' is packed as %s, which no kernel of the tier %s reads: %s%s%s",
                   dyno_checkpoint_path(source->checkpoint), tensor->name, tensor->layout->name,
                   tier, dyno_packed_remedy(remedy, dyno_checkpoint_packed(source->checkpoint)),
                   masked ? " --isa=" : "", masked ? tier : "");
}

/* Packing, or checking, one matrix with all threads. */
typedef struct pack_job {
  const dyno_linear *linear;
  const dyno_checkpoint *checkpoint;
  const dyno_tensor *tensor;
  const dyno_requantizer *requantizer; /* NULL: rows are packed in the file's format */
  uint8_t *packed;                     /* NULL: the rows stay where they are and are only checked */
  size_t group_bytes;                  /* of packed */
  dyno_error *errors;                  /* [threads] */
  const dyno_tensor *next;
  dyno_file_advice done; /* for the source's pages */
} pack_job;

/* Rows are brought over in portions of about this size, small enough for a cache to hold. */
enum { PORTION_BYTES = 256 << 10 };

/* Portions that are asked for at once. */
enum { PORTIONS_AHEAD = 16 };

static size_t portion_rows(const pack_job *job)
{
  size_t granule = job->linear->layout->row_granule;
  size_t rows = PORTION_BYTES / (job->tensor->row_bytes + 1) / granule * granule;
  return rows > granule ? rows : granule;
}

/* What a portion of rows needs: nothing where the file has them row by row, as they are wanted. */
static size_t scratch_bytes(const pack_job *job, size_t rows)
{
  if (job->requantizer != NULL)
    return (rows * job->requantizer->row_bytes + 63) / 64 * 64 +
           dyno_requantizer_scratch(job->requantizer, rows);
  return job->tensor->data == NULL ? (rows * job->tensor->row_bytes + 63) / 64 * 64 : 0;
}

/* Packs rows [row0, row1) of a group. */
static dyno_status pack_rows(const pack_job *job, void *scratch, size_t group, size_t row0,
                             size_t row1, dyno_error *error)
{
  const dyno_tensor *tensor = job->tensor;
  const void *rows = scratch;
  dyno_status status;
  if (job->requantizer != NULL) {
    size_t bytes = (row1 - row0) * job->requantizer->row_bytes;
    status = dyno_requantizer_rows(job->requantizer, scratch,
                                   (uint8_t *)scratch + (bytes + 63) / 64 * 64, group, row0, row1,
                                   error);
  } else if (tensor->data != NULL) {
    rows = (const uint8_t *)tensor->data + (group * tensor->n + row0) * tensor->row_bytes;
    status = dyno_checkpoint_check_rows(job->checkpoint, tensor, group, row0, row1, error);
  } else {
    status = dyno_checkpoint_read_rows(job->checkpoint, scratch, tensor, group, row0, row1, error);
  }
  if (status != DYNO_OK || job->packed == NULL)
    return status;
  const dyno_layout *layout = job->linear->layout;
  layout->pack(layout, job->packed + group * job->group_bytes, rows, tensor->n, tensor->k, row0,
               row1);
  return DYNO_OK;
}

/* Has the system read what portions [first, last) of all are of a tensor's rows. */
static void prefetch(const dyno_checkpoint *checkpoint, const dyno_tensor *tensor, size_t first,
                     size_t last, size_t all)
{
  size_t rows = tensor->groups * tensor->n, begin = rows * first / all, end = rows * last / all;
  while (begin < end) {
    size_t group = begin / tensor->n, row0 = begin % tensor->n;
    size_t row1 = end - begin < tensor->n - row0 ? row0 + (end - begin) : tensor->n;
    dyno_checkpoint_prefetch_rows(checkpoint, tensor, group, row0, row1);
    begin += row1 - row0;
  }
}

/* Before some portions: as much of the next tensor as of this one, so that the disk has something
 * to do while we pack; and these portions, of which nobody thought before. */
static void read_ahead(const pack_job *job, size_t first, size_t last, size_t all)
{
  prefetch(job->checkpoint, job->tensor, first, last, all);
  if (job->next != NULL)
    prefetch(job->checkpoint, job->next, first, last, all);
}

static void pack_part(void *context, unsigned thread, unsigned threads)
{
  const pack_job *job = context;
  const dyno_tensor *tensor = job->tensor;
  dyno_error *error = &job->errors[thread];
  size_t portion = portion_rows(job);
  size_t portions = (tensor->n + portion - 1) / portion, begin, end;
  dyno_partition(&begin, &end, tensor->groups * portions, 1, thread, threads);

  size_t bytes = scratch_bytes(job, portion);
  void *scratch = bytes > 0 ? aligned_alloc(64, bytes) : NULL;
  if (bytes > 0 && scratch == NULL) {
    dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", tensor->name);
    return;
  }
  for (size_t i = begin; i < end; i++) {
    if ((i - begin) % PORTIONS_AHEAD == 0)
      read_ahead(job, i, end - i < PORTIONS_AHEAD ? end : i + PORTIONS_AHEAD,
                 tensor->groups * portions);
    size_t group = i / portions, row0 = i % portions * portion;
    size_t row1 = row0 + portion < tensor->n ? row0 + portion : tensor->n;
    if (pack_rows(job, scratch, group, row0, row1, error) != DYNO_OK)
      break;
    if (job->packed != NULL && (i + 1 == end || row1 == tensor->n))
      dyno_checkpoint_release_rows(job->checkpoint, tensor, group, 0, row1, job->done);
  }
  free(scratch);
}

static dyno_status run_pack_job(pack_job *job, dyno_pool *pool, dyno_error *error)
{
  unsigned threads = dyno_pool_threads(pool);
  job->errors = calloc(threads, sizeof *job->errors);
  if (job->errors == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", job->tensor->name);
  dyno_pool_run(pool, pack_part, job);
  dyno_status status = DYNO_OK;
  for (unsigned i = 0; i < threads && status == DYNO_OK; i++)
    if (job->errors[i].status != DYNO_OK)
      status = dyno_fail(error, job->errors[i].status, "%s", job->errors[i].message);
  free(job->errors);
  return status;
}

static dyno_status point_at_groups(dyno_linear *linear, const uint8_t *base, size_t group_bytes,
                                   dyno_error *error)
{
  linear->group_weight = calloc(linear->groups, sizeof *linear->group_weight);
  if (linear->group_weight == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", linear->name);
  for (size_t g = 0; g < linear->groups; g++)
    linear->group_weight[g] = base + g * group_bytes;
  return DYNO_OK;
}

static dyno_status open_packed(dyno_linear *linear, const dyno_linear_source *source,
                               size_t group_bytes, dyno_error *error)
{
  dyno_pages pages = source->huge_pages == DYNO_HUGE_PAGES_OFF ? DYNO_PAGES_SMALL : DYNO_PAGES_HUGE;
  dyno_status status =
      dyno_buffer_open_on(&linear->packed, group_bytes * linear->groups, pages, error);
  if (status != DYNO_OK)
    dyno_error_prepend(error, "%s", linear->name);
  return status;
}

static void place_on(const dyno_linear *linear, void *data, size_t group_bytes, bool file,
                     dyno_pool *pool)
{
  const dyno_numa_matrix matrix = {
      .data = data,
      .group_bytes = group_bytes,
      .groups = linear->groups,
      .rows = linear->n,
      .granule = linear->layout->row_granule,
      .file = file,
  };
  dyno_numa_place(&matrix, pool);
}

void dyno_linear_place(const dyno_linear *linear, void *data, size_t group_bytes, dyno_pool *pool)
{
  place_on(linear, data, group_bytes, false, pool);
}

/* Before pages are touched, if that is still to come. */
static void place(const dyno_linear *linear, const dyno_linear_source *source, const void *base,
                  size_t group_bytes)
{
  if (source->numa == DYNO_NUMA_ROWS)
    place_on(linear, (void *)(uintptr_t)base, group_bytes, base != linear->packed.data,
             source->pool);
}

void dyno_linear_move(dyno_linear *linear, dyno_buffer *copy)
{
  size_t group_bytes = copy->size / linear->groups;
  for (size_t g = 0; g < linear->groups; g++)
    linear->group_weight[g] = (const uint8_t *)copy->data + g * group_bytes;
  linear->packed = *copy;
  *copy = (dyno_buffer){0};
}

static bool shares(const dyno_linear *linear, const dyno_linear_source *source)
{
  const dyno_linear *twin = source->twin;
  return twin != NULL && twin->layout == linear->layout && twin->weight == linear->weight &&
         twin->lowered == linear->lowered && twin->n == linear->n && twin->k == linear->k &&
         twin->groups == linear->groups;
}

static dyno_status share_weight(dyno_linear *linear, const dyno_linear *twin, dyno_error *error)
{
  size_t bytes = linear->groups * sizeof *linear->group_weight;
  linear->group_weight = malloc(bytes);
  if (linear->group_weight == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", linear->name);
  memcpy(linear->group_weight, twin->group_weight, bytes);
  linear->shared_bytes = twin->packed.size + twin->shared_bytes;
  return DYNO_OK;
}

uint64_t dyno_linear_own_bytes(const dyno_linear *linear, const dyno_linear_source *source,
                               const dyno_tensor *weight)
{
  const dyno_layout *layout = linear->layout;
  bool kept = linear->lowered == DYNO_QUANT_NONE;
  bool mapped = kept && weight->layout != NULL && strcmp(layout->name, weight->layout->name) == 0;
  bool as_it_is = kept && linear->weight == weight->dtype &&
                  layout == dyno_layout_rows(weight->dtype) && weight->data != NULL;
  return shares(linear, source) || mapped || as_it_is
             ? 0
             : linear->groups * layout->bytes(layout, linear->n, linear->k);
}

static dyno_status load_weight(dyno_linear *linear, const dyno_linear_source *source,
                               const dyno_tensor *tensor, dyno_error *error)
{
  const dyno_layout *layout = linear->layout;
  /* By name: a plug-in may carry a copy of a built-in layout. */
  if (tensor->layout != NULL && strcmp(layout->name, tensor->layout->name) == 0) {
    place(linear, source, tensor->packed, tensor->packed_bytes);
    return point_at_groups(linear, tensor->packed, tensor->packed_bytes, error);
  }
  bool as_it_is = layout == dyno_layout_rows(tensor->dtype) && tensor->data != NULL;
  pack_job job = {
      .linear = linear,
      .checkpoint = source->checkpoint,
      .tensor = tensor,
      .next = source->next,
      .done = source->reclaim ? DYNO_FILE_RECLAIM : DYNO_FILE_DONE,
  };
  dyno_requantizer requantizer;
  if (dyno_quantization_method(source->quantization, tensor) != DYNO_QUANT_NONE) {
    dyno_status status = dyno_requantizer_make(&requantizer, source->checkpoint, source->registry,
                                               tensor, source->quantization, error);
    if (status != DYNO_OK)
      return status;
    job.requantizer = &requantizer;
  }
  const uint8_t *base = tensor->data;
  job.group_bytes = tensor->n * tensor->row_bytes;
  if (!as_it_is) {
    job.group_bytes = layout->bytes(layout, tensor->n, tensor->k);
    dyno_status status = open_packed(linear, source, job.group_bytes, error);
    if (status != DYNO_OK)
      return status;
    job.packed = linear->packed.data;
    base = job.packed;
  }
  place(linear, source, base, job.group_bytes);
  dyno_status status = point_at_groups(linear, base, job.group_bytes, error);
  return status == DYNO_OK ? run_pack_job(&job, source->pool, error) : status;
}

/* The same for a matrix that is used as F32 and kept as something else; it is small. */
static dyno_status load_widened(dyno_linear *linear, const dyno_linear_source *source,
                                const dyno_tensor *tensor, dyno_error *error)
{
  const dyno_layout *layout = linear->layout;
  size_t group_bytes = layout->bytes(layout, tensor->n, tensor->k);
  dyno_status status = open_packed(linear, source, group_bytes, error);
  if (status != DYNO_OK)
    return status;
  place(linear, source, linear->packed.data, group_bytes);
  float *values = calloc(tensor->groups * tensor->n * tensor->k, sizeof *values);
  linear->group_weight = calloc(tensor->groups, sizeof *linear->group_weight);
  status = values != NULL && linear->group_weight != NULL
               ? dyno_checkpoint_read_floats(source->checkpoint, values, tensor, error)
               : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", tensor->name);
  for (size_t g = 0; g < tensor->groups && status == DYNO_OK; g++) {
    uint8_t *packed = (uint8_t *)linear->packed.data + g * group_bytes;
    layout->pack(layout, packed, values + g * tensor->n * tensor->k, tensor->n, tensor->k, 0,
                 tensor->n);
    linear->group_weight[g] = packed;
  }
  free(values);
  return status;
}

static dyno_status load_bias(dyno_linear *linear, const dyno_linear_source *source,
                             const dyno_tensor *bias, dyno_error *error)
{
  linear->bias = calloc(linear->groups * linear->n, sizeof *linear->bias);
  linear->group_bias = calloc(linear->groups, sizeof *linear->group_bias);
  if (linear->bias == NULL || linear->group_bias == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", bias->name);
  for (size_t g = 0; g < linear->groups; g++)
    linear->group_bias[g] = linear->bias + g * linear->n;
  return dyno_checkpoint_read_floats(source->checkpoint, linear->bias, bias, error);
}

dyno_status dyno_linear_plan(dyno_linear *linear, const dyno_linear_source *source,
                             const dyno_tensor *weight, dyno_error *error)
{
  /* Some dialects keep the router as F32, others the same numbers as BF16. In F32 either way: a
   * model must not choose other experts because its file was converted. */
  dyno_tensor used = *weight;
  if (weight->role == DYNO_TENSOR_ROUTER_WEIGHT)
    used.dtype = DYNO_F32;
  if (dyno_quantization_method(source->quantization, weight) != DYNO_QUANT_NONE) {
    used.dtype = dyno_quantized_dtype(source->quantization, weight);
    used.layout = NULL;
  }
  *linear = (dyno_linear){
      .name = weight->name,
      .groups = weight->groups,
      .n = weight->n,
      .k = weight->k,
      .weight = used.dtype,
      .lowered = dyno_quantization_method(source->quantization, weight),
  };
  return choose_kernels(linear, source, &used, error);
}

dyno_status dyno_linear_load(dyno_linear *linear, const dyno_linear_source *source,
                             const dyno_tensor *weight, const dyno_tensor *bias, dyno_error *error)
{
  dyno_status status = dyno_linear_plan(linear, source, weight, error);
  if (status == DYNO_OK && shares(linear, source))
    status = share_weight(linear, source->twin, error);
  else if (status == DYNO_OK)
    status = weight->role == DYNO_TENSOR_ROUTER_WEIGHT && weight->dtype != DYNO_F32
                 ? load_widened(linear, source, weight, error)
                 : load_weight(linear, source, weight, error);
  if (status == DYNO_OK && bias != NULL)
    status = load_bias(linear, source, bias, error);
  if (status != DYNO_OK)
    dyno_linear_free(linear);
  return status;
}

void dyno_linear_free(dyno_linear *linear)
{
  dyno_buffer_close(&linear->packed);
  free(linear->group_weight);
  free(linear->group_bias);
  free(linear->bias);
  *linear = (dyno_linear){0};
}
