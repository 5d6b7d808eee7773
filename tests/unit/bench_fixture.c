#include "tests/unit/bench_fixture.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct shape {
  const char *name;
  unsigned prompt, output;
  double decode, prefill; /* tokens per second */
} shape;

static const shape shapes[] = {{"short", 10, 5, 20, 100}, {"long", 100, 21, 10, 200}};

static const char manifest_text[] =
    "{\"schema\": \"dyno.bench.manifest/1\", \"id\": \"fixture\",\n"
    " \"started\": \"2025-08-05T12:00:00.000Z\", \"finished\": \"2025-08-05T12:01:00.000Z\",\n"
    " \"dyno\": {\"version\": \"0.1.0\", \"commit\": \"0123abc\", \"dirty\": false,\n"
    "  \"compiler\": \"gcc 12\", \"flags\": \"-O2\"},\n"
    " \"command\": [\"dyno\", \"bench\"],\n"
    " \"protocol\": {\"profile\": \"standard\", \"warmup\": 2, \"iterations\": 10, \"seed\": 7,\n"
    "  \"budget_seconds\": null, \"preset\": null, \"counters\": []},\n"
    " \"model\": {\"name\": \"mini\", \"path\": \"mini.gguf\", \"dialect\": \"ggml-org\",\n"
    "  \"file_bytes\": 1000000000, \"parameters\": 2000000, \"layers\": 4, \"vocabulary\": 512,\n"
    "  \"fingerprint\": \"00112233445566778\", \"weight_bytes\": 900000000, \"packed_bytes\": 0},\n"
    " \"engine\": {\"threads\": 2, \"tier\": \"avx512vnni\", \"precision\": \"fast\", \"pool\": "
    "\"spin\",\n"
    "  \"pinned\": true, \"numa\": \"rows\", \"huge_pages\": \"load\", \"logits\": \"full\",\n"
    "  \"batch\": 512, \"features\": {\"pool\": \"spin\", \"batch\": 512},\n"
    "  \"kernels\": [{\"purpose\": \"experts\", \"kernel\": \"matmul_ref\", \"why\": "
    "\"ranked\"}]},\n"
    " \"environment\": [{\"name\": \"governor\", \"value\": \"performance\", \"why\": \"speed\",\n"
    "  \"advice\": null}],\n"
    " \"ceilings\": {\"read_one\": 15e9, \"read_all\": 25e9, \"mac_i8\": 2e11, \"mac_bf16\": "
    "1e11,\n"
    "  \"mac_f32\": null},\n"
    " \"cases\": [\n"
    "  {\"name\": \"short\", \"title\": \"Simple questions\", \"guide\": \"Simple questions\",\n"
    "   \"file\": \"short.json\", \"xxh3\": \"00\",\n"
    "   \"prompts\": [{\"id\": \"p\", \"prompt_tokens\": 10, \"output_tokens\": 5}]},\n"
    "  {\"name\": \"long\", \"title\": \"Long essays\", \"guide\": \"Long essays\",\n"
    "   \"file\": \"long.json\", \"xxh3\": \"00\",\n"
    "   \"prompts\": [{\"id\": \"p\", \"prompt_tokens\": 100, \"output_tokens\": 21}]}]}\n";

static FILE *open_file(const char *folder, const char *file, const char *mode)
{
  char path[BENCH_FIXTURE_PATH + 64];
  snprintf(path, sizeof path, "%s/%s", folder, file);
  FILE *stream = fopen(path, mode);
  cr_assert(stream != NULL || mode[0] == 'r', "cannot open %s: %m", path);
  return stream;
}

static void write_sample(FILE *stream, const shape *of, bool warmup, unsigned iteration,
                         unsigned sequence)
{
  double itl = 1e9 / (of->decode + 0.1 * iteration), prefill = of->prompt / of->prefill * 1e9;
  double ttft = prefill + 2e6;
  fprintf(stream,
          "{\"case\": \"%s\", \"prompt\": \"p\", \"warmup\": %s, \"iteration\": %u, \"sequence\": "
          "%u, \"run\": 0, \"begun_ns\": 1754395200000000000, \"prompt_tokens\": %u, "
          "\"output_tokens\": %u, \"tokenize_ns\": 1000000, \"prefill_ns\": %.0f, \"ttft_ns\": "
          "%.0f, \"e2e_ns\": %.17g, \"sampling_ns\": 1000000, \"setup_ns\": 500000, \"hash\": "
          "\"%s\", \"cpu_ns\": 1000000, \"steal_ns\": %u, \"pressure_cpu_ns\": null, "
          "\"involuntary_switches\": 3, \"major_faults\": 0, \"rss_bytes\": 1000000000, "
          "\"kv_bytes\": 1000000, \"read_one\": null, \"read_all\": %s, \"itl_ns\": [",
          of->name, warmup ? "true" : "false", iteration, sequence, of->prompt, of->output, prefill,
          ttft, ttft + itl * (of->output - 1), of->name, iteration == 9 ? 5000000 : 0,
          iteration % 2 == 0 ? "20e9" : "null");
  for (unsigned i = 0; i + 1 < of->output; i++)
    fprintf(stream, "%s%.17g", i == 0 ? "" : ", ", itl);
  fputs("]}\n", stream);
}

static void write_samples(const char *folder)
{
  FILE *stream = open_file(folder, "samples.jsonl", "w");
  unsigned sequence = 0;
  for (size_t i = 0; i < 2; i++)
    for (unsigned j = 0; j < 12; j++)
      write_sample(stream, &shapes[i], j < 2, j < 2 ? j : j - 2, sequence++);
  fclose(stream);
}

static void write_op(FILE *stream, const shape *of, const char *phase, const char *op,
                     const char *component, double share, double wall, double bytes, double macs)
{
  fprintf(stream,
          "{\"case\": \"%s\", \"phase\": \"%s\", \"op\": \"%s\", \"kernel\": %s, \"component\": "
          "\"%s\", \"calls\": 10, \"threads\": 2, \"thread_ns\": %.17g, \"waited_ns\": 0, "
          "\"bytes\": %.17g, \"macs\": %.17g, \"limit\": \"read\", \"attained\": 0.8}\n",
          of->name, phase, op, bytes > 0 ? "\"matmul_ref\"" : "null", component, share * wall * 2,
          bytes, macs);
}

/* Ten tokens in each phase: decoding at the case's rate, a prefill ten times as fast. */
static void write_ops(const char *folder)
{
  FILE *stream = open_file(folder, "ops.jsonl", "w");
  for (size_t i = 0; i < 2; i++)
    for (unsigned prefill = 0; prefill < 2; prefill++) {
      const shape *of = &shapes[i];
      const char *phase = prefill ? "prefill" : "decode";
      double wall = 10 / of->decode * 1e9 / (prefill ? 10 : 1), bytes = prefill ? 1e9 : 1e10;
      write_op(stream, of, phase, "embed", "embedding", 0.01, wall, 0, 0);
      write_op(stream, of, phase, "attend", "attention", 0.3, wall, 0.3 * bytes, 3e9);
      write_op(stream, of, phase, "experts", "feed_forward", 0.6, wall, 0.7 * bytes, 7e9);
      fprintf(stream,
              "{\"case\": \"%s\", \"phase\": \"%s\", \"op\": \"total\", \"wall_ns\": %.17g, "
              "\"tokens\": 10, \"threads\": 2, \"probe_share\": 0.001}\n",
              of->name, phase, wall);
    }
  fclose(stream);
}

static void write_memory(const char *folder)
{
  FILE *stream = open_file(folder, "memory.jsonl", "w");
  for (unsigned i = 0; i < 10; i++)
    fprintf(stream,
            "{\"t_ns\": %u, \"case\": %s, \"rss_bytes\": %u, \"peak_rss_bytes\": "
            "1300000000, \"weights_bytes\": 900000000, \"kv_bytes\": %u, \"workspace_bytes\": "
            "2000000, \"cache_bytes\": null, \"allocator_bytes\": 10000000, \"huge_bytes\": "
            "450000000}\n",
            100000000 * i, i < 2 ? "null" : "\"short\"", 1000000000 + 20000000 * i, 1000000 * i);
  fclose(stream);
}

void bench_fixture_write(char folder[BENCH_FIXTURE_PATH])
{
  const char *where = getenv("TMPDIR");
  snprintf(folder, BENCH_FIXTURE_PATH, "%s/dyno-bench-XXXXXX", where == NULL ? "/tmp" : where);
  cr_assert(mkdtemp(folder) != NULL, "cannot make %s: %m", folder);
  bench_fixture_put(folder, "manifest.json", manifest_text, false);
  write_samples(folder);
  write_ops(folder);
  write_memory(folder);
  bench_fixture_put(folder, "counters.jsonl",
                    "{\"case\": \"short\", \"phase\": \"decode\", \"op\": null, \"counter\": "
                    "\"instructions:u\", \"value\": null, \"running\": 0, \"reason\": "
                    "\"unsupported\", \"per_token\": null, \"pass\": 0}\n",
                    false);
  bench_fixture_put(
      folder, "texts.jsonl",
      "{\"case\": \"short\", \"prompt\": \"p\", \"text\": \"42\", \"tokens\": 3, "
      "\"ended\": true, \"expected\": \"42\", \"correct\": true, \"repeated\": true}\n"
      "{\"case\": \"long\", \"prompt\": \"p\", \"text\": \"\", \"tokens\": 1, "
      "\"ended\": true, \"expected\": null, \"correct\": null, \"repeated\": true}\n",
      false);
}

void bench_fixture_put(const char *folder, const char *file, const char *text, bool append)
{
  if (text == NULL) {
    char path[BENCH_FIXTURE_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    cr_assert(unlink(path) == 0, "cannot remove %s: %m", path);
    return;
  }
  FILE *stream = open_file(folder, file, append ? "a" : "w");
  cr_assert(fputs(text, stream) >= 0 && fclose(stream) == 0);
}

char *bench_fixture_get(const char *folder, const char *file)
{
  char *text = NULL;
  size_t count;
  FILE *stream = open_file(folder, file, "r");
  if (stream == NULL)
    return NULL;
  FILE *copy = open_memstream(&text, &count);
  for (int byte; (byte = getc(stream)) != EOF;)
    putc(byte, copy);
  fclose(stream);
  fclose(copy);
  return text;
}

void bench_fixture_edit(const char *folder, const char *file, const char *old, const char *new)
{
  char *text = bench_fixture_get(folder, file), *edited;
  char *at = text == NULL ? NULL : strstr(text, old);
  cr_assert(at != NULL, "%s has no %s", file, old);
  cr_assert(asprintf(&edited, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old)) > 0);
  bench_fixture_put(folder, file, edited, false);
  free(edited);
  free(text);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place)
{
  (void)about;
  (void)kind;
  (void)place;
  return remove(path);
}

void bench_fixture_remove(const char *folder)
{
  nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
