/* Weights that move to huge pages while tokens are computed: every bit stays. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernels/base/buffer.h"
#include "runtime/engine.h"
#include "runtime/memory/residence.h"
#include "runtime/synth/synth.h"
#include "tests/unit/model_fixture.h"
#include "tests/unit/packed_fixture.h"

static fixture_folder folder;

static void make_folder(void)
{
  fixture_folder_make(&folder);
}

static void remove_folder(void)
{
  fixture_folder_remove(&folder);
}

TestSuite(migration, .init = make_folder, .fini = remove_folder, .timeout = 120);

/* A packed model with matrices of some megabytes. */
static void make_packed(char path[4096])
{
  static const char *const sizes[][2] = {
      {"d-model", "512"}, {"d-ff", "512"}, {"experts", "16"}, {"vocab-size", "8192"}};
  char model[4096];
  dyno_synth_spec spec;
  dyno_error error = {0};
  snprintf(model, sizeof model, "%s", fixture_path(&folder, "model.gguf"));
  snprintf(path, 4096, "%s", fixture_path(&folder, "model.packed"));
  dyno_status status = dyno_synth_spec_init(&spec, "tiny", &error);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes && status == DYNO_OK; i++)
    status = dyno_synth_spec_set(&spec, sizes[i][0], sizes[i][1], &error);
  if (status == DYNO_OK)
    status = dyno_synth_spec_check(&spec, &error);
  if (status == DYNO_OK)
    status = dyno_synth_write(model, &spec, &(dyno_synth_run){0}, &error);
  if (status == DYNO_OK)
    status = packed_make(path, model, DYNO_ISA_COUNT, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
}

/* Written in pieces, a file is on small pages of the page cache. */
static void copy_in_pieces(const char *to, const char *from)
{
  static char piece[65536];
  int in = open(from, O_RDONLY | O_CLOEXEC);
  int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ssize_t size;
  cr_assert(in >= 0 && out >= 0, "%s", to);
  while ((size = read(in, piece, sizeof piece)) > 0)
    cr_assert(write(out, piece, (size_t)size) == size, "%s", to);
  close(in);
  close(out);
}

static bool huge_pages_to_be_had(void)
{
  dyno_buffer buffer;
  dyno_residence found = {0};
  cr_assert(dyno_buffer_open(&buffer, 8 * DYNO_HUGE_PAGE, NULL) == DYNO_OK, "memory");
  memset(buffer.data, 1, buffer.size);
  bool had = dyno_residence_add(&found, buffer.data, buffer.size) && found.huge == buffer.size;
  dyno_buffer_close(&buffer);
  return had;
}

static dyno_engine *open_engine(const char *path, unsigned threads, dyno_huge_pages huge_pages)
{
  dyno_engine *engine;
  dyno_error error = {0};
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = path;
  options.registry.threads = threads;
  options.huge_pages = huge_pages;
  cr_assert(dyno_engine_open(&engine, &options, &error) == DYNO_OK, "%s", error.message);
  return engine;
}

static dyno_sequence *open_sequence(dyno_engine *engine)
{
  dyno_sequence *sequence;
  cr_assert(dyno_sequence_open(&sequence, engine, 64, NULL) == DYNO_OK, "a sequence");
  return sequence;
}

static void append(dyno_sequence *sequence, int32_t token)
{
  cr_assert(dyno_sequence_append(sequence, &token, 1, NULL, NULL, NULL) == DYNO_OK, "a token");
}

static uint64_t weight_bytes(const dyno_engine *engine)
{
  return dyno_engine_get_placement(engine).weights;
}

Test(migration, logits_stay_while_weights_move)
{
  enum { TOKENS = 40, PATIENCE = 5000 };
  char packed[4096], pieces[4096];
  make_packed(packed);
  snprintf(pieces, sizeof pieces, "%s", fixture_path(&folder, "model.pieces"));
  copy_in_pieces(pieces, packed);

  dyno_engine *still = open_engine(pieces, 1, DYNO_HUGE_PAGES_OFF);
  dyno_engine *moving = open_engine(pieces, 2, DYNO_HUGE_PAGES_BACKGROUND);
  dyno_sequence *wanted = open_sequence(still), *got = open_sequence(moving);
  size_t bytes = dyno_engine_config(still)->vocab * sizeof(float);
  cr_assert(dyno_engine_packed_bytes(moving) == 0, "nothing moves before the first pass");
  for (int32_t i = 0; i < TOKENS; i++) {
    append(wanted, i);
    append(got, i);
    cr_assert(memcmp(dyno_sequence_logits(wanted), dyno_sequence_logits(got), bytes) == 0,
              "token %d, %zu bytes moved", i, (size_t)dyno_engine_packed_bytes(moving));
    cr_assert(dyno_engine_packed_bytes(still) == 0, "nothing moves unasked");
  }
  /* And when nobody asks for tokens. */
  for (int i = 0; i < PATIENCE && 2 * dyno_engine_packed_bytes(moving) < weight_bytes(moving); i++)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  if (huge_pages_to_be_had())
    cr_assert(2 * dyno_engine_packed_bytes(moving) >= weight_bytes(moving),
              "%zu of %zu bytes moved", (size_t)dyno_engine_packed_bytes(moving),
              (size_t)weight_bytes(moving));
  append(wanted, TOKENS);
  append(got, TOKENS);
  cr_assert(memcmp(dyno_sequence_logits(wanted), dyno_sequence_logits(got), bytes) == 0, "moved");
  dyno_sequence_close(&wanted);
  dyno_sequence_close(&got);
  dyno_engine_close(&still);
  dyno_engine_close(&moving);
}

/* At any moment, and without a pass. */
Test(migration, an_engine_can_be_closed_while_weights_move)
{
  char packed[4096];
  make_packed(packed);
  for (long wait = 0; wait < 12; wait++) {
    dyno_engine *engine = open_engine(packed, 2, DYNO_HUGE_PAGES_BACKGROUND);
    dyno_sequence *sequence = open_sequence(engine);
    if (wait > 0) {
      append(sequence, 1);
      nanosleep(&(struct timespec){.tv_nsec = wait * 1000000}, NULL);
    }
    dyno_sequence_close(&sequence);
    dyno_engine_close(&engine);
  }
}
