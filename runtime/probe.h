/* What the engine tells whoever measures it: one event for each op, thread and call.
 *
 * Without a probe an op costs one branch more. With one it reads the clock twice and calls event,
 * from all threads at once: the receiver keeps a buffer for each thread, and must be quick. */
#ifndef DYNO_RUNTIME_PROBE_H
#define DYNO_RUNTIME_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernel.h"

/* The steps of a forward pass, in its order. */
typedef enum dyno_probe_op {
  DYNO_PROBE_EMBEDDING, /* rows of the embedding to the residual stream */
  DYNO_PROBE_ROPE_TABLES,
  DYNO_PROBE_ATTENTION_NORM,
  DYNO_PROBE_ATTENTION_QKV,
  DYNO_PROBE_ROPE,
  DYNO_PROBE_STORE_KV,
  DYNO_PROBE_ATTENTION,
  DYNO_PROBE_ATTENTION_OUTPUT,
  DYNO_PROBE_ATTENTION_RESIDUAL, /* adding it to the residual stream */
  DYNO_PROBE_MOE_NORM,
  DYNO_PROBE_ROUTER,       /* its logits */
  DYNO_PROBE_ROUTER_TOP_K, /* which experts */
  DYNO_PROBE_MOE_GROUP,    /* tokens sorted by expert */
  DYNO_PROBE_MOE_GATHER,   /* and copied there */
  DYNO_PROBE_MOE_GATE_UP,
  DYNO_PROBE_SWIGLU,
  DYNO_PROBE_MOE_DOWN,
  DYNO_PROBE_MOE_COMBINE, /* the experts' sum to the residual stream */
  DYNO_PROBE_OUTPUT_NORM,
  DYNO_PROBE_SCREEN, /* of two-stage logits; their second stage is part of the head */
  DYNO_PROBE_HEAD,
  DYNO_PROBE_QUANTIZE, /* activations to A8, for any of the matrices */
  DYNO_PROBE_BARRIER,  /* waiting for the other threads */
  DYNO_PROBE_OP_COUNT
} dyno_probe_op;

/* "attention_qkv", ...: the same static string for all time. */
const char *dyno_probe_op_name(dyno_probe_op op);

typedef struct dyno_probe_event {
  const char *op; /* a name of dyno_probe_op_name */
  int layer;      /* -1 when it is of none */
  unsigned thread;
  const dyno_kernel *kernel; /* NULL where none ran */
  uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC */
  uint64_t bytes;            /* of weights, keys and values: this thread's part of the reading */
  uint64_t macs;             /* of matrices, keys and values, by this thread */
  size_t tokens;             /* in the pass */
} dyno_probe_event;

/* The rows that matrices are about to be multiplied with, of all tokens of a pass. */
typedef struct dyno_probe_rows {
  dyno_probe_op
      op;       /* of ATTENTION_QKV, ATTENTION_OUTPUT, MOE_GATE_UP (and router), MOE_DOWN, HEAD */
  size_t layer; /* 0 for the head */
  const float *rows; /* [count][k] */
  size_t count, k;
  /* The same rows rounded, as kernels/base/a8.h has them, where the matrices take those; else NULL:
   * they take the floats. */
  const void *rounded;
  /* MOE_GATE_UP: the experts that each row goes to, [count][chosen], the likeliest first. Else
   * NULL. */
  const int32_t *expert;
  size_t chosen;
  /* MOE_DOWN: rows group_begin[g] to group_begin[g + 1] go to expert group_expert[g]. Else NULL. */
  const size_t *group_begin, *group_expert;
  size_t groups;
} dyno_probe_rows;

typedef struct dyno_probe {
  void (*event)(void *context, const dyno_probe_event *event); /* may be NULL, if rows is not */
  void *context;
  /* Called by the first thread, while the others may be working already; may be NULL. */
  void (*rows)(void *context, const dyno_probe_rows *rows);
} dyno_probe;

#endif
