/* Profiles: what is recorded, how it is added up, what it is held against, and the reading of
 * weights. Times are made up wherever they matter. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/profile.h"
#include "harness/measure/profile_process.h"
#include "harness/measure/profile_read.h"
#include "harness/measure/profile_recorder.h"
#include "harness/measure/profile_summary.h"
#include "harness/report/profile_report.h"

static const dyno_kernel matmul = {.name = "matmul_test__ref",
                                   .op = DYNO_OP_MATMUL,
                                   .activation = DYNO_A8,
                                   .tolerance = DYNO_TOLERANCE_F32};
static const dyno_kernel norm = {.name = "rmsnorm_test__ref", .op = DYNO_OP_RMSNORM};

static dyno_profile_recorder *open_recorder(unsigned threads)
{
  dyno_profile_recorder *recorder;
  cr_assert(dyno_profile_recorder_open(&recorder, threads, 0, NULL) == DYNO_OK);
  return recorder;
}

static void tell(dyno_profile_recorder *recorder, unsigned thread, const char *op,
                 const dyno_kernel *kernel, uint64_t begin_ms, uint64_t end_ms, uint64_t bytes,
                 uint64_t macs)
{
  const dyno_probe *probe = dyno_profile_recorder_probe(recorder);
  const dyno_probe_event event = {.op = op,
                                  .layer = 1,
                                  .thread = thread,
                                  .kernel = kernel,
                                  .begin_ns = begin_ms * 1000000,
                                  .end_ns = end_ms * 1000000,
                                  .bytes = bytes,
                                  .macs = macs,
                                  .tokens = 1};
  probe->event(probe->context, &event);
}

static void near(double got, double want, const char *what)
{
  cr_assert(fabs(got - want) <= 1e-9 * fabs(want) + 1e-12, "%s: %.12g, not %.12g", what, got, want);
}

static const dyno_profile_row *row_of(const dyno_profile_summary *summary, const char *op)
{
  for (size_t i = 0; i < summary->row_count; i++)
    if (strcmp(summary->rows[i].op, op) == 0)
      return &summary->rows[i];
  cr_assert(false, "no row of %s", op);
  return NULL;
}

/* Two threads, 100 ms: a matrix that thread 1 is slower at, a norm of thread 0 alone that thread 1
 * waits for, and the matrix again. */
static dyno_profile_recorder *two_threads(void)
{
  dyno_profile_recorder *recorder = open_recorder(2);
  tell(recorder, 0, "qkv", &matmul, 0, 30, 3000000, 600000000);
  tell(recorder, 0, "barrier", NULL, 30, 40, 0, 0);
  tell(recorder, 0, "norm", &norm, 40, 50, 0, 0);
  tell(recorder, 0, "qkv", &matmul, 50, 80, 3000000, 600000000);
  tell(recorder, 0, "barrier", NULL, 80, 90, 0, 0);
  tell(recorder, 1, "qkv", &matmul, 0, 40, 3000000, 600000000);
  tell(recorder, 1, "barrier", NULL, 40, 50, 0, 0);
  tell(recorder, 1, "qkv", &matmul, 50, 90, 3000000, 600000000);
  return recorder;
}

Test(profile_recorder, keeps_all_events_in_order)
{
  enum { EVENTS = 10000 };
  dyno_profile_recorder *recorder = open_recorder(2);
  for (uint64_t i = 0; i < EVENTS; i++)
    tell(recorder, i % 2, "op", NULL, i, i + 1, i, 0);
  cr_assert(dyno_profile_recorder_total(recorder) == EVENTS);
  for (unsigned thread = 0; thread < 2; thread++) {
    cr_assert(dyno_profile_recorder_count(recorder, thread) == EVENTS / 2);
    for (size_t i = 0; i < EVENTS / 2; i++) {
      const dyno_probe_event *event = dyno_profile_recorder_event(recorder, thread, i);
      cr_assert(event->bytes == 2 * i + thread && event->thread == thread);
    }
  }
  cr_assert(dyno_profile_recorder_lost(recorder) == 0);
  dyno_profile_recorder_close(&recorder);
  cr_assert(recorder == NULL);
}

Test(profile_recorder, counts_threads_it_does_not_know)
{
  dyno_profile_recorder *recorder = open_recorder(2);
  tell(recorder, 2, "op", NULL, 0, 1, 0, 0);
  tell(recorder, 7, "op", NULL, 0, 1, 0, 0);
  cr_assert(dyno_profile_recorder_lost(recorder) == 2);
  cr_assert(dyno_profile_recorder_total(recorder) == 0);
  dyno_profile_recorder_close(&recorder);
}

enum { BUSY_THREADS = 4, BUSY_EVENTS = 20000 };

typedef struct busy_thread {
  dyno_profile_recorder *recorder;
  unsigned thread;
} busy_thread;

static void *record_busily(void *context)
{
  const busy_thread *busy = context;
  for (uint64_t i = 0; i < BUSY_EVENTS; i++)
    tell(busy->recorder, busy->thread, "op", NULL, i, i + 1, i, 0);
  return NULL;
}

Test(profile_recorder, threads_do_not_disturb_each_other)
{
  dyno_profile_recorder *recorder = open_recorder(BUSY_THREADS);
  busy_thread busy[BUSY_THREADS];
  pthread_t handles[BUSY_THREADS];
  for (unsigned i = 0; i < BUSY_THREADS; i++) {
    busy[i] = (busy_thread){recorder, i};
    cr_assert(pthread_create(&handles[i], NULL, record_busily, &busy[i]) == 0);
  }
  for (unsigned i = 0; i < BUSY_THREADS; i++)
    pthread_join(handles[i], NULL);
  for (unsigned i = 0; i < BUSY_THREADS; i++) {
    cr_assert(dyno_profile_recorder_count(recorder, i) == BUSY_EVENTS);
    for (size_t j = 0; j < BUSY_EVENTS; j++)
      cr_assert(dyno_profile_recorder_event(recorder, i, j)->bytes == j);
  }
  dyno_profile_recorder_close(&recorder);
}

Test(profile_summary, all_time_is_accounted_for)
{
  dyno_profile_recorder *recorder = two_threads();
  dyno_profile_summary summary;
  cr_assert(dyno_profile_summarize(&summary, recorder, 0.1, NULL) == DYNO_OK);
  cr_assert(summary.threads == 2 && summary.events == 8 && summary.row_count == 2);
  near(summary.op_seconds, 0.150, "ops");
  near(summary.barrier_seconds, 0.030, "barriers");
  near(summary.between_seconds, 0.020, "between ops");
  near(summary.op_seconds + summary.barrier_seconds + summary.between_seconds, 0.2, "sum");
  near(summary.bytes, 12e6, "bytes");
  near(summary.macs, 2.4e9, "macs");
  dyno_profile_summary_free(&summary);
  dyno_profile_recorder_close(&recorder);
}

Test(profile_summary, rows_are_of_op_and_kernel)
{
  dyno_profile_recorder *recorder = two_threads();
  dyno_profile_summary summary;
  cr_assert(dyno_profile_summarize(&summary, recorder, 0.1, NULL) == DYNO_OK);
  const dyno_profile_row *qkv = row_of(&summary, "qkv"), *alone = row_of(&summary, "norm");
  cr_assert(&summary.rows[0] == qkv, "what takes longest stands first");
  cr_assert(qkv->calls == 4 && qkv->threads == 2 && qkv->kernel == &matmul);
  near(qkv->seconds, 0.140, "seconds");
  near(qkv->slowest_seconds, 0.080, "slowest");
  near(qkv->imbalance, 0.080 / 0.070 - 1, "imbalance");
  near(qkv->bytes_per_second, 12e6 / 0.070, "bytes per second");
  near(qkv->macs_per_second, 2.4e9 / 0.070, "macs per second");
  cr_assert(alone->calls == 1 && alone->threads == 1);
  near(alone->seconds, 0.010, "seconds of one thread");
  near(alone->imbalance, 0, "one thread alone is balanced");
  dyno_profile_summary_free(&summary);
  dyno_profile_recorder_close(&recorder);
}

Test(profile_summary, waiting_is_blamed_on_the_last_to_arrive)
{
  dyno_profile_recorder *recorder = two_threads();
  dyno_profile_summary summary;
  cr_assert(dyno_profile_summarize(&summary, recorder, 0.1, NULL) == DYNO_OK);
  near(row_of(&summary, "qkv")->waited_seconds, 0.020, "thread 0 waits for the matrix twice");
  near(row_of(&summary, "norm")->waited_seconds, 0.010, "thread 1 waits for the norm");
  dyno_profile_summary_free(&summary);
  dyno_profile_recorder_close(&recorder);
}

Test(profile_summary, nothing_is_fine_too)
{
  dyno_profile_recorder *recorder = open_recorder(1);
  dyno_profile_summary summary;
  cr_assert(dyno_profile_summarize(&summary, recorder, 0.5, NULL) == DYNO_OK);
  cr_assert(summary.row_count == 0 && isnan(summary.attained));
  near(summary.between_seconds, 0.5, "all of it lies between ops");
  dyno_profile_summary_free(&summary);
  dyno_profile_recorder_close(&recorder);
}

static dyno_profile_ceilings ceilings_of(double read_one, double read_all, double mac_one,
                                         double mac_all)
{
  dyno_profile_ceilings ceilings;
  for (size_t i = 0; i < DYNO_CEILING_KIND_COUNT; i++) {
    ceilings.one[i] = mac_one;
    ceilings.all[i] = mac_all;
  }
  ceilings.one[DYNO_CEILING_READ] = read_one;
  ceilings.all[DYNO_CEILING_READ] = read_all;
  return ceilings;
}

Test(profile_summary, the_slower_ceiling_limits)
{
  dyno_profile_recorder *recorder = two_threads();
  dyno_profile_summary summary;
  cr_assert(dyno_profile_summarize(&summary, recorder, 0.1, NULL) == DYNO_OK);
  /* 12 MB at 400 MB/s are 30 ms; 2.4 GMAC at 100 GMAC/s are 24 ms. */
  const dyno_profile_ceilings slow_memory = ceilings_of(300e6, 400e6, 50e9, 100e9);
  dyno_profile_hold_against(&summary, &slow_memory);
  const dyno_profile_row *qkv = row_of(&summary, "qkv"), *alone = row_of(&summary, "norm");
  cr_assert(qkv->limit == DYNO_CEILING_READ);
  near(qkv->attained, 0.030 / 0.070, "of the read");
  cr_assert(alone->limit == DYNO_CEILING_KIND_COUNT && isnan(alone->attained));
  near(summary.attained, 0.3, "altogether");
  /* At 40 GMAC/s they are 60 ms. */
  const dyno_profile_ceilings slow_arithmetic = ceilings_of(300e6, 400e6, 20e9, 40e9);
  dyno_profile_hold_against(&summary, &slow_arithmetic);
  cr_assert(qkv->limit == DYNO_CEILING_MAC_I8);
  near(qkv->attained, 0.060 / 0.070, "of the arithmetic");
  dyno_profile_summary_free(&summary);
  dyno_profile_recorder_close(&recorder);
}

Test(profile_summary, one_thread_is_held_against_one)
{
  dyno_profile_recorder *recorder = open_recorder(2);
  dyno_profile_summary summary;
  tell(recorder, 0, "head", &matmul, 0, 40, 9000000, 0);
  cr_assert(dyno_profile_summarize(&summary, recorder, 0.05, NULL) == DYNO_OK);
  const dyno_profile_ceilings ceilings = ceilings_of(300e6, 400e6, NAN, NAN);
  dyno_profile_hold_against(&summary, &ceilings);
  near(summary.rows[0].attained, 0.030 / 0.040, "of what one thread reads");
  dyno_profile_summary_free(&summary);
  dyno_profile_recorder_close(&recorder);
}

Test(profile_results, shares_and_ratios_are_taken_round_by_round)
{
  dyno_profile_run run = {.threads = 1, .phase_count = 2};
  run.phases = calloc(2, sizeof *run.phases);
  static const double rates[2][3] = {{10, 20, 12}, {9, 10, 9}};
  static const double reads[2][3] = {{20e9, 40e9, 20e9}, {20e9, 20e9, 20e9}};
  for (size_t i = 0; i < 2; i++) {
    dyno_profile_phase *phase = &run.phases[i];
    *phase = (dyno_profile_phase){.kind = DYNO_PROFILE_DECODE, .tokens = 4, .depth = i * 100};
    phase->recorder = open_recorder(1);
    phase->summary.bytes = 4e9; /* 1 GB a token */
    phase->rounds = calloc(3, sizeof *phase->rounds);
    phase->round_count = 3;
    for (size_t j = 0; j < 3; j++)
      phase->rounds[j] = (dyno_profile_round){
          .rate = rates[i][j], .seconds = 4 / rates[i][j], .reads = {.all = reads[i][j]}};
  }
  cr_assert(dyno_profile_summarize_rounds(&run, NULL) == DYNO_OK);
  near(run.phases[0].rate.median, 12, "rate");
  near(run.phases[0].rounds[1].read_share, 0.5, "share of a round");
  near(run.phases[0].read_share.median, 0.5, "share");
  near(run.phases[0].read_share.maximum, 0.6, "highest share");
  cr_assert(run.phases[0].relative.count == 0);
  near(run.phases[1].relative.median, 0.75, "of the first phase");
  dyno_profile_run_free(&run);
}

Test(profile_read, a_sample_reads_what_was_asked_for)
{
  enum { MATRICES = 3, BYTES = 40 << 20 };
  dyno_weight_pages pages[MATRICES];
  for (size_t i = 0; i < MATRICES; i++) {
    char *data = malloc(BYTES);
    memset(data, 1, BYTES);
    pages[i] = (dyno_weight_pages){data + 8, BYTES - 8}; /* not even aligned */
  }
  dyno_pool *pool;
  cr_assert(dyno_pool_open(&pool, 2, NULL) == DYNO_OK);
  dyno_profile_reader *reader;
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  /* All of it: nothing but the ends of pieces is left out. */
  cr_assert(dyno_profile_reader_open(&reader, pages, MATRICES, pool, cpu.isa, SIZE_MAX, NULL) ==
            DYNO_OK);
  near(dyno_profile_reader_total(reader), 3.0 * (BYTES - 8), "total");
  dyno_read_sample all = dyno_profile_reader_all(reader, 1);
  dyno_read_sample one = dyno_profile_reader_one(reader, 1);
  cr_assert(all.bytes > 0.999 * 3 * BYTES && all.bytes <= 3.0 * BYTES && all.seconds > 0);
  cr_assert(one.bytes > 0.999 * 3 * BYTES && one.bytes <= 3.0 * BYTES && one.seconds > 0);
  dyno_profile_reader_close(&reader);
  /* A part: about as much, other pieces for another seed, the same for the same. */
  cr_assert(dyno_profile_reader_open(&reader, pages, MATRICES, pool, DYNO_ISA_REF, (size_t)64 << 20,
                                     NULL) == DYNO_OK);
  double sum = 0;
  for (uint64_t seed = 0; seed < 8; seed++)
    sum += dyno_profile_reader_all(reader, seed).bytes / 8;
  cr_assert(fabs(sum / (64 << 20) - 1) < 0.3, "%g bytes on average", sum);
  near(dyno_profile_reader_all(reader, 5).bytes, dyno_profile_reader_all(reader, 5).bytes, "again");
  dyno_profile_reader_close(&reader);
  dyno_pool_close(&pool);
  for (size_t i = 0; i < MATRICES; i++)
    free((char *)(uintptr_t)pages[i].data - 8);
}

Test(profile_read, weights_too_small_to_read_are_refused)
{
  static _Alignas(64) char few[96];
  const dyno_weight_pages pages = {few, sizeof few};
  dyno_error error = {0};
  dyno_pool *pool;
  dyno_profile_reader *reader;
  cr_assert(dyno_pool_open(&pool, 1, NULL) == DYNO_OK);
  cr_assert(dyno_profile_reader_open(&reader, &pages, 1, pool, DYNO_ISA_REF, 1 << 20, &error) ==
            DYNO_ERROR_UNSUPPORTED);
  cr_assert(reader == NULL && strstr(error.message, "96 bytes of weights") != NULL, "%s",
            error.message);
  cr_assert(dyno_profile_reader_open(&reader, NULL, 0, pool, DYNO_ISA_REF, 1 << 20, &error) ==
            DYNO_ERROR_UNSUPPORTED);
  dyno_pool_close(&pool);
}

Test(profile_process, age_and_memory)
{
  double age = dyno_process_age();
  cr_assert(age >= -0.02 && age < 3600, "%g s", age);
  cr_assert(dyno_process_peak_memory() > 1 << 20);
}

/* A report of one phase, of two_threads. */
static void make_report(dyno_profile_report *report)
{
  static const dyno_cpu cpu = {.name = "made up"};
  *report = (dyno_profile_report){.model = "m",
                                  .precision = "fast",
                                  .cpu = &cpu,
                                  .options = DYNO_PROFILE_DEFAULTS,
                                  .run_count = 1,
                                  .runs = calloc(1, sizeof *report->runs)};
  dyno_profile_run *run = &report->runs[0];
  *run = (dyno_profile_run){.threads = 2, .first_token_age = NAN, .phase_count = 1};
  run->phases = calloc(1, sizeof *run->phases);
  dyno_profile_phase *phase = &run->phases[0];
  *phase = (dyno_profile_phase){
      .kind = DYNO_PROFILE_DECODE, .tokens = 1, .step_count = 1, .probed_seconds = 0.1};
  phase->recorder = two_threads();
  phase->steps = calloc(1, sizeof *phase->steps);
  phase->steps[0].end_ns = 100000000;
  cr_assert(dyno_profile_summarize(&phase->summary, phase->recorder, 0.1, NULL) == DYNO_OK);
}

static char *written(dyno_profile_writer *write, const dyno_profile_report *report)
{
  char *text;
  size_t bytes;
  FILE *stream = open_memstream(&text, &bytes);
  cr_assert(write(report, stream, NULL) == DYNO_OK);
  fclose(stream);
  return text;
}

Test(profile_report, folded_stacks_add_up_to_all_threads)
{
  dyno_profile_report report;
  make_report(&report);
  char *text = written(dyno_profile_report_folded, &report);
  cr_assert(strstr(text, "decode 1 at 0;qkv;matmul_test__ref 140000\n") != NULL, "%s", text);
  cr_assert(strstr(text, "decode 1 at 0;barrier;norm 10000\n") != NULL, "%s", text);
  double sum = 0;
  for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
    sum += strtod(strrchr(line, ' '), NULL);
  near(sum, 200000, "microseconds");
  free(text);
  dyno_profile_report_free(&report);
}

Test(profile_report, a_trace_has_every_event)
{
  dyno_profile_report report;
  make_report(&report);
  char *text = written(dyno_profile_report_trace, &report);
  json_t *trace = json_loads(text, 0, NULL), *event;
  size_t index, events = 0;
  cr_assert(json_is_array(trace), "%s", text);
  json_array_foreach (trace, index, event) {
    const char *phase = json_string_value(json_object_get(event, "ph"));
    events += strcmp(phase, "X") == 0;
    cr_assert(strcmp(phase, "X") == 0 || strcmp(phase, "M") == 0);
  }
  cr_assert(events == 9, "8 events and one call, not %zu", events);
  json_decref(trace);
  free(text);
  dyno_profile_report_free(&report);
}

Test(profile_report, json_and_tables_can_do_without_rounds)
{
  dyno_profile_report report;
  make_report(&report);
  report.interrupted = true;
  char *text = written(dyno_profile_report_json, &report);
  json_t *root = json_loads(text, 0, NULL);
  const json_t *phase = json_array_get(
      json_object_get(json_array_get(json_object_get(root, "runs"), 0), "phases"), 0);
  cr_assert(json_is_null(json_object_get(phase, "tokens_per_second")));
  cr_assert(json_array_size(json_object_get(json_object_get(phase, "probed"), "ops")) == 2);
  json_decref(root);
  free(text);
  text = written(dyno_profile_report_table, &report);
  cr_assert(strstr(text, "not measured") != NULL, "%s", text);
  cr_assert(strstr(text, "interrupted: ") != NULL, "%s", text);
  free(text);
  dyno_profile_report_free(&report);
}
