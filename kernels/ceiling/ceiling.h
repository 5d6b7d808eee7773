/* Loops that do nothing but what the machine is fastest at: reading memory in one sequential
 * stream, and multiply-accumulates on operands in registers. What they reach is the ceiling that
 * kernels are measured against (Williams, Waterman and Patterson 2009, "Roofline").
 *
 * They are kept honest by empty assembly statements, which cost nothing but let the compiler
 * neither hoist a product out of the loop nor merge two equal ones. */
#ifndef DYNO_KERNELS_CEILING_CEILING_H
#define DYNO_KERNELS_CEILING_CEILING_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/cpu.h"

typedef enum dyno_ceiling_kind {
  DYNO_CEILING_READ,     /* bytes loaded, nothing stored */
  DYNO_CEILING_MAC_I8,   /* int8 products summed exactly in int32 */
  DYNO_CEILING_MAC_BF16, /* bfloat16 products summed in float */
  DYNO_CEILING_MAC_F32,  /* float products summed in float */
  DYNO_CEILING_KIND_COUNT
} dyno_ceiling_kind;

/* A read loop's buffer is iterations * units bytes, each read once, in order; a MAC loop only
 * takes its operands from the first 64 bytes. Aligned to 64 either way. The result depends on all
 * the work, so that it cannot be left out; it means nothing. Pure and single-threaded. */
typedef uint64_t dyno_ceiling_run(const void *buffer, size_t iterations);

typedef struct dyno_ceiling {
  const char *name; /* "read__avx512", "mac_i8__avx512vnni" */
  dyno_ceiling_kind kind;
  dyno_isa isa;
  size_t units; /* bytes or multiply-accumulates of one iteration */
  dyno_ceiling_run *run;
} dyno_ceiling;

/* All loops that were compiled in, lower tiers first. */
extern const dyno_ceiling dyno_ceilings[];
extern const size_t dyno_ceiling_count;

/* "read", "mac_i8", ...; "?" when out of range. */
const char *dyno_ceiling_kind_name(dyno_ceiling_kind kind);

#define DYNO_CEILING_READ_UNITS 512
dyno_ceiling_run dyno_ceiling_read__ref;
dyno_ceiling_run dyno_ceiling_read__avx2;
dyno_ceiling_run dyno_ceiling_read__avx512;

dyno_ceiling_run dyno_ceiling_mac_i8__ref;
dyno_ceiling_run dyno_ceiling_mac_f32__ref;
dyno_ceiling_run dyno_ceiling_mac_i8__avx2;
dyno_ceiling_run dyno_ceiling_mac_f32__avx2;
dyno_ceiling_run dyno_ceiling_mac_f32__avx512;
dyno_ceiling_run dyno_ceiling_mac_i8__avx512vnni;
dyno_ceiling_run dyno_ceiling_mac_bf16__avx512bf16;

#endif
