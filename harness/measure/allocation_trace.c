#include "harness/measure/allocation_trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 16 << 20, LINE_BYTES = 128 };

#define MOST_BYTES (UINT64_C(1) << 42)

/* Which slot an address has, while a block is there: a table with room for twice as many. */
typedef struct place {
  uint64_t address;
  uint32_t slot;
  bool used, live;
} place;

typedef struct reader {
  const char *path;
  size_t line;
  dyno_allocation_trace *trace;
  size_t capacity; /* of steps */
  place *places;
  size_t place_count, taken; /* a power of two; places that are used */
  uint64_t *bytes;           /* [slots]: of the block in it; 0: free */
  uint32_t *free;            /* [slots], those that are free */
  size_t free_count, slot_capacity;
  uint64_t live;
} reader;

static dyno_status refuse(const reader *in, const char *what, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: line %zu: %s", in->path, in->line, what);
}

static dyno_status out_of_memory(const reader *in, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", in->path);
}

static place *find(const reader *in, uint64_t address)
{
  size_t at = (size_t)(address * UINT64_C(0x9e3779b97f4a7c15) >> 20);
  for (;; at++) {
    place *here = &in->places[at & (in->place_count - 1)];
    if (!here->used || here->address == address)
      return here;
  }
}

static bool grow_places(reader *in)
{
  size_t before = in->place_count;
  place *old = in->places;
  in->place_count = before == 0 ? 1024 : before * 2;
  in->places = calloc(in->place_count, sizeof *in->places);
  in->taken = 0;
  for (size_t i = 0; in->places != NULL && i < before; i++)
    if (old[i].live) {
      *find(in, old[i].address) = old[i];
      in->taken++;
    }
  free(old);
  return in->places != NULL;
}

static bool add_slot(reader *in, uint32_t *slot)
{
  if (in->free_count > 0) {
    *slot = in->free[--in->free_count];
    return true;
  }
  size_t slots = in->trace->slots;
  if (slots == in->slot_capacity) {
    in->slot_capacity = slots == 0 ? 256 : slots * 2;
    uint64_t *bytes = realloc(in->bytes, in->slot_capacity * sizeof *bytes);
    in->bytes = bytes != NULL ? bytes : in->bytes;
    uint32_t *spare = realloc(in->free, in->slot_capacity * sizeof *spare);
    in->free = spare != NULL ? spare : in->free;
    if (bytes == NULL || spare == NULL)
      return false;
  }
  *slot = (uint32_t)in->trace->slots++;
  return true;
}

static bool add_step(reader *in, dyno_trace_step step)
{
  dyno_allocation_trace *trace = in->trace;
  if (trace->count == in->capacity) {
    in->capacity = in->capacity == 0 ? 1024 : in->capacity * 2;
    dyno_trace_step *steps = realloc(trace->steps, in->capacity * sizeof *steps);
    if (steps == NULL)
      return false;
    trace->steps = steps;
  }
  trace->steps[trace->count++] = step;
  return true;
}

static dyno_status read_taken(reader *in, uint64_t address, char *rest, dyno_error *error)
{
  uint64_t bytes = 0, alignment = 0;
  char purpose[24];
  int length = 0;
  if (sscanf(rest, " %14" SCNu64 " %8" SCNu64 " %20s%n", &bytes, &alignment, purpose, &length) !=
          3 ||
      rest[length] != '\n')
    return refuse(in, "'+ ADDRESS BYTES ALIGNMENT PURPOSE' is wanted", error);
  if (bytes == 0 || bytes > MOST_BYTES)
    return refuse(in, "a block has 1 to 2^42 bytes", error);
  if (alignment == 0 || alignment > DYNO_HUGE_PAGE || (alignment & (alignment - 1)) != 0)
    return refuse(in, "an alignment is a power of two up to 2 MiB", error);
  dyno_trace_step step = {.bytes = bytes, .alignment = (uint32_t)alignment};
  step.purpose = dyno_purpose_parse(purpose);
  if (step.purpose == DYNO_PURPOSE_COUNT)
    return refuse(in, "there is no such purpose", error);
  if (2 * (in->taken + 1) > in->place_count && !grow_places(in))
    return out_of_memory(in, error);
  place *here = find(in, address);
  if (here->live)
    return refuse(in, "there is a block at this address already", error);
  if (!add_slot(in, &step.slot) || !add_step(in, step))
    return out_of_memory(in, error);
  in->taken += !here->used;
  *here = (place){address, step.slot, true, true};
  in->bytes[step.slot] = bytes;
  in->live += bytes; /* no more than 2^24 blocks of 2^42 bytes: refused below */
  if (in->live > MOST_BYTES)
    return refuse(in, "more than 2^42 bytes are taken at once", error);
  if (in->live > in->trace->peak)
    in->trace->peak = in->live;
  in->trace->allocated++;
  return DYNO_OK;
}

static dyno_status read_released(reader *in, uint64_t address, const char *rest, dyno_error *error)
{
  if (*rest != '\n')
    return refuse(in, "'- ADDRESS' is wanted", error);
  place *here = in->place_count == 0 ? NULL : find(in, address);
  if (here == NULL || !here->live)
    return refuse(in, "there is no block at this address", error);
  if (!add_step(in, (dyno_trace_step){.slot = here->slot}))
    return out_of_memory(in, error);
  here->live = false;
  in->live -= in->bytes[here->slot];
  in->bytes[here->slot] = 0;
  in->free[in->free_count++] = here->slot;
  return DYNO_OK;
}

static dyno_status read_line(reader *in, char *line, dyno_error *error)
{
  char *end;
  if ((line[0] != '+' && line[0] != '-') || line[1] != ' ' || line[2] == ' ' || line[2] == '-')
    return refuse(in, "a line begins with '+ ' or '- ' and an address", error);
  errno = 0;
  uint64_t address = strtoull(line + 2, &end, 16);
  if (end == line + 2 || errno != 0)
    return refuse(in, "this is no address", error);
  if (in->trace->count == MOST_STEPS)
    return refuse(in, "too many lines: 16777216 are possible", error);
  return line[0] == '+' ? read_taken(in, address, end, error)
                        : read_released(in, address, end, error);
}

static dyno_status read_lines(reader *in, FILE *file, dyno_error *error)
{
  char line[LINE_BYTES];
  dyno_status status = DYNO_OK;
  while (status == DYNO_OK && fgets(line, sizeof line, file) != NULL) {
    in->line++;
    if (strlen(line) == 0 || line[strlen(line) - 1] != '\n')
      return refuse(in, "the line is too long, has a zero byte, or the file is cut", error);
    if (in->line > 1)
      status = read_line(in, line, error);
    else if (strcmp(line, DYNO_ALLOCATION_TRACE_HEAD "\n") != 0)
      return refuse(in, "'" DYNO_ALLOCATION_TRACE_HEAD "' is wanted: this is no such file", error);
  }
  if (status == DYNO_OK && ferror(file))
    return dyno_fail(error, DYNO_ERROR_IO, "%s: cannot be read: %m", in->path);
  if (status == DYNO_OK && in->trace->allocated == 0)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: nothing is allocated in it", in->path);
  return status;
}

static dyno_status release_rest(reader *in, dyno_error *error)
{
  for (uint32_t slot = 0; slot < in->trace->slots; slot++)
    if (in->bytes[slot] > 0 && !add_step(in, (dyno_trace_step){.slot = slot}))
      return out_of_memory(in, error);
  return DYNO_OK;
}

dyno_status dyno_allocation_trace_read(dyno_allocation_trace *trace, const char *path,
                                       dyno_error *error)
{
  reader in = {.path = path, .trace = trace};
  *trace = (dyno_allocation_trace){0};
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                     "%s: cannot be opened: %m", path);
  dyno_status status = read_lines(&in, file, error);
  fclose(file);
  if (status == DYNO_OK)
    status = release_rest(&in, error);
  if (status != DYNO_OK)
    dyno_allocation_trace_free(trace);
  free(in.places);
  free(in.bytes);
  free(in.free);
  return status;
}

void dyno_allocation_trace_free(dyno_allocation_trace *trace)
{
  free(trace->steps);
  *trace = (dyno_allocation_trace){0};
}
