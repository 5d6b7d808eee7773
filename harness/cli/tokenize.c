/* `dyno tokenize`: text to tokens and back, for scripts and for comparing tokenizers. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/cli.h"
#include "harness/cli/tokenize.h"
#include "runtime/text/model_tokenizer.h"
#include "runtime/text/utf8.h"

enum { OPTION_VOCAB = 256, OPTION_JSONL, OPTION_DECODE, OPTION_SPECIAL, OPTION_BENCH, OPTION_JSON };

static const struct argp_option option_list[] = {
    {"model", 'm', "MODEL", 0,
     "The vocabulary of a model: a GGUF file, a folder of safetensors, ollama:MODEL, "
     "hf:OWNER/NAME, or a tokenizer.json",
     0},
    {"vocab", OPTION_VOCAB, "FILE.tiktoken", 0,
     "The vocabulary of a .tiktoken file, with the special tokens of o200k_harmony", 0},
    {"jsonl", OPTION_JSONL, NULL, 0,
     "Read a JSON object with \"text\" per line, write it with \"ids\"; with --decode the other "
     "way",
     0},
    {"decode", OPTION_DECODE, NULL, 0, "Tokens to text", 0},
    {"special", OPTION_SPECIAL, NULL, 0, "Take special tokens that are spelled in the text as such",
     0},
    {"bench", OPTION_BENCH, NULL, 0, "Measure how fast the text of standard input is encoded", 0},
    {"json", OPTION_JSON, NULL, 0, "Print what --bench measured as JSON", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  dyno_tokenize_arguments *arguments = state->input;
  switch (key) {
  case 'm':
    arguments->model = argument;
    return 0;
  case OPTION_VOCAB:
    arguments->vocab = argument;
    return 0;
  case OPTION_JSONL:
    arguments->jsonl = true;
    return 0;
  case OPTION_DECODE:
    arguments->decode = true;
    return 0;
  case OPTION_SPECIAL:
    arguments->special = true;
    return 0;
  case OPTION_BENCH:
    arguments->bench = true;
    return 0;
  case OPTION_JSON:
    arguments->json = true;
    return 0;
  case ARGP_KEY_END:
    if ((arguments->model == NULL) == (arguments->vocab == NULL))
      argp_error(state, "either --model or --vocab is wanted");
    if (arguments->bench && (arguments->decode || arguments->jsonl))
      argp_error(state, "--bench takes plain text and encodes it; leave out --decode and --jsonl");
    if (arguments->decode && arguments->special)
      argp_error(state, "--special is for encoding; --decode always spells special tokens out");
    if (arguments->json && !arguments->bench)
      argp_error(state, "--json goes with --bench; --jsonl is for texts and tokens");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp parser = {
    .options = option_list,
    .parser = parse_option,
    .doc = "Reads text from standard input and prints its tokens, or the other way round.\v"
           "Without --jsonl, all of the input is one text, and tokens are numbers with white space "
           "between them. Text that is no UTF-8 is encoded byte by byte, and comes back as it was; "
           "in JSON, where it cannot be, ill-formed bytes are replaced by U+FFFD and \"base64\" "
           "has the bytes.",
};

dyno_status dyno_read_standard_input(dyno_bytes *text, dyno_error *error)
{
  enum { PIECE = 1 << 16 };
  for (;;) {
    dyno_status status = dyno_bytes_reserve(text, PIECE, error);
    if (status != DYNO_OK)
      return status;
    size_t read = fread(text->data + text->count, 1, PIECE, stdin);
    text->count += read;
    if (read > 0)
      continue;
    return ferror(stdin) ? dyno_fail(error, DYNO_ERROR_IO, "standard input: %s", strerror(errno))
                         : DYNO_OK;
  }
}

static dyno_status encode_plain(const dyno_tokenizer *tokenizer, bool special, dyno_error *error)
{
  dyno_bytes text = {0};
  dyno_tokens tokens = {0};
  dyno_status status = dyno_read_standard_input(&text, error);
  if (status == DYNO_OK)
    status = dyno_tokenizer_encode(tokenizer, &tokens, text.data, text.count, special, error);
  for (size_t i = 0; i < tokens.count && status == DYNO_OK; i++)
    printf("%s%" PRId32, i > 0 ? " " : "", tokens.ids[i]);
  if (status == DYNO_OK)
    putchar('\n');
  dyno_bytes_free(&text);
  dyno_tokens_free(&tokens);
  return status;
}

static dyno_status decode_plain(const dyno_tokenizer *tokenizer, dyno_error *error)
{
  static const char white[] = " \t\r\n";
  dyno_bytes text = {0}, bytes = {0};
  dyno_tokens tokens = {0};
  dyno_status status = dyno_read_standard_input(&text, error);
  if (status == DYNO_OK)
    status = dyno_bytes_append(&text, "", 1, error);
  for (size_t at = 0; status == DYNO_OK; at += strcspn(text.data + at, white)) {
    at += strspn(text.data + at, white);
    if (at == text.count - 1)
      break;
    char *end;
    errno = 0;
    long id = strtol(text.data + at, &end, 10);
    if (end == text.data + at || strchr(white, *end) == NULL || errno != 0 || id < 0 ||
        id > INT32_MAX)
      status = dyno_fail(error, DYNO_ERROR_FORMAT,
                         "standard input: '%.20s' at byte %zu is no token", text.data + at, at);
    else
      status = dyno_tokens_push(&tokens, (int32_t)id, error);
  }
  if (status == DYNO_OK)
    status = dyno_tokenizer_decode(tokenizer, &bytes, tokens.ids, tokens.count, error);
  if (status == DYNO_OK && bytes.count > 0)
    fwrite(bytes.data, 1, bytes.count, stdout);
  dyno_bytes_free(&text);
  dyno_bytes_free(&bytes);
  dyno_tokens_free(&tokens);
  return status;
}

/* A line of --jsonl while it is worked on; the buffers are kept from one to the next. */
typedef struct line_buffers {
  dyno_tokens tokens;
  dyno_bytes bytes, text;
} line_buffers;

static dyno_status encode_object(json_t *object, line_buffers *b, const dyno_tokenizer *tokenizer,
                                 bool special, dyno_error *error)
{
  const json_t *text = json_object_get(object, "text");
  if (!json_is_string(text))
    return dyno_fail(error, DYNO_ERROR_FORMAT, "a string \"text\" is wanted");
  b->tokens.count = 0;
  dyno_status status = dyno_tokenizer_encode(tokenizer, &b->tokens, json_string_value(text),
                                             json_string_length(text), special, error);
  if (status != DYNO_OK)
    return status;
  json_t *ids = json_array();
  int failed = ids == NULL;
  for (size_t i = 0; i < b->tokens.count && failed == 0; i++)
    failed = json_array_append_new(ids, json_integer(b->tokens.ids[i]));
  if (failed == 0)
    return json_object_set_new(object, "ids", ids) == 0
               ? DYNO_OK
               : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  json_decref(ids);
  return dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
}

static dyno_status read_ids(dyno_tokens *tokens, const json_t *object, dyno_error *error)
{
  const json_t *ids = json_object_get(object, "ids");
  if (!json_is_array(ids))
    return dyno_fail(error, DYNO_ERROR_FORMAT, "an array \"ids\" is wanted");
  tokens->count = 0;
  for (size_t i = 0; i < json_array_size(ids); i++) {
    const json_t *id = json_array_get(ids, i);
    json_int_t value = json_integer_value(id);
    if (!json_is_integer(id) || value < 0 || value > INT32_MAX)
      return dyno_fail(error, DYNO_ERROR_FORMAT, "\"ids\", index %zu: no token", i);
    dyno_status status = dyno_tokens_push(tokens, (int32_t)value, error);
    if (status != DYNO_OK)
      return status;
  }
  return DYNO_OK;
}

/* RFC 4648. Appends a terminating zero, too. */
static dyno_status append_base64(dyno_bytes *out, const dyno_bytes *bytes, dyno_error *error)
{
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t at = 0; at < bytes->count; at += 3) {
    size_t left = bytes->count - at;
    unsigned bits = 0;
    for (size_t i = 0; i < 3; i++)
      bits = bits << 8 | (i < left ? (unsigned char)bytes->data[at + i] : 0);
    char group[4];
    for (size_t i = 0; i < 4; i++)
      group[i] = i <= left ? letters[bits >> (18 - 6 * i) & 63] : '=';
    dyno_status status = dyno_bytes_append(out, group, 4, error);
    if (status != DYNO_OK)
      return status;
  }
  return dyno_bytes_append(out, "", 1, error);
}

static dyno_status decode_object(json_t *object, line_buffers *b, const dyno_tokenizer *tokenizer,
                                 dyno_error *error)
{
  b->bytes.count = b->text.count = 0;
  dyno_status status = read_ids(&b->tokens, object, error);
  if (status == DYNO_OK)
    status = dyno_tokenizer_decode(tokenizer, &b->bytes, b->tokens.ids, b->tokens.count, error);
  if (status == DYNO_OK)
    status = dyno_bytes_reserve(&b->text, DYNO_UTF8_STREAM_BYTES(b->bytes.count), error);
  if (status != DYNO_OK)
    return status;
  dyno_utf8_stream stream = {0};
  b->text.count = dyno_utf8_stream_push(&stream, b->text.data, b->bytes.data, b->bytes.count);
  b->text.count += dyno_utf8_stream_finish(&stream, b->text.data + b->text.count);
  bool lossy = b->text.count != b->bytes.count ||
               (b->text.count > 0 && memcmp(b->text.data, b->bytes.data, b->text.count) != 0);
  int failed = json_object_set_new(object, "text", json_stringn(b->text.data, b->text.count));
  if (lossy && failed == 0) {
    b->text.count = 0;
    status = append_base64(&b->text, &b->bytes, error);
    if (status != DYNO_OK)
      return status;
    failed = json_object_set_new(object, "base64", json_string(b->text.data));
  }
  return failed == 0 ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
}

static dyno_status convert_line(line_buffers *buffers, const char *line, size_t count,
                                const dyno_tokenizer *tokenizer,
                                const dyno_tokenize_arguments *arguments, dyno_error *error)
{
  json_error_t problem;
  json_t *object = json_loadb(line, count, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &problem);
  if (object == NULL)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "column %d: %s", problem.column, problem.text);
  dyno_status status = DYNO_OK;
  if (!json_is_object(object))
    status = dyno_fail(error, DYNO_ERROR_FORMAT, "a JSON object is wanted");
  else if (arguments->decode)
    status = decode_object(object, buffers, tokenizer, error);
  else
    status = encode_object(object, buffers, tokenizer, arguments->special, error);
  if (status == DYNO_OK && json_dumpf(object, stdout, JSON_COMPACT) == 0)
    putchar('\n');
  json_decref(object);
  return status;
}

static dyno_status convert_lines(const dyno_tokenizer *tokenizer,
                                 const dyno_tokenize_arguments *arguments, dyno_error *error)
{
  line_buffers buffers = {0};
  char *line = NULL;
  size_t room = 0, number = 0;
  dyno_status status = DYNO_OK;
  while (status == DYNO_OK) {
    ssize_t count = getline(&line, &room, stdin);
    if (count < 0)
      break;
    number++;
    status = convert_line(&buffers, line, (size_t)count, tokenizer, arguments, error);
    if (status != DYNO_OK)
      dyno_error_prepend(error, "standard input, line %zu", number);
  }
  if (status == DYNO_OK && !feof(stdin))
    status = dyno_fail(error, DYNO_ERROR_IO, "standard input, after line %zu: %s", number,
                       strerror(errno));
  free(line);
  dyno_tokens_free(&buffers.tokens);
  dyno_bytes_free(&buffers.bytes);
  dyno_bytes_free(&buffers.text);
  return status;
}

int dyno_verb_tokenize(int argc, char **argv)
{
  dyno_tokenize_arguments arguments = {0};
  dyno_error error = {0};
  dyno_tokenizer *tokenizer = NULL;
  if (dyno_parse_arguments(&parser, argc, argv, &arguments) != DYNO_OK)
    return DYNO_EXIT_USAGE;
  dyno_status status = arguments.vocab != NULL
                           ? dyno_tokenizer_open_tiktoken(&tokenizer, arguments.vocab, &error)
                           : dyno_tokenizer_open_model(&tokenizer, arguments.model, &error);
  if (status == DYNO_OK && arguments.bench)
    status = dyno_tokenize_bench(tokenizer, &arguments, &error);
  else if (status == DYNO_OK && arguments.jsonl)
    status = convert_lines(tokenizer, &arguments, &error);
  else if (status == DYNO_OK && arguments.decode)
    status = decode_plain(tokenizer, &error);
  else if (status == DYNO_OK)
    status = encode_plain(tokenizer, arguments.special, &error);
  dyno_tokenizer_free(tokenizer);
  if (status == DYNO_OK && (fflush(stdout) != 0 || ferror(stdout)))
    status = dyno_fail(&error, DYNO_ERROR_IO, "standard output: %s", strerror(errno));
  return status == DYNO_OK ? DYNO_EXIT_OK : dyno_report_error(&error);
}
