#include "runtime/probe.h"

static const char *const names[DYNO_PROBE_OP_COUNT] = {
    [DYNO_PROBE_EMBEDDING] = "embedding",
    [DYNO_PROBE_ROPE_TABLES] = "rope_tables",
    [DYNO_PROBE_ATTENTION_NORM] = "attention_norm",
    [DYNO_PROBE_ATTENTION_QKV] = "attention_qkv",
    [DYNO_PROBE_ROPE] = "rope",
    [DYNO_PROBE_STORE_KV] = "store_kv",
    [DYNO_PROBE_ATTENTION] = "attention",
    [DYNO_PROBE_ATTENTION_OUTPUT] = "attention_output",
    [DYNO_PROBE_ATTENTION_RESIDUAL] = "attention_residual",
    [DYNO_PROBE_MOE_NORM] = "moe_norm",
    [DYNO_PROBE_ROUTER] = "router",
    [DYNO_PROBE_ROUTER_TOP_K] = "router_top_k",
    [DYNO_PROBE_MOE_GROUP] = "moe_group",
    [DYNO_PROBE_MOE_GATHER] = "moe_gather",
    [DYNO_PROBE_MOE_GATE_UP] = "moe_gate_up",
    [DYNO_PROBE_SWIGLU] = "swiglu",
    [DYNO_PROBE_MOE_DOWN] = "moe_down",
    [DYNO_PROBE_MOE_COMBINE] = "moe_combine",
    [DYNO_PROBE_OUTPUT_NORM] = "output_norm",
    [DYNO_PROBE_SCREEN] = "screen",
    [DYNO_PROBE_HEAD] = "head",
    [DYNO_PROBE_QUANTIZE] = "quantize",
    [DYNO_PROBE_BARRIER] = "barrier",
};

const char *dyno_probe_op_name(dyno_probe_op op)
{
  return names[op];
}
