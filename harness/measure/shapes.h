/* Shape files: the problems that a benchmark or a choice is about.
 *
 *   # a comment; so is the rest of any line
 *   attn_qkv: matmul weight=q8_0 activation=a8 m=1 n=5120 k=2880
 *   attn_qkv: matmul weight=q8_0 activation=a8 m=512 n=5120 k=2880
 *   rmsnorm m=1 k=2880
 *
 * One problem a line, in the words of kernels/problem.h. The label before the colon is optional;
 * lines with the same label belong to the same tensor, which lies in memory only once, so that
 * one layout is chosen for all of them. */
#ifndef DYNO_HARNESS_MEASURE_SHAPES_H
#define DYNO_HARNESS_MEASURE_SHAPES_H

#include <stddef.h>

#include "kernels/base/status.h"
#include "kernels/problem.h"

#define DYNO_SHAPE_LABEL 32

typedef struct dyno_shape {
  char label[DYNO_SHAPE_LABEL]; /* "" when the line has none */
  dyno_problem problem;
  unsigned line; /* from 1 */
} dyno_shape;

/* Zero-initialise; free with dyno_shapes_free. */
typedef struct dyno_shapes {
  dyno_shape *items; /* [count], in the order of the file */
  size_t count;
} dyno_shapes;

/* Reads what `source` names: one of the files that are built in ("gpt-oss-20b", "quick"), or else
 * the path of one. On failure shapes is empty. NOT_FOUND or IO when it cannot be read; FORMAT,
 * naming file, line and word, when it is malformed, has no problem in it, or is over a MiB. */
dyno_status dyno_shapes_load(dyno_shapes *shapes, const char *source, dyno_error *error);

/* Parses text [bytes] that was read from name, which the messages quote. */
dyno_status dyno_shapes_parse(dyno_shapes *shapes, const char *name, const char *text, size_t bytes,
                              dyno_error *error);

/* Adds one problem at the end, without a line. */
dyno_status dyno_shapes_add(dyno_shapes *shapes, const char *label, const dyno_problem *problem,
                            dyno_error *error);

void dyno_shapes_free(dyno_shapes *shapes);

/* The files of testcases/shapes/, as they were when the program was built. The last one has a
 * NULL name. */
typedef struct dyno_builtin_shapes {
  const char *name, *text;
} dyno_builtin_shapes;

extern const dyno_builtin_shapes dyno_builtin_shapes_list[];

#endif
