/* Runs a fuzz target over stored inputs, where there is no libFuzzer: every file of the folders
 * (and every file) named on the command line, in the order of their names. Fails when a folder
 * holds none, so that a corpus cannot get lost unnoticed. A crash names the input it was at. */
#include "config.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/target.h"

/* Hands the file over in a buffer of exactly its size: sanitizers then see the first byte read
 * past it. */
static bool run_file(const char *path)
{
  FILE *stream = fopen(path, "rb");
  struct stat status;
  if (stream == NULL || fstat(fileno(stream), &status) != 0) {
    perror(path);
    if (stream != NULL)
      fclose(stream);
    return false;
  }
  size_t size = (size_t)status.st_size;
  uint8_t *data = malloc(size > 0 ? size : 1);
  bool whole = data != NULL && fread(data, 1, size, stream) == size;
  fclose(stream);
  if (whole) {
    fprintf(stderr, "%s\n", path);
    (void)LLVMFuzzerTestOneInput(data, size);
  } else {
    fprintf(stderr, "%s: cannot be read whole\n", path);
  }
  free(data);
  return whole;
}

static int is_visible(const struct dirent *entry)
{
  return entry->d_name[0] != '.';
}

/* Returns how many files ran, or -1. */
static long run_folder(const char *path)
{
  struct dirent **entries;
  int found = scandir(path, &entries, is_visible, alphasort);
  if (found < 0) {
    perror(path);
    return -1;
  }
  long ran = 0;
  for (int i = 0; i < found; i++) {
    char file[4096];
    int length = snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
    if (ran >= 0 && length > 0 && (size_t)length < sizeof file)
      ran = run_file(file) ? ran + 1 : -1;
    free(entries[i]);
  }
  free(entries);
  if (ran == 0) {
    fprintf(stderr, "%s: no input files in it\n", path);
    return -1;
  }
  return ran;
}

int main(int argc, char **argv)
{
  if (argc < 2) {
    fprintf(stderr, "Usage: %s FOLDER-OR-FILE...\n", argv[0]);
    return 2;
  }
  for (int i = 1; i < argc; i++) {
    struct stat status;
    bool folder = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
    long ran = folder ? run_folder(argv[i]) : run_file(argv[i]) ? 1 : -1;
    if (ran < 0)
      return 1;
    printf("%s: %ld inputs\n", argv[i], ran);
  }
  return 0;
}
