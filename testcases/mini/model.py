"""dyno-mini's architecture, and a forward pass over GptOssForCausalLM's parameters for training.

The pass computes what the stock classes compute (check_forward in train.py compares them), but
sorts tokens by expert, runs the system message once for a whole batch, and attends through one
kernel of its own. Its model holds gate and up side by side (beside), the stock
classes interleaved.
"""

import copy
import json

import torch
import torch.nn.functional as F
from transformers import GptOssConfig, GptOssForCausalLM

import vocabulary

MXFP4_BLOCK = 32
BF16 = torch.bfloat16


def configuration(vocabulary_size, stop, pad):
    return GptOssConfig(
        num_hidden_layers=6,
        hidden_size=256,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        num_local_experts=16,
        num_experts_per_tok=4,
        intermediate_size=128,
        vocab_size=vocabulary_size,
        sliding_window=128,
        max_position_embeddings=2048,
        rope_parameters={
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 8.0,
            # the correction range is 0 to 12.999: engines that round it get the same frequencies
            "beta_fast": 48.0,
            "beta_slow": 0.9662,
            "truncate": False,
            "original_max_position_embeddings": 256,
        },
        swiglu_limit=7.0,
        eos_token_id=stop,
        pad_token_id=pad,
        bos_token_id=None,
        attn_implementation="eager",
    )


def create(config, seed):
    torch.manual_seed(seed)
    model = GptOssForCausalLM(config)
    deep = (2 * config.num_hidden_layers) ** -0.5
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("sinks"):
                p.fill_(2.0)  # in the way of the scores from the start, or they are never used
            elif name.endswith("bias"):
                p.zero_()
            elif "embed_tokens" in name:
                p.normal_(std=0.5)
            elif "lm_head" in name:
                p.normal_(std=0.02)
            elif p.dim() >= 2:
                fan_in = p.shape[1]  # experts are stored [inputs, outputs]
                p.normal_(std=fan_in**-0.5 * (deep if "o_proj" in name or "down_proj" in name else 1))
    return model


# --- MXFP4 ---------------------------------------------------------------------------------------


def mxfp4_parts(weight):
    """Blocks of 32 along axis -2 in units of their scale, rounded to E2M1 with ties to even codes,
    and the scales' exponents: the greatest value of a block is 3.5 to 7 units, and at most 6."""
    blocks = weight.unflatten(-2, (-1, MXFP4_BLOCK))
    greatest = blocks.abs().amax(-2, keepdim=True).clamp_min(2.0**-100)
    exponent = torch.ceil(torch.log2(greatest / 7.0))
    x = blocks * torch.exp2(-exponent)
    step = torch.where(x.abs() < 2, 0.5, torch.where(x.abs() < 4, 1.0, 2.0))
    return (torch.round(x / step) * step).clamp(-6, 6), exponent


def round_mxfp4(weight):
    x, exponent = mxfp4_parts(weight)
    return (x * torch.exp2(exponent)).flatten(-3, -2)


@torch.compile(dynamic=True)
def round_to_bf16(weight):
    return round_mxfp4(weight).to(BF16)


# --- experts -------------------------------------------------------------------------------------

ALPHA, LIMIT = 1.702, 7.0
ROWS = 64


@torch.compile(dynamic=True)
def swiglu(h):
    gate, up = h.float().chunk(2, -1)
    gate, up = gate.clamp(max=LIMIT), up.clamp(-LIMIT, LIMIT)
    return ((up + 1) * gate * torch.sigmoid(ALPHA * gate)).to(h.dtype)


@torch.compile(dynamic=True)
def swiglu_backward(h, da):
    gate0, up0 = h.float().chunk(2, -1)
    gate, up = gate0.clamp(max=LIMIT), up0.clamp(-LIMIT, LIMIT)
    s = torch.sigmoid(ALPHA * gate)
    da = da.float()
    dgate = da * (up + 1) * (s + gate * ALPHA * s * (1 - s)) * (gate0 <= LIMIT)
    dup = da * gate * s * (up0.abs() <= LIMIT)
    return torch.cat((dgate, dup), -1).to(h.dtype)


class Experts(torch.autograd.Function):
    """The weighted sum of the chosen experts; gate and up lie side by side, not interleaved. The
    gradients go straight through the rounding of gate_up and down to the parameters."""

    @staticmethod
    def forward(ctx, x, chosen, weights, _, gate_up_bias, __, down_bias, gate_up, down):
        count, k = chosen.shape
        flat = chosen.reshape(-1)
        order = torch.argsort(flat, stable=True)
        counts = torch.bincount(flat, minlength=gate_up.shape[0])
        # every expert's rows begin at a multiple of ROWS: few shapes, for which kernels are kept
        padded = (counts + ROWS - 1) // ROWS * ROWS
        ends = padded.cumsum(0)
        starts = ends - padded
        rank = torch.arange(count * k) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
        place = starts.repeat_interleave(counts) + rank
        spans = [(e, a, b) for e, (a, b) in enumerate(zip(starts.tolist(), ends.tolist())) if a < b]
        rows = spans[-1][2]
        token = torch.zeros(rows, dtype=torch.long)
        token[place] = order // k
        xs = x[token]
        h = torch.empty(rows, gate_up.shape[2], dtype=x.dtype)
        for e, a, b in spans:
            torch.addmm(gate_up_bias[e], xs[a:b], gate_up[e], out=h[a:b])
        act = swiglu(h)
        y = torch.empty(rows, down.shape[2], dtype=x.dtype)
        for e, a, b in spans:
            torch.addmm(down_bias[e], act[a:b], down[e], out=y[a:b])
        inverse = torch.empty_like(order)
        inverse[order] = place
        y = y[inverse].view(count, k, -1)
        ctx.save_for_backward(xs, h, act, y, weights, gate_up, down, order, place, inverse)
        ctx.spans = spans
        return torch.bmm(weights.to(x.dtype)[:, None], y)[:, 0]

    @staticmethod
    def backward(ctx, dout):
        xs, h, act, y, weights, gate_up, down, order, place, inverse = ctx.saved_tensors
        count, k = weights.shape
        dweights = torch.bmm(y, dout[:, :, None])[..., 0].float()
        dy = torch.zeros_like(xs)
        dy[place] = dout[order // k] * weights.reshape(-1)[order, None].to(dout.dtype)
        dact = torch.empty_like(act)
        ddown, ddown_bias = torch.zeros_like(down), torch.zeros_like(down[:, 0])
        for e, a, b in ctx.spans:
            torch.mm(dy[a:b], down[e].t(), out=dact[a:b])
            torch.mm(act[a:b].t(), dy[a:b], out=ddown[e])
            ddown_bias[e] = dy[a:b].sum(0)
        dh = swiglu_backward(h, dact)
        dxs = torch.empty_like(xs)
        dgate_up, dgate_up_bias = torch.zeros_like(gate_up), torch.zeros_like(gate_up[:, 0])
        for e, a, b in ctx.spans:
            torch.mm(dh[a:b], gate_up[e].t(), out=dxs[a:b])
            torch.mm(xs[a:b].t(), dh[a:b], out=dgate_up[e])
            dgate_up_bias[e] = dh[a:b].sum(0)
        dx = dxs[inverse].view(count, k, -1).sum(1)
        return (dx, None, dweights, dgate_up.float(), dgate_up_bias, ddown.float(), ddown_bias,
                None, None)


def beside(interleaved):
    return torch.cat((interleaved[..., ::2], interleaved[..., 1::2]), -1)


def interleaved(beside):
    return torch.stack(beside.chunk(2, -1), -1).flatten(-2)


def expert_matrices(model):
    """Of every layer, as they are computed with: to be filled by round_experts."""
    return [
        [torch.zeros_like(p, dtype=BF16) for p in (e.gate_up_proj, e.down_proj)]
        for e in (layer.mlp.experts for layer in model.model.layers)
    ]


@torch.no_grad()
def round_experts(matrices, model, quantize, mine=lambda p: True):
    for layer, rounded in zip(model.model.layers, matrices):
        experts = layer.mlp.experts
        for p, out in zip((experts.gate_up_proj, experts.down_proj), rounded):
            if mine(p):
                out.copy_(round_to_bf16(p) if quantize else p)


def mlp(layer, x, rounded):
    """x in float32. Returns the output and the router's load-balancing loss."""
    router, experts = layer.mlp.router, layer.mlp.experts
    logits = F.linear(x, router.weight, router.bias)
    top, chosen = torch.topk(logits, router.top_k, dim=-1)
    weights = torch.softmax(top, -1)
    share = torch.bincount(chosen.reshape(-1), minlength=router.num_experts).float() / chosen.numel()
    balance = router.num_experts * (share * torch.softmax(logits, -1).mean(0)).sum()
    out = Experts.apply(
        x.to(BF16), chosen, weights,
        experts.gate_up_proj, experts.gate_up_proj_bias.to(BF16),
        experts.down_proj, experts.down_proj_bias.to(BF16), *rounded,
    )  # fmt: skip
    return out, balance


# --- attention -----------------------------------------------------------------------------------

@torch.compile(dynamic=True)
def softmax_with_sink(scores, hidden, sinks, scale):
    """scores [B, KV, G, T, S], hidden [1 or B, 1, 1, T, S], sinks [KV, G, 1, 1]. Also the sink's."""
    s = (scores.float() * scale).masked_fill(hidden, -1e30)
    greatest = torch.maximum(s.amax(-1, keepdim=True), sinks)
    e, sink = torch.exp(s - greatest), torch.exp(sinks - greatest)
    total = e.sum(-1, keepdim=True) + sink
    return (e / total).to(scores.dtype), sink / total


@torch.compile(dynamic=True)
def softmax_backward(p, dp, mean, scale):
    return (p.float() * (dp.float() - mean) * scale).to(p.dtype)


class Attend(torch.autograd.Function):
    """q [B, H, T, D], k and v [B, KV, S, D]; hidden [1 or B, T, S] is true where a key is not seen."""

    @staticmethod
    def forward(ctx, q, k, v, sinks, hidden):
        B, H, T, D = q.shape
        KV, S = k.shape[1:3]
        q = q.reshape(B, KV, -1, D)
        scores = (q @ k.mT).view(B, KV, H // KV, T, S)
        p, sink = softmax_with_sink(scores, hidden[:, None, None], sinks.view(KV, -1, 1, 1), D**-0.5)
        out = p.view(B, KV, -1, S) @ v
        ctx.save_for_backward(q, k, v, p, sink, out)
        return out.view(B, H, T, D)

    @staticmethod
    def backward(ctx, dout):
        q, k, v, p, sink, out = ctx.saved_tensors
        B, KV, G, T, S = p.shape
        D = q.shape[-1]
        dout = dout.reshape(B, KV, -1, D)
        mean = (dout.float() * out.float()).sum(-1).view(B, KV, G, T, 1)
        dv = p.view(B, KV, -1, S).mT @ dout
        dp = (dout @ v.mT).view_as(p)
        ds = softmax_backward(p, dp, mean, D**-0.5).view(B, KV, -1, S)
        dsinks = -(sink * mean).sum((0, 3, 4)).reshape(-1)
        return (ds @ k).view(B, KV * G, T, D), ds.mT @ q, dv, dsinks, None


def attend(q, k, v, sinks, allowed):
    return Attend.apply(q, k.contiguous(), v.contiguous(), sinks, ~allowed)


def causal(prefix, T, window=None):
    distance = (prefix + torch.arange(T))[:, None] - torch.arange(prefix + T)[None]
    return (distance >= 0) & (distance < (window or 1 << 30))


def attend_windowed(q, k, v, sinks, prefix, window):
    """Blocks of window queries against two blocks of keys. k and v hold the prefix, then T."""
    B, H, T, D = q.shape
    lead = window - prefix
    n = T // window
    k, v = (F.pad(x, (0, 0, lead, 0)).unfold(2, 2 * window, window).permute(0, 2, 1, 4, 3)
             .reshape(B * n, -1, 2 * window, D) for x in (k, v))  # fmt: skip
    q = q.view(B, H, n, window, D).transpose(1, 2).reshape(B * n, H, window, D)
    distance = (window + torch.arange(window))[:, None] - torch.arange(2 * window)[None]
    near = ((distance >= 0) & (distance < window)).repeat(n, 1, 1)
    near[0, :, :lead] = False
    out = attend(q, k, v, sinks, near.repeat(B, 1, 1))
    return out.view(B, n, H, window, D).transpose(1, 2).reshape(B, H, T, D)


def rotate(x, cos, sin):
    a, b = x.float().chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)


def attention(layer, x, prefix, shape, cos, sin, window):
    """x [prefix + B * T, 256]: the rows of the prefix, then those of the batch."""
    a = layer.self_attn
    B, T = shape
    D = a.head_dim

    def project(linear):
        return F.linear(x, linear.weight.to(BF16), linear.bias.to(BF16)).unflatten(-1, (-1, D))

    q, k, v = project(a.q_proj), project(a.k_proj), project(a.v_proj)

    def split(y):
        return y[:prefix].transpose(0, 1)[None], y[prefix:].unflatten(0, (B, T)).transpose(1, 2)

    q0, q1 = split(q)
    k0, k1 = split(k)
    v0, v1 = split(v)
    c0, s0, c1, s1 = cos[:prefix], sin[:prefix], cos[prefix : prefix + T], sin[prefix : prefix + T]
    q0, k0, q1, k1 = rotate(q0, c0, s0), rotate(k0, c0, s0), rotate(q1, c1, s1), rotate(k1, c1, s1)
    out0 = attend(q0, k0, v0, a.sinks, causal(0, prefix, window)[None])
    k1 = torch.cat((k0.expand(B, -1, -1, -1), k1), 2)
    v1 = torch.cat((v0.expand(B, -1, -1, -1), v1), 2)
    if window and T > window and T % window == 0 and prefix < window:
        out1 = attend_windowed(q1, k1, v1, a.sinks, prefix, window)
    else:
        out1 = attend(q1, k1, v1, a.sinks, causal(prefix, T, window)[None])
    out = torch.cat((out0[0].transpose(0, 1).flatten(1), out1.transpose(1, 2).reshape(B * T, -1)))
    return F.linear(out, a.o_proj.weight.to(BF16), a.o_proj.bias.to(BF16))


def norm(module, x):
    return F.rms_norm(x, x.shape[-1:], module.weight, module.variance_epsilon)


def forward(model, prefix_ids, ids, experts):
    """Hidden states of the prefix [P, 256] and the batch [B, T, 256], and the balance loss."""
    m = model.model
    P, (B, T) = len(prefix_ids), ids.shape
    x = m.embed_tokens.weight.to(BF16)[torch.cat((prefix_ids, ids.reshape(-1)))].float()
    cos, sin = m.rotary_emb(x[None], torch.arange(P + T)[None])
    balance = 0.0
    for layer, rounded in zip(m.layers, experts):
        window = layer.self_attn.sliding_window
        h = norm(layer.input_layernorm, x).to(BF16)
        x = x + attention(layer, h, P, (B, T), cos[0], sin[0], window).float()
        out, b = mlp(layer, norm(layer.post_attention_layernorm, x), rounded)
        x = x + out.float()
        balance = balance + b
    x = norm(m.norm, x)
    return x[:P], x[P:].view(B, T, -1), balance / len(m.layers)


def head(model, x):
    return F.linear(x.to(BF16), model.lm_head.weight.to(BF16)).float()


def load(folder):
    """The vocabulary's pieces, and the trained model, gate beside up."""
    pieces = [bytes.fromhex(piece) for piece in json.loads((folder / "pieces.json").read_text())]
    encoding = vocabulary.encoding(pieces)
    stop, pad = (encoding.encode_single_token(f"<|{name}|>") for name in ("return", "endoftext"))
    model = GptOssForCausalLM(configuration(vocabulary.SIZE, stop, pad))
    model.load_state_dict(torch.load(folder / "checkpoint.pt")["model"])
    return pieces, model


def as_stock(model):
    """The model as the stock classes compute it, with the roundings of the file."""
    stock = copy.deepcopy(model)
    with torch.no_grad():
        for name, p in stock.named_parameters():
            if name.endswith(("gate_up_proj", "down_proj")):
                p.copy_(round_mxfp4(p))
            elif p.dim() == 2 and "router" not in name and "experts" not in name:
                p.copy_(p.to(BF16))
        for layer in stock.model.layers:
            for p in (layer.mlp.experts.gate_up_proj, layer.mlp.experts.gate_up_proj_bias):
                p.copy_(interleaved(p))
    return stock
