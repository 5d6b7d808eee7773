/* Packed files that are damaged, or mean harm. Each must end in an error that names the file and
 * what is wrong in it. Where the head was changed it is sealed again, so that it is not the
 * checksum that stops it. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/model/config_fields.h"
#include "tests/unit/hostile.h"
#include "tests/unit/model_fixture.h"
#include "tests/unit/packed_fixture.h"
#include "tests/unit/random.h"

static fixture_folder folder;
static char good[300], path[300]; /* the file as it should be, and the one that is changed */

static void make_folder(void)
{
  static const fixture_model model = {DYNO_Q8_0, DYNO_MXFP4, DYNO_F32, DYNO_BF16, 1};
  dyno_model_config config = fixture_config();
  dyno_error error = {0};
  fixture_folder_make(&folder);
  snprintf(good, sizeof good, "%s/good", folder.path);
  snprintf(path, sizeof path, "%s/changed", folder.path);
  fixture_write_model(fixture_path(&folder, "model"), &model, &config, &dyno_dialect_ggml_org, 0);
  cr_assert(packed_make_as(good, fixture_path(&folder, "model"), DYNO_ISA_COUNT, true, &error) ==
                DYNO_OK,
            "%s", error.message);
}

static void remove_folder(void)
{
  fixture_folder_remove(&folder);
}

TestSuite(packed_hostile, .init = make_folder, .fini = remove_folder, .timeout = 120);

/* Without a tier above the reference everything is in plain rows. */
static void require_layouts(void)
{
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  if (cpu.isa == DYNO_ISA_REF)
    cr_skip_test("this CPU has no packed layouts");
}

static void expect(const char *what, const char *message)
{
  dyno_error error;
  dyno_status status = hostile_read_model(path, &error);
  cr_assert(status != DYNO_OK, "%s: was taken", what);
  cr_assert(hostile_is_clear(&error, path), "%s: %s", what, error.message);
  cr_assert(strstr(error.message, message) != NULL, "%s: no '%s' in: %s", what, message,
            error.message);
}

/* Whatever comes of it, it is the right result or a clear error. */
static bool survive(const char *what)
{
  dyno_error error;
  dyno_status status = hostile_read_model(path, &error);
  cr_assert(status == DYNO_OK || hostile_is_clear(&error, path), "%s: %s", what, error.message);
  return status == DYNO_OK;
}

/* A change to the bytes of the good file. */
static void write_patched(size_t offset, const void *bytes, size_t count, bool seal)
{
  size_t size;
  uint8_t *copy = fixture_read(good, &size, 0);
  cr_assert(offset + count <= size, "a patch at %zu of %zu", offset, size);
  memcpy(copy + offset, bytes, count);
  fixture_write(path, copy, size);
  free(copy);
  if (seal)
    packed_seal(path);
}

static size_t offset_of(const char *key)
{
  dyno_gguf *gguf;
  cr_assert(dyno_gguf_open(&gguf, good, NULL) == DYNO_OK, "cannot open %s", good);
  const dyno_gguf_entry *entry = dyno_gguf_find(gguf, key);
  cr_assert(entry != NULL, "there is no %s", key);
  size_t offset = (size_t)entry->offset;
  dyno_gguf_close(&gguf);
  return offset;
}

/* Where the tensor's number is, or its extent. */
typedef struct place {
  size_t index, data, bytes, last_field; /* of its name, rank, dims, type and offset */
} place;

static place place_of(const char *name)
{
  dyno_gguf *gguf;
  place found = {0};
  cr_assert(dyno_gguf_open(&gguf, good, NULL) == DYNO_OK, "cannot open %s", good);
  const dyno_gguf_tensor *tensor = dyno_gguf_find_tensor(gguf, name);
  cr_assert(tensor != NULL, "there is no %s", name);
  found.index = (size_t)(tensor - dyno_gguf_tensor_at(gguf, 0));
  found.data = (size_t)tensor->offset;
  found.bytes = (size_t)tensor->bytes;
  found.last_field = (size_t)((const uint8_t *)tensor->name.bytes - dyno_gguf_file(gguf)->bytes) +
                     tensor->name.size + 4 + 8 * tensor->rank + 4;
  dyno_gguf_close(&gguf);
  return found;
}

Test(packed_hostile, the_good_file_is_taken)
{
  dyno_error error;
  cr_assert(hostile_read_model(good, &error) == DYNO_OK, "%s", error.message);
}

Test(packed_hostile, damage_to_the_head_is_seen_at_once)
{
  const char *const keys[] = {"dyno.pack.shapes", "dyno.config.layers", "tokenizer.ggml.tokens"};
  for (size_t i = 0; i < 3; i++) {
    uint8_t byte = 0x99;
    write_patched(offset_of(keys[i]) + (i == 1 ? 1 : 8), &byte, 1, false);
    expect(keys[i], "metadata and tensor table do not have their checksum");
  }
  place checksums = place_of(DYNO_PACKED_CHECKSUMS);
  const size_t damaged[] = {0, 8, checksums.bytes / 2, checksums.bytes - 1};
  for (size_t i = 0; i < 4; i++) {
    size_t size;
    uint8_t *bytes = fixture_read(good, &size, 0), byte = bytes[checksums.data + damaged[i]] ^ 1;
    free(bytes);
    write_patched(checksums.data + damaged[i], &byte, 1, false);
    expect("checksums", "the checksums do not have their own checksum");
  }
}

Test(packed_hostile, a_file_that_is_cut_short_is_refused)
{
  size_t size;
  uint8_t *bytes = fixture_read(good, &size, 0);
  /* Behind the checksums there is only padding. */
  place checksums = place_of(DYNO_PACKED_CHECKSUMS);
  size = checksums.data + checksums.bytes;
  for (size_t left = 0; left < size; left += left < 8192 ? 97 : size / 50) {
    fixture_write(path, bytes, left);
    packed_seal(path);
    cr_assert(!survive("cut short"), "%zu of %zu bytes were taken", left, size);
  }
  fixture_write(path, bytes, checksums.data + checksums.bytes - 1);
  expect("a byte too few", "cut short");
  free(bytes);
}

Test(packed_hostile, other_versions_are_refused)
{
  const uint32_t versions[] = {0, DYNO_PACKED_VERSION + 1, INT32_MAX, UINT32_MAX};
  for (size_t i = 0; i < 4; i++) {
    write_patched(offset_of("dyno.pack.version"), &versions[i], 4, true);
    expect("version", "a packed file of version");
  }
}

Test(packed_hostile, shapes_must_be_those_of_the_configuration)
{
  const char *const names[] = {"blk.0.attn_q.weight",    "blk.1.ffn_gate_exps.weight",
                               "token_embd.weight",      "blk.0.attn_norm.weight",
                               "blk.1.ffn_up_exps.bias", "output.weight",
                               DYNO_PACKED_SCREEN};
  const uint64_t numbers[] = {
      0, 1, 2, 31, 33, 65, UINT32_MAX, (uint64_t)1 << 32, INT64_MAX, (uint64_t)1 << 63, UINT64_MAX};
  size_t shapes = offset_of("dyno.pack.shapes"), refused = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    for (size_t j = 0; j < 3; j++)
      for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        size_t at = shapes + 8 * (3 * place_of(names[i]).index + j), size;
        uint8_t *bytes = fixture_read(good, &size, 0);
        bool same = memcmp(bytes + at, &numbers[k], 8) == 0;
        free(bytes);
        if (same)
          continue;
        write_patched(at, &numbers[k], 8, true);
        expect(names[i], numbers[k] > INT64_MAX ? "below 2^63" : names[i]);
        refused++;
      }
  cr_assert(refused > 150, "%zu shapes were tried", refused);
}

Test(packed_hostile, extents_are_checked)
{
  static const struct {
    const char *name;
    int64_t shift; /* of the offset in the file's tensor table */
    const char *message;
  } cases[] = {
      {"blk.0.attn_q.weight", 1, "not at a multiple of the alignment"},
      {"blk.0.attn_q.weight", 64, "not at a multiple of the alignment"},
      {"blk.0.attn_q.weight", -4096, "overlaps"},
      {"blk.0.ffn_up_exps.weight", 4096, "overlaps"},
      {"blk.0.ffn_up_exps.weight", (int64_t)1 << 40, "the file ends at"},
      {"blk.0.ffn_up_exps.weight", INT64_MAX - 4095, "the file ends at"},
      {"output.weight", INT64_MIN, "the file ends at"},
      {DYNO_PACKED_SCREEN, 4096, "overlaps"},
      {DYNO_PACKED_CHECKSUMS, 4096, "the file ends at"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t at = place_of(cases[i].name).last_field, size;
    uint8_t *bytes = fixture_read(good, &size, 0);
    uint64_t offset;
    memcpy(&offset, bytes + at, sizeof offset);
    free(bytes);
    offset += (uint64_t)cases[i].shift;
    write_patched(at, &offset, sizeof offset, true);
    expect(cases[i].name, cases[i].message);
  }
}

/* Every number of the configuration. */
Test(packed_hostile, the_configuration_is_checked)
{
  const uint64_t sizes[] = {0,         (uint64_t)1 << 31, (uint64_t)1 << 32,
                            INT64_MAX, (uint64_t)1 << 63, UINT64_MAX};
  const float floats[] = {-1, -0.0f, INFINITY, -INFINITY, NAN, 3e38f};
  for (dyno_config_field i = 0; i < DYNO_CONFIG_FIELD_COUNT; i++) {
    char key[96];
    snprintf(key, sizeof key, "dyno.config.%s", dyno_config_field_name(i));
    size_t at = offset_of(key);
    for (size_t j = 0; j < 6; j++) {
      if (i < DYNO_CONFIG_FIRST_FLOAT)
        write_patched(at, &sizes[j], 8, true);
      else
        write_patched(at, &floats[j], 4, true);
      expect(key, i == DYNO_CONFIG_WINDOW && j == 0 ? "sliding window is 0" : key);
    }
    const uint64_t small[] = {1, 2, 3, 31, 33, 65, 1 << 12, 1 << 17, 1 << 24};
    for (size_t j = 0; j < 9 && i < DYNO_CONFIG_FIRST_FLOAT; j++) {
      write_patched(at, &small[j], 8, true);
      survive(key);
    }
  }
}

/* What is done to the good file while it is written once more. */
typedef struct edit {
  const char *key;                           /* an entry that is left out, */
  void (*instead)(dyno_gguf_writer *writer); /* and what comes in its place, if anything */
  const char *tensor;                        /* a tensor that is left out, */
  const char *name;                          /* or, where this is given, */
  const char *type;                          /* declared and filled like this */
  uint64_t dims[2];
  const char *extra;  /* a tensor of 8 bytes before the last */
  uint32_t alignment; /* 0 for the usual */
} edit;

static uint32_t type_id(const char *name)
{
  uint32_t id = 0;
  while (dyno_gguf_tensor_type_by_id(id) == NULL ||
         strcmp(dyno_gguf_tensor_type_by_id(id)->name, name) != 0)
    id++;
  return id;
}

static void to_text(char *text, size_t size, dyno_span span)
{
  snprintf(text, size, "%.*s", (int)span.size, span.bytes);
}

static void declare(dyno_gguf_writer *writer, const dyno_gguf_tensor *tensor, const edit *change)
{
  char name[DYNO_TENSOR_NAME];
  to_text(name, sizeof name, tensor->name);
  if (change->tensor == NULL || strcmp(name, change->tensor) != 0)
    dyno_gguf_writer_add_tensor(writer, name, tensor->type->id, tensor->dims, tensor->rank);
  else if (change->name != NULL)
    dyno_gguf_writer_add_tensor(writer, change->name, type_id(change->type), change->dims, 2);
}

/* Zeros, or as much of the tensor as there is. */
static void fill(dyno_gguf_writer *writer, const dyno_gguf_tensor *tensor, const edit *change)
{
  char name[DYNO_TENSOR_NAME];
  uint64_t bytes = tensor->bytes;
  to_text(name, sizeof name, tensor->name);
  if (change->tensor != NULL && strcmp(name, change->tensor) == 0) {
    if (change->name == NULL)
      return;
    const dyno_gguf_tensor_type *type = dyno_gguf_tensor_type_by_id(type_id(change->type));
    bytes = change->dims[0] / type->block_elements * type->block_bytes * change->dims[1];
  }
  uint8_t *data = calloc(1, bytes);
  memcpy(data, tensor->data, bytes < tensor->bytes ? bytes : tensor->bytes);
  cr_assert(dyno_gguf_writer_write(writer, data, bytes, NULL) == DYNO_OK, "cannot write %s", name);
  free(data);
}

static void rewrite(const edit *change)
{
  dyno_gguf *gguf;
  dyno_gguf_writer *writer;
  dyno_error error = {0};
  const uint64_t one[] = {1};
  cr_assert(dyno_gguf_open(&gguf, good, &error) == DYNO_OK &&
                dyno_gguf_writer_new(&writer, path, &error) == DYNO_OK,
            "%s", error.message);
  dyno_gguf_writer_add_uint32(writer, "general.alignment",
                              change->alignment != 0 ? change->alignment : 4096);
  for (size_t i = 0; i < dyno_gguf_entry_count(gguf); i++) {
    const dyno_gguf_entry *entry = dyno_gguf_entry_at(gguf, i);
    if (dyno_span_equal(entry->key, dyno_span_of("general.alignment")))
      continue;
    if (change->key == NULL || !dyno_span_equal(entry->key, dyno_span_of(change->key)))
      dyno_gguf_writer_copy_entry(writer, entry);
  }
  if (change->instead != NULL)
    change->instead(writer);
  size_t count = dyno_gguf_tensor_count(gguf);
  for (size_t i = 0; i < count; i++) {
    if (i + 1 == count && change->extra != NULL)
      dyno_gguf_writer_add_tensor(writer, change->extra, type_id("I64"), one, 1);
    declare(writer, dyno_gguf_tensor_at(gguf, i), change);
  }
  cr_assert(dyno_gguf_writer_begin(writer, &error) == DYNO_OK, "%s", error.message);
  for (size_t i = 0; i < count; i++) {
    if (i + 1 == count && change->extra != NULL)
      dyno_gguf_writer_write(writer, one, 8, NULL);
    fill(writer, dyno_gguf_tensor_at(gguf, i), change);
  }
  cr_assert(dyno_gguf_writer_commit(writer, &error) == DYNO_OK, "%s", error.message);
  dyno_gguf_writer_free(&writer);
  dyno_gguf_close(&gguf);
  packed_seal(path);
}

/* The layouts of the good file with one replaced. */
static const char *layout_tensor, *layout_name;

static void other_layout(dyno_gguf_writer *writer)
{
  dyno_gguf *gguf;
  dyno_span *names;
  size_t count;
  cr_assert(dyno_gguf_open(&gguf, good, NULL) == DYNO_OK &&
                dyno_gguf_get_strings(&names, &count, gguf, "dyno.pack.layouts", NULL) == DYNO_OK,
            "no layouts");
  names[place_of(layout_tensor).index] = dyno_span_of(layout_name);
  dyno_gguf_writer_add_strings(writer, "dyno.pack.layouts", names, count);
  free(names);
  dyno_gguf_close(&gguf);
}

Test(packed_hostile, layouts_are_checked)
{
  require_layouts();
  static const struct {
    const char *tensor, *layout, *message;
  } cases[] = {
      {"blk.0.attn_q.weight", "q8_0_panel16_v2", "which this build of dyno does not know"},
      {"blk.0.attn_q.weight", "q8_0_panel16", "which this build of dyno does not know"},
      {"blk.0.attn_q.weight", "", "which this build of dyno does not know"},
      {"blk.0.attn_q.weight", "\x1b[2J%s%n", "'\\x1b[2J%s%n'"},
      {"blk.0.attn_q.weight",
       "a_name_that_is_longer_than_any_layout_of_any_version_ever_was_or_will_be",
       "which this build of dyno does not know"},
      {"blk.0.attn_q.weight", "mxfp4_panel16_v1", "in the layout mxfp4_panel16_v1 are another"},
      {"blk.0.attn_q.weight", "bf16_panel16_v1", "in the layout bf16_panel16_v1 are another"},
      {"blk.0.attn_q.weight", "q8_0_rows", "has type I8, but its layout is said to be q8_0_rows"},
      {"blk.0.ffn_up_exps.weight", "q8_0_panel16_v1", "are another number"},
      {"token_embd.weight", "q8_0_panel16_v1", "only plain rows are of use"},
      {"token_embd.weight", "q4_0_rows", "has type Q8_0, but its layout is said to be q4_0_rows"},
      {"blk.1.attn_norm.weight", "q8_0_panel16_v1", "only plain rows are of use"},
      {"blk.1.attn_norm.weight", "bf16_rows", "has type F32, but its layout is said to be"},
      {"blk.1.ffn_gate_inp.weight", "f32_rows", "has type BF16, but its layout is said to be"},
      {"blk.1.ffn_gate_inp.weight", "bf16_panel16_v1", "only plain rows are of use"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    layout_tensor = cases[i].tensor;
    layout_name = cases[i].layout;
    rewrite(&(edit){.key = "dyno.pack.layouts", .instead = other_layout});
    expect(cases[i].layout, cases[i].message);
    expect(cases[i].layout, cases[i].tensor);
  }
}

static void layouts_as_numbers(dyno_gguf_writer *writer)
{
  dyno_gguf_writer_add_uint32(writer, "dyno.pack.layouts", 1);
}

static void one_layout(dyno_gguf_writer *writer)
{
  const dyno_span names[] = {{"q8_0_rows", 9}};
  dyno_gguf_writer_add_strings(writer, "dyno.pack.layouts", names, 1);
}

static void one_shape(dyno_gguf_writer *writer)
{
  const uint64_t shape[] = {1, 1, 1};
  dyno_gguf_writer_add_array(writer, "dyno.pack.shapes", DYNO_GGUF_UINT64, shape, 3);
}

static void float_shapes(dyno_gguf_writer *writer)
{
  float *shapes = calloc(3 * 4096, sizeof *shapes);
  dyno_gguf_writer_add_array(writer, "dyno.pack.shapes", DYNO_GGUF_FLOAT32, shapes,
                             3 * (place_of(DYNO_PACKED_CHECKSUMS).index));
  free(shapes);
}

static void short_hash(dyno_gguf_writer *writer)
{
  dyno_gguf_writer_add_string(writer, "dyno.pack.model_hash", "0123456789abcdef");
}

static void long_hash(dyno_gguf_writer *writer)
{
  dyno_gguf_writer_add_string(writer, "dyno.pack.model_hash", "0123456789abcdef0123456789abcdef0");
}

static void odd_hash(dyno_gguf_writer *writer)
{
  dyno_gguf_writer_add_string(writer, "dyno.pack.model_hash", "0123456789ABCDEF0123456789\n%s%n!");
}

static void number_for_source(dyno_gguf_writer *writer)
{
  dyno_gguf_writer_add_uint64(writer, "dyno.pack.source", UINT64_MAX);
}

static void float_version(dyno_gguf_writer *writer)
{
  dyno_gguf_writer_add_float32(writer, "dyno.pack.version", 1);
}

static void float_layers(dyno_gguf_writer *writer)
{
  dyno_gguf_writer_add_float32(writer, "dyno.config.layers", 2);
}

static void few_slides(dyno_gguf_writer *writer)
{
  const bool slides[] = {true};
  dyno_gguf_writer_add_array(writer, "dyno.config.slides", DYNO_GGUF_BOOL, slides, 1);
}

static void many_slides(dyno_gguf_writer *writer)
{
  static const bool slides[DYNO_MAX_LAYERS + 1];
  dyno_gguf_writer_add_array(writer, "dyno.config.slides", DYNO_GGUF_BOOL, slides,
                             DYNO_MAX_LAYERS + 1);
}

static void number_for_tied(dyno_gguf_writer *writer)
{
  dyno_gguf_writer_add_uint32(writer, "dyno.config.tied_head", 1);
}

Test(packed_hostile, every_key_is_wanted_and_typed)
{
  static const struct {
    const char *key;
    void (*instead)(dyno_gguf_writer *writer);
    const char *message;
  } cases[] = {
      {"dyno.pack.version", NULL, "'dyno.pack.version' is missing"},
      {"dyno.pack.version", float_version, "is a float32; an integer is wanted"},
      {"dyno.pack.layouts", NULL, "'dyno.pack.layouts' is missing"},
      {"dyno.pack.layouts", layouts_as_numbers, "an array of strings is wanted"},
      {"dyno.pack.layouts", one_layout, "has 1 values for"},
      {"dyno.pack.shapes", NULL, "'dyno.pack.shapes' is missing"},
      {"dyno.pack.shapes", one_shape, "has 3 values"},
      {"dyno.pack.shapes", float_shapes, "an array of integers"},
      {"dyno.pack.model_hash", NULL, "'dyno.pack.model_hash' is missing"},
      {"dyno.pack.model_hash", short_hash, "32 hexadecimal digits are wanted"},
      {"dyno.pack.model_hash", long_hash, "32 hexadecimal digits are wanted"},
      {"dyno.pack.model_hash", odd_hash, "ABCDEF0123456789\\x0a%s%n!'"},
      {"dyno.pack.source", NULL, "'dyno.pack.source' is missing"},
      {"dyno.pack.source", number_for_source, "a string is wanted"},
      {"dyno.config.layers", float_layers, "'dyno.config.layers' is a float32"},
      {"dyno.config.slides", NULL, "'dyno.config.slides' is missing"},
      {"dyno.config.slides", few_slides, "'dyno.config.slides' has 1 values; 2 are wanted"},
      {"dyno.config.slides", many_slides, "'dyno.config.slides' has 513 values; 2 are wanted"},
      {"dyno.config.rope_truncate", NULL, "'dyno.config.rope_truncate' is missing"},
      {"dyno.config.tied_head", NULL, "'dyno.config.tied_head' is missing"},
      {"dyno.config.tied_head", number_for_tied, "a bool is wanted"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    rewrite(&(edit){.key = cases[i].key, .instead = cases[i].instead});
    expect(cases[i].key, cases[i].message);
  }
  for (dyno_config_field i = 0; i < DYNO_CONFIG_FIELD_COUNT; i++) {
    char key[96], message[128];
    snprintf(key, sizeof key, "dyno.config.%s", dyno_config_field_name(i));
    snprintf(message, sizeof message, "'%s' is missing", key);
    rewrite(&(edit){.key = key});
    expect(key, message);
  }
}

Test(packed_hostile, tensors_are_those_that_are_wanted)
{
  require_layouts();
  place query = place_of("blk.0.attn_q.weight");
  size_t checksums = place_of(DYNO_PACKED_CHECKSUMS).index + 2;
  const struct {
    edit change;
    const char *message;
  } cases[] = {
      {{.tensor = "blk.1.attn_k.weight"}, "holds"}, /* the checksums are one too many */
      {{.tensor = "blk.1.attn_k.weight",
        .name = "blk.9.attn_k.weight",
        .type = "I8",
        .dims = {64, 1}},
       "is missing"},
      {{.tensor = "blk.1.attn_k.weight", .extra = "blk.9.attn_k.weight"},
       "is in the layout 'screen4_v1', which this build of dyno does not know"},
      {{.tensor = DYNO_PACKED_SCREEN, .name = DYNO_PACKED_SCREEN, .type = "I8", .dims = {64, 1}},
       "of I8 are wanted"},
      {{.extra = "blk.1.attn_k.scale"}, "holds"},
      {{.tensor = DYNO_PACKED_CHECKSUMS}, "the last tensor is not 'dyno.pack.checksums'"},
      {{.tensor = DYNO_PACKED_CHECKSUMS,
        .name = DYNO_PACKED_CHECKSUMS,
        .type = "F64",
        .dims = {checksums, 1}},
       "numbers of type I64 are wanted"},
      {{.tensor = DYNO_PACKED_CHECKSUMS,
        .name = DYNO_PACKED_CHECKSUMS,
        .type = "I64",
        .dims = {checksums - 1, 1}},
       "numbers of type I64 are wanted"},
      {{.tensor = DYNO_PACKED_CHECKSUMS,
        .name = DYNO_PACKED_CHECKSUMS,
        .type = "I64",
        .dims = {checksums + 1, 1}},
       "numbers of type I64 are wanted"},
      {{.tensor = "blk.0.attn_q.weight",
        .name = "blk.0.attn_q.weight",
        .type = "I8",
        .dims = {query.bytes - 1, 1}},
       "are another number"},
      {{.tensor = "blk.0.attn_q.weight",
        .name = "blk.0.attn_q.weight",
        .type = "I8",
        .dims = {query.bytes + 64, 1}},
       "are another number"},
      {{.tensor = "blk.0.attn_q.weight",
        .name = "blk.0.attn_q.weight",
        .type = "I16",
        .dims = {query.bytes / 2, 1}},
       "has type I16, not I8"},
      {{.tensor = "blk.0.attn_q.weight",
        .name = "blk.0.attn_q.weights",
        .type = "I8",
        .dims = {query.bytes, 1}},
       "'blk.0.attn_q.weight' is missing"},
      {{.tensor = "token_embd.weight",
        .name = "token_embd.weight",
        .type = "Q8_0",
        .dims = {64, 69}},
       "has the shape [69, 64]"},
      {{.tensor = "blk.0.attn_norm.weight",
        .name = "blk.0.attn_norm.weight",
        .type = "Q8_0",
        .dims = {64, 1}},
       "has type Q8_0"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    rewrite(&cases[i].change);
    expect(cases[i].message, cases[i].message);
  }
}

static size_t padding_bytes;

static void add_padding(dyno_gguf_writer *writer)
{
  char text[64] = "";
  memset(text, '.', padding_bytes);
  dyno_gguf_writer_add_string(writer, "general.padding", text);
}

/* GGUF's least alignment is 8 bytes, and the layouts want 64: however the head is padded, at most
 * one of eight files can have that by chance. */
Test(packed_hostile, what_is_not_aligned_is_refused)
{
  require_layouts();
  size_t taken = 0;
  for (padding_bytes = 0; padding_bytes < 64; padding_bytes += 8) {
    rewrite(&(edit){.alignment = 8, .instead = add_padding});
    if (survive("alignment"))
      taken++;
    else
      expect("alignment", "does not begin at a multiple of the 64 bytes");
  }
  cr_assert(taken <= 1, "%zu files were taken", taken);
}

Test(packed_hostile, random_changes_to_the_head_are_survived)
{
  uint64_t random = 1;
  size_t head = place_of("token_embd.weight").data, taken = 0;
  for (int i = 0; i < 600; i++) {
    size_t size;
    uint8_t *bytes = fixture_read(good, &size, 0);
    for (size_t n = 1 + random_below(&random, 3); n > 0; n--) {
      size_t at = random_below(&random, head);
      bytes[at] = i % 2 == 0 ? (uint8_t)random_next(&random) : bytes[at] ^ 1;
    }
    fixture_write(path, bytes, size);
    free(bytes);
    packed_seal(path);
    taken += survive("random change");
  }
  cr_assert(taken > 0 && taken < 600, "%zu of 600 were taken", taken);
}
