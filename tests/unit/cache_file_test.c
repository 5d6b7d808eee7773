/* Cache files: what was written is read, and files that are damaged, foreign or mean harm end in an
 * error that names the file and the offset. Where a head or an index was changed its checksums are
 * made right again, so that it is not they that stop it. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/model_fixture.h"

enum { RECORDS = 2 };

static fixture_folder folder;
static char path[300];
static uint8_t *good; /* the bytes of a file of RECORDS records */
static size_t good_size;

static void make_file(void)
{
  dyno_error error = {0};
  fixture_folder_make(&folder);
  snprintf(path, sizeof path, "%s/cache", folder.path);
  cr_assert(cache_write_file(path, RECORDS, &error) == DYNO_OK, "%s", error.message);
  good = fixture_read(path, &good_size, 0);
}

static void remove_file(void)
{
  free(good);
  fixture_folder_remove(&folder);
}

TestSuite(cache_file, .init = make_file, .fini = remove_file, .timeout = 60);

/* Opens the file and restores all that is in it. OK only when it is, to the byte, what was written.
 */
static dyno_status read_all(dyno_error *error)
{
  dyno_cache_file *file;
  dyno_block_codec *codec;
  *error = (dyno_error){0};
  dyno_status status = dyno_cache_file_open(&file, path, cache_identity, &cache_shape, error);
  if (status != DYNO_OK) {
    cr_assert(file == NULL);
    return status;
  }
  cr_assert(dyno_block_codec_open(&codec, CACHE_ELEMENT, CACHE_BLOCK, NULL) == DYNO_OK);
  size_t count = dyno_cache_file_count(file);
  for (size_t i = 0; i < count && status == DYNO_OK; i++) {
    const dyno_cache_file_entry *entry = dyno_cache_file_at(file, i);
    uint8_t blocks[CACHE_LAYERS][CACHE_BLOCK], back[CACHE_BLOCK];
    int32_t tokens[64];
    uint8_t *bytes = allocate(entry->bytes);
    dyno_node_view view;
    status = dyno_cache_file_read(&view, bytes, file, i, error);
    for (size_t layer = 0; layer < CACHE_LAYERS && status == DYNO_OK; layer++)
      status = dyno_node_view_restore(&view, codec, back, layer, error) == DYNO_OK
                   ? DYNO_OK
                   : dyno_error_prepend(error, "%s", path);
    if (status == DYNO_OK) {
      uint8_t *record = allocate(dyno_node_record_most(&cache_shape, 64));
      size_t tokens_count = cache_record_tokens(i, count);
      cache_make_record(record, tokens, blocks, tokens_count, i + 1);
      cr_assert(dyno_node_view_holds(&view, tokens, tokens_count), "record %zu: other tokens", i);
      cr_assert(memcmp(back, blocks[CACHE_LAYERS - 1], CACHE_BLOCK) == 0, "record %zu: other keys",
                i);
      free(record);
    }
    free(bytes);
  }
  dyno_block_codec_close(&codec);
  dyno_cache_file_close(&file);
  return status;
}

/* The file with these bytes must be refused with a message that names it, an offset and `what`. */
static void expect(const uint8_t *bytes, size_t size, dyno_status wanted, const char *what)
{
  dyno_error error;
  fixture_write(path, bytes, size);
  dyno_status status = read_all(&error);
  cr_assert(status == wanted, "%s: %s: %s", what, dyno_status_name(status), error.message);
  cr_assert(strncmp(error.message, path, strlen(path)) == 0, "no path in: %s", error.message);
  cr_assert(strstr(error.message, "offset ") != NULL, "no offset in: %s", error.message);
  cr_assert(strstr(error.message, what) != NULL, "no '%s' in: %s", what, error.message);
}

Test(cache_file, what_is_written_is_read)
{
  dyno_error error;
  cr_assert(read_all(&error) == DYNO_OK, "%s", error.message);
  dyno_cache_file *file;
  cr_assert(dyno_cache_file_open(&file, path, cache_identity, &cache_shape, &error) == DYNO_OK);
  cr_assert(dyno_cache_file_count(file) == RECORDS);
  for (size_t i = 0; i < RECORDS; i++) {
    const dyno_cache_file_entry *entry = dyno_cache_file_at(file, i);
    cr_assert(entry->key[0] == i + 1 && entry->parent[1] == i && entry->depth == i);
  }
  dyno_cache_file_close(&file);
  cr_assert(cache_write_file(path, 0, &error) == DYNO_OK, "%s", error.message);
  cr_assert(read_all(&error) == DYNO_OK, "an empty one: %s", error.message);
}

Test(cache_file, says_that_there_is_none)
{
  dyno_error error = {0};
  dyno_cache_file *file;
  unlink(path);
  cr_assert(dyno_cache_file_open(&file, path, cache_identity, &cache_shape, &error) ==
            DYNO_ERROR_NOT_FOUND);
  cr_assert(dyno_cache_file_open(&file, folder.path, cache_identity, &cache_shape, &error) ==
            DYNO_ERROR_IO);
}

/* Not even the records that are whole are used. */
Test(cache_file, every_truncation_is_refused)
{
  dyno_error error;
  for (size_t size = good_size; size-- > 0;) {
    cr_assert(truncate(path, (off_t)size) == 0);
    dyno_status wanted = size == 0 || size >= 8 ? DYNO_ERROR_FORMAT : DYNO_ERROR_UNSUPPORTED;
    cr_assert(read_all(&error) == wanted && strstr(error.message, "offset") != NULL,
              "cut to %zu of %zu: %s", size, good_size, error.message);
  }
  uint8_t *longer = calloc(1, good_size + 64);
  memcpy(longer, good, good_size);
  expect(longer, good_size + 64, DYNO_ERROR_FORMAT, "added to");
  free(longer);
}

/* A bit of every byte: an error, always, because there is a checksum over everything. */
Test(cache_file, every_changed_byte_is_refused)
{
  dyno_error error;
  int file = open(path, O_WRONLY);
  for (size_t at = 0; at < good_size; at++) {
    uint8_t changed = good[at] ^ (uint8_t)(1u << at % 8);
    cr_assert(pwrite(file, &changed, 1, (off_t)at) == 1);
    cr_assert(read_all(&error) != DYNO_OK, "a changed byte at %zu was taken", at);
    cr_assert(strncmp(error.message, path, strlen(path)) == 0 &&
                  strstr(error.message, "offset ") != NULL,
              "at %zu: %s", at, error.message);
    cr_assert(pwrite(file, &good[at], 1, (off_t)at) == 1);
  }
  close(file);
  cr_assert(read_all(&error) == DYNO_OK, "the file itself: %s", error.message);
}

/* Each number of head, index and a record's tables, sealed again, at values that others have choked
 * on. */
Test(cache_file, hostile_numbers)
{
  dyno_error error;
  dyno_cache_file_head head;
  memcpy(&head, good, sizeof head);
  size_t index = head.index_offset, record = sizeof head + head.identity_bytes + 64 * 4;
  const struct {
    const char *name;
    size_t at, bytes;
  } fields[] = {
      {"magic", 0, 8},
      {"version", 8, 4},
      {"identity bytes", 12, 4},
      {"file bytes", 16, 8},
      {"index offset", 24, 8},
      {"count", 32, 8},
      {"layers", 40, 4},
      {"element bytes", 44, 4},
      {"block bytes", 48, 8},
      {"offset", index + 32, 8},
      {"bytes", index + 40, 8},
      {"tokens", index + 48, 4},
      {"checksum", index + 56, 8},
      {"the last one's bytes", index + 64 * (RECORDS - 1) + 40, 8},
      {"a block's size", record, 4},
  };
  for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
    uint64_t is = 0;
    memcpy(&is, good + fields[f].at, fields[f].bytes);
    const uint64_t values[] = {0,
                               1,
                               is - 1,
                               is + 1,
                               2 * is,
                               64,
                               65,
                               1024,
                               1025,
                               good_size,
                               1u << 31,
                               UINT32_MAX,
                               UINT64_C(1) << 40,
                               UINT64_C(1) << 63,
                               UINT64_MAX};
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
      uint8_t *copy = allocate(good_size);
      memcpy(copy, good, good_size);
      memcpy(copy + fields[f].at, &values[v], fields[f].bytes);
      bool same = memcmp(copy, good, good_size) == 0;
      cache_seal(copy, good_size, fields[f].at == record);
      fixture_write(path, copy, good_size);
      dyno_status status = read_all(&error);
      cr_assert((status == DYNO_OK) == same, "%s = %llu: %s", fields[f].name,
                (unsigned long long)values[v], dyno_status_name(status));
      cr_assert(same || (strncmp(error.message, path, strlen(path)) == 0 &&
                         strstr(error.message, "offset ") != NULL),
                "%s = %llu: %s", fields[f].name, (unsigned long long)values[v], error.message);
      free(copy);
    }
  }
}

Test(cache_file, foreign_files_are_refused)
{
  static const struct {
    const char *identity, *message;
  } others[] = {
      {"model 0123456789abcdef\nkv f32\nwindow 128", "'kv bf16', and this run has 'kv f32'"},
      {"model ffff456789abcdef\nkv bf16\nwindow 128", "'model 0123456789abcdef'"},
      {"model 0123456789abcdef\nkv bf16\nwindow 128\nmore", "with '', and this run has 'more'"},
      {"model 0123456789abcdef\nkv bf16", "'window 128', and this run has ''"},
  };
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    dyno_error error = {0};
    dyno_cache_file *file;
    cr_assert(dyno_cache_file_open(&file, path, others[i].identity, &cache_shape, &error) ==
                  DYNO_ERROR_UNSUPPORTED,
              "%s", others[i].identity);
    cr_assert(strstr(error.message, others[i].message) != NULL, "%s", error.message);
  }
  expect(
      (const uint8_t *)"GGUF is another format, and long enough to have a head of 72 bytes in it",
      72, DYNO_ERROR_UNSUPPORTED, "no cache file");
  const dyno_node_shape shape = {CACHE_LAYERS + 1, CACHE_ELEMENT, CACHE_BLOCK, 64};
  dyno_error error = {0};
  dyno_cache_file *file;
  fixture_write(path, good, good_size);
  cr_assert(dyno_cache_file_open(&file, path, cache_identity, &shape, &error) == DYNO_ERROR_FORMAT);
  cr_assert(strstr(error.message, "number of layers") != NULL, "%s", error.message);
}

/* A file that somebody cuts short while it is open. */
Test(cache_file, survives_a_file_that_shrinks)
{
  dyno_error error = {0};
  dyno_cache_file *file;
  dyno_node_view view;
  cr_assert(dyno_cache_file_open(&file, path, cache_identity, &cache_shape, &error) == DYNO_OK);
  cr_assert(truncate(path, 100) == 0);
  uint8_t *bytes = allocate(dyno_cache_file_at(file, 1)->bytes);
  cr_assert(dyno_cache_file_read(&view, bytes, file, 1, &error) == DYNO_ERROR_FORMAT);
  cr_assert(strstr(error.message, "too early") != NULL, "%s", error.message);
  free(bytes);
  dyno_cache_file_close(&file);
}

Test(cache_file, keeps_to_its_size)
{
  dyno_error error = {0};
  dyno_cache_writer *writer;
  cr_assert(dyno_cache_writer_open(&writer, path, cache_identity, &cache_shape, 50, &error) ==
            DYNO_ERROR_USAGE);
  uint64_t head = DYNO_CACHE_FILE_HEAD + strlen(cache_identity);
  cr_assert(dyno_cache_writer_open(&writer, path, cache_identity, &cache_shape, head + 64 + 100,
                                   &error) == DYNO_OK);
  cr_assert(dyno_cache_writer_has_room(writer, 100));
  cr_assert(!dyno_cache_writer_has_room(writer, 101));
  cr_assert(!dyno_cache_writer_has_room(writer, UINT64_MAX));
  dyno_cache_writer_discard(&writer);
  cr_assert(read_all(&error) == DYNO_OK, "the file that was there: %s", error.message);
}

/* Killed at any moment, the file is the old one or the new one, whole. */
Test(cache_file, a_killed_writer_leaves_the_old_file)
{
  dyno_error error;
  for (unsigned round = 0; round < 12; round++) {
    pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0)
      for (size_t i = 0;; i++)
        if (cache_write_file(path, 1 + i % 40, NULL) != DYNO_OK)
          _exit(1);
    usleep(1000 + 1700 * round);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    cr_assert(read_all(&error) == DYNO_OK, "after %u: %s", round, error.message);
  }
}

/* A disk that is full, as a limit on the size of files. */
Test(cache_file, a_full_disk_leaves_the_old_file)
{
  const struct rlimit limit = {good_size, good_size};
  signal(SIGXFSZ, SIG_IGN);
  cr_assert(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  dyno_error error = {0};
  cr_assert(cache_write_file(path, 4 * RECORDS, &error) == DYNO_ERROR_IO);
  cr_assert(strstr(error.message, path) != NULL, "%s", error.message);
  cr_assert(read_all(&error) == DYNO_OK, "the file that was there: %s", error.message);
  const char *left = fixture_path(&folder, "");
  char command[400];
  snprintf(command, sizeof command, "test \"$(ls -A '%s')\" = cache", left);
  cr_assert(system(command) == 0, "something was left beside it");
}
