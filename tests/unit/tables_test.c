#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/table.h"
#include "tests/unit/random.h"

static const dyno_dtype weights[] = {DYNO_F32,  DYNO_F16,  DYNO_BF16, DYNO_Q8_0,
                                     DYNO_Q4_0, DYNO_Q4_1, DYNO_Q5_0, DYNO_Q4_K,
                                     DYNO_Q5_K, DYNO_Q6_K, DYNO_MXFP4};

Test(tables, weights_have_plain_rows_and_nothing_else_has)
{
  for (dyno_dtype dtype = 0; dtype <= DYNO_DTYPE_COUNT; dtype++) {
    const dyno_layout *layout = dyno_layout_rows(dtype);
    bool is_weight = false;
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
      is_weight = is_weight || weights[i] == dtype;
    cr_assert((layout != NULL) == is_weight, "%s", dyno_dtype_name(dtype));
    if (layout == NULL)
      continue;
    char name[32];
    snprintf(name, sizeof name, "%s_rows", dyno_dtype_name(dtype));
    cr_assert(strcmp(layout->name, name) == 0 && layout->dtype == dtype, "%s", layout->name);
  }
}

/* Packed in pieces, last piece first. */
Test(tables, rows_pack_to_themselves)
{
  uint64_t random = 1;
  for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
    const dyno_layout *layout = dyno_layout_rows(weights[i]);
    size_t k = 2 * dyno_dtype_get(weights[i])->block_elements, n = 5;
    size_t row_bytes = dyno_row_bytes(weights[i], k), bytes = layout->bytes(layout, n, k);
    cr_assert(bytes == n * row_bytes, "%s: %zu bytes", layout->name, bytes);
    uint8_t *rows = malloc(bytes), *packed = malloc(bytes), *back = malloc(bytes);
    for (size_t b = 0; b < bytes; b++)
      rows[b] = (uint8_t)random_next(&random);
    layout->pack(layout, packed, rows + 3 * row_bytes, n, k, 3, 5);
    layout->pack(layout, packed, rows + 3 * row_bytes, n, k, 3, 3);
    layout->pack(layout, packed, rows, n, k, 0, 3);
    cr_assert(memcmp(packed, rows, bytes) == 0, "%s: packed", layout->name);
    layout->unpack(layout, back, packed, n, k, 0, n);
    cr_assert(memcmp(back, rows, bytes) == 0, "%s: unpacked", layout->name);
    cr_assert(layout->bytes(layout, 0, k) == 0, "%s: no rows", layout->name);
    layout->unpack(layout, NULL, NULL, 0, k, 0, 0);
    free(rows);
    free(packed);
    free(back);
  }
}

Test(tables, kernels_read_their_own_or_plain_rows)
{
  dyno_kernel kernel = {.op = DYNO_OP_MATMUL, .weight = DYNO_Q8_0};
  cr_assert(dyno_kernel_layout(&kernel) == dyno_layout_rows(DYNO_Q8_0), "plain rows by default");
  kernel.layout = dyno_layout_rows(DYNO_F32);
  cr_assert(dyno_kernel_layout(&kernel) == dyno_layout_rows(DYNO_F32), "its own");
  kernel = (dyno_kernel){.op = DYNO_OP_QUANTIZE_WEIGHT, .weight = DYNO_Q8_0};
  cr_assert(dyno_kernel_layout(&kernel) == NULL, "reads no weights");
}

/* What the registry and the reports take for granted of every built-in variant. */
Test(tables, built_in_tables_are_consistent)
{
  for (dyno_family family = 0; family < DYNO_FAMILY_COUNT; family++) {
    const dyno_kernel_table *table = dyno_builtin_tables[family];
    cr_assert(table->count > 0, "%s is empty", dyno_family_name(family));
    for (size_t i = 0; i < table->count; i++) {
      const dyno_kernel *kernel = &table->kernels[i];
      const char *tier = strstr(kernel->name, "__");
      cr_assert(dyno_op_family(kernel->op) == family, "%s: wrong table", kernel->name);
      cr_assert(strncmp(kernel->name, dyno_op_name(kernel->op), strlen(dyno_op_name(kernel->op))) ==
                    0,
                "%s: its name begins with another op", kernel->name);
      cr_assert(tier != NULL && strcmp(tier + 2, dyno_isa_name(kernel->isa)) == 0,
                "%s: its name ends in another tier", kernel->name);
      cr_assert(kernel->run.matmul != NULL, "%s: no function", kernel->name);
      cr_assert((kernel->op == DYNO_OP_MATMUL) == (dyno_kernel_layout(kernel) != NULL),
                "%s: layout", kernel->name);
      const dyno_kernel *reference = dyno_reference_kernel(kernel);
      cr_assert(reference != NULL, "%s: nothing to check it against", kernel->name);
      cr_assert(kernel->isa != DYNO_ISA_REF || reference == kernel,
                "%s: a second reference, besides %s", kernel->name, reference->name);
    }
  }
}
