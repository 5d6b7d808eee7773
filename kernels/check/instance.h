/* One case: a problem with its operands in memory, ready to be run in several ways. Everything
 * here runs in the child (apart.h) and ends it where it cannot go on. */
#ifndef DYNO_KERNELS_CHECK_INSTANCE_H
#define DYNO_KERNELS_CHECK_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/check/apart.h"
#include "kernels/check/guarded.h"
#include "kernels/check/inputs.h"
#include "kernels/check/rng.h"
#include "kernels/check/tolerance.h"
#include "kernels/kernel.h"

/* Every case lays its operands out several times. */
typedef enum dyno_view {
  DYNO_VIEW_FLUSH,     /* for the variant; buffers end at a guard page */
  DYNO_VIEW_SHIFTED,   /* for the variant; buffers begin at some offset; other padding */
  DYNO_VIEW_REFERENCE, /* as FLUSH */
  DYNO_VIEW_TWIN,      /* as FLUSH */
  DYNO_VIEW_COUNT
} dyno_view;

typedef enum dyno_unit {
  DYNO_UNIT_FLOAT,
  DYNO_UNIT_INT32,
  DYNO_UNIT_BYTE,
} dyno_unit;

/* The row or token of a unit that belongs to none: padding. */
#define DYNO_UNOWNED UINT32_MAX

/* An array that kernels write, in units of one type. */
typedef struct dyno_check_output {
  const char *name;
  dyno_unit unit;
  size_t units, columns; /* columns is only for reports: name[u / columns][u % columns] */
  dyno_guarded *place[DYNO_VIEW_COUNT];
  /* What it holds before a run; NULL: the view's poison. */
  const unsigned char *initial[DYNO_VIEW_COUNT];
  /* Whose each unit is. Rows are those of the problem's numbering. */
  uint32_t *row, *token;
  const bool *free;     /* units whose content does not matter, though they are owned; or NULL */
  const double *bound;  /* of each unit; NULL: bit for bit */
  unsigned char *whole; /* what the variant computed in one go */
  /* What it should hold now, and which units have been computed. */
  unsigned char *expected;
  bool *done;
} dyno_check_output;

typedef struct dyno_range {
  size_t begin, end;
} dyno_range;

typedef struct dyno_instance dyno_instance;

/* What is particular to an op. */
typedef struct dyno_operation {
  /* Whether operands of the problem's formats can be made. */
  bool (*known)(const dyno_problem *problem);
  /* Makes the operands, outputs and ranges. */
  void (*build)(dyno_instance *instance);
  /* Runs rows [row0, row1) of the problem that consists of tokens [token0, token1). */
  void (*run)(const dyno_instance *instance, dyno_view view, size_t token0, size_t token1,
              size_t row0, size_t row1);
  /* The problem that consists of those tokens; NULL where tokens are rows or have no meaning. */
  dyno_problem (*slice)(const dyno_instance *instance, size_t token0, size_t token1);
  /* How many tokens there are changes the numbers of the rows. */
  bool rows_follow_tokens;
  /* Whether a row range may begin here; NULL: anywhere. */
  bool (*may_cut)(const dyno_instance *instance, size_t row);
  /* Compares results that are not numbers, in place of the bounds; or NULL. */
  void (*compare)(dyno_instance *instance);
  /* NaNs in the operands have a defined result. */
  bool special_is_defined;
} dyno_operation;

typedef struct dyno_allocation dyno_allocation;

struct dyno_instance {
  dyno_child *child;
  dyno_guarded_pool *pool;
  const dyno_operation *operation;
  const dyno_kernel *kernels[DYNO_VIEW_COUNT]; /* TWIN may be NULL */
  dyno_problem problem;
  dyno_input input;
  size_t shift; /* 0 to 63: where SHIFTED buffers begin */
  dyno_rng rng;
  dyno_tolerance tolerance;
  const dyno_layout *same_layout; /* of the check's options */
  bool failed;
  size_t rows, tokens;
  dyno_range *ranges; /* the rows to compute: all, or a part where that would take long */
  size_t range_count;
  dyno_check_output *outputs;
  size_t output_count;
  void *operands; /* the operation's */
  dyno_allocation *allocations;
  size_t buffers; /* made so far */
};

/* Zeroed memory that is freed with the instance. */
void *dyno_instance_alloc(dyno_instance *instance, size_t bytes);

/* A guarded buffer in the way of the view, closed with the instance. */
dyno_guarded *dyno_instance_buffer(dyno_instance *instance, dyno_view view, const char *name,
                                   size_t bytes, size_t alignment, bool fill);

/* A read-only copy of bytes. */
const void *dyno_instance_input(dyno_instance *instance, dyno_view view, const char *name,
                                const void *bytes, size_t count, size_t alignment);

/* Adds count outputs, to be filled in with dyno_instance_place. */
dyno_check_output *dyno_instance_outputs(dyno_instance *instance, size_t count);

/* Fills an output in: its places, and its owners' arrays with DYNO_UNOWNED. */
void dyno_instance_place(dyno_instance *instance, dyno_check_output *output, const char *name,
                         dyno_unit unit, size_t units, size_t columns, size_t alignment);

/* Makes all rows a single range. */
void dyno_instance_all_rows(dyno_instance *instance, size_t rows, size_t tokens);

/* Whether an output is to be compared with bounds. */
bool dyno_instance_has_bounds(const dyno_instance *instance);

void dyno_instance_free(dyno_instance *instance);

/* Says what happens next, for the report if it goes wrong. */
void dyno_instance_step(const dyno_instance *instance, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Records a failure of the case; only the first counts. */
void dyno_instance_fail(dyno_instance *instance, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, of an element of an output. */
void dyno_instance_fail_element(dyno_instance *instance, const char *element, double got,
                                double want, double bound, const char *against);

/* Takes note of an error as a share of its bound. */
void dyno_instance_note(dyno_instance *instance, double share);

/* Runs the case: every invariant, every comparison. */
void dyno_instance_run(dyno_instance *instance);

extern const dyno_operation dyno_operation_matmul;
extern const dyno_operation dyno_operation_attention;
extern const dyno_operation dyno_operation_quantize_weight;
extern const dyno_operation dyno_operation_fit_weight;
extern const dyno_operation dyno_operation_quantize_activation;
extern const dyno_operation dyno_operation_store_kv;
extern const dyno_operation dyno_operation_rmsnorm;
extern const dyno_operation dyno_operation_rope;
extern const dyno_operation dyno_operation_swiglu;
extern const dyno_operation dyno_operation_router;
extern const dyno_operation dyno_operation_top_k;
extern const dyno_operation dyno_operation_screen;

#endif
