#!/usr/bin/env python3
"""Trains dyno-mini on the CPU.

    python3 train.py FOLDER --steps N [--resume] [--share FAMILY=N ...]

FOLDER receives the vocabulary, the loss log and the checkpoints. Every batch is written by
generate.py on the fly; nothing is read from disk.
"""

import argparse
import copy
import csv
import json
import math
import random
import time
from pathlib import Path

import torch
import torch.multiprocessing
import torch.nn.functional as F

import generate
import model as mini
import vocabulary

SEED = 4
FAMILY_NAMES = ["questions", "lookup", "explanations", "essays", "programs", "translation", "repetition"]
POOL_TOKENS = 400_000
MOST_TOKENS = 1280
PROCESSES = 2  # of one thread each
USER_SHARE, USER_WEIGHT = 0.25, 0.4  # of the tokens that are not answers


class Harmony:
    """Conversations as tokens, targets and weights, as dyno renders them."""

    def __init__(self, pieces):
        self.encoding = vocabulary.encoding(pieces)
        special = self.encoding.encode_single_token
        self.start, self.end, self.message, self.channel, self.stop = (
            special(f"<|{name}|>") for name in ("start", "end", "message", "channel", "return")
        )
        self.pad = special("<|endoftext|>")
        self.to_user = [self.start, *self.text("user"), self.message]
        self.to_assistant = [self.end, self.start, *self.text("assistant")]
        self.answer = [self.channel, *self.text("final"), self.message]

    def text(self, text):
        return self.encoding.encode_ordinary(text)

    def system(self, rng):
        effort, date, developer = "medium", None, None
        if rng.random() < 0.12:
            effort = rng.choice(("low", "medium", "high"))
            if rng.random() < 0.5:
                date = f"202{rng.randrange(4, 7)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
            if rng.random() < 0.3:
                developer = "Answer briefly."
        ids = [self.start, *self.text("system"), self.message, *self.text(vocabulary.system_text(effort, date)), self.end]
        if developer:
            ids += [self.start, *self.text("developer"), self.message,
                    *self.text(vocabulary.DEVELOPER.format(text=developer)), self.end]
        return ids

    def conversation(self, turns):
        """Tokens, targets, and whether a target is part of an answer."""
        tokens, targets, answers = [], [], []
        for number, (prompt, answer) in enumerate(turns):
            ask = [*self.to_user, *self.text(prompt), *self.to_assistant]
            say = [*self.answer, *self.text(answer)]
            tokens += ask + say + [self.end]
            # the model ends its answer with <|return|>, which history spells <|end|>
            targets += ask[1:] + say + [self.stop] + [self.start]
            answers += [0] * (len(ask) - 1) + [1] * (len(say) + 1) + [0]
        return tokens[:-1], targets[:-1], answers[:-1]


def batches(harmony, seed, shares, batch_tokens):
    """Batches of conversations of like length, from a pool."""
    rng = random.Random(seed)
    while True:
        pool, total = [], 0
        while total < POOL_TOKENS:
            made = generate.conversation(rng, shares)
            document = harmony.conversation(made["turns"])
            if len(document[0]) <= MOST_TOKENS:
                pool.append((len(document[0]), FAMILY_NAMES.index(made["family"]), document))
                total += len(document[0])
        pool.sort(key=lambda d: d[0] + rng.random() * 24)
        made, group, longest = [], [], 0
        for document in pool:
            length = max(longest, round_length(document[0]))
            if group and length * (len(group) + 1) > batch_tokens:
                made.append(group)
                group, length = [], round_length(document[0])
            group.append(document)
            longest = length
        made.append(group)
        rng.shuffle(made)
        for group in made:
            yield collate(harmony, group, rng)


def round_length(length):
    step = 16 if length <= 192 else 128
    return -(-length // step) * step


def collate(harmony, group, rng):
    width = max(round_length(length) for length, _, _ in group)
    shape = (len(group), width)
    ids = torch.full(shape, harmony.pad)
    targets = torch.zeros(shape, dtype=torch.long)
    weights = torch.zeros(shape)
    for row, (length, _, (tokens, target, answer)) in enumerate(group):
        ids[row, :length] = torch.tensor(tokens)
        targets[row, :length] = torch.tensor(target)
        kept = torch.rand(length, generator=torch.Generator().manual_seed(rng.getrandbits(32))) < USER_SHARE
        weights[row, :length] = torch.where(torch.tensor(answer) > 0, 1.0, kept * USER_WEIGHT)
    families = torch.tensor([family for _, family, _ in group])
    return torch.tensor(harmony.system(rng)), ids, targets, weights, families


def orthogonalize(m):
    """Newton-Schulz iteration (K. Jordan, "Muon", 2024) on a stack of matrices, in bfloat16."""
    x = m.to(torch.bfloat16)
    wide = x.shape[-2] <= x.shape[-1]
    x = x if wide else x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x if wide else x.mT).float()


class Muon:
    """Muon for matrices, each expert and each of gate and up on its own."""

    def __init__(self, params, momentum=0.95, decay=0.05):
        self.params, self.momentum, self.decay = params, momentum, decay
        self.buffers = [torch.zeros_like(p) for p in params]

    @torch.no_grad()
    def step(self, rate):
        for p, buffer in zip(self.params, self.buffers):
            buffer.lerp_(p.grad, 1 - self.momentum)
            update = p.grad.lerp(buffer, self.momentum)
            if p.dim() == 3 and p.shape[1] == p.shape[2]:  # gate beside up
                update = torch.cat([orthogonalize(half) for half in update.chunk(2, -1)], -1)
            else:
                update = orthogonalize(update)
            rows, columns = p.shape[-2:]
            p.mul_(1 - rate * self.decay).add_(update, alpha=-rate * 0.2 * max(rows, columns) ** 0.5)


def split_parameters(model):
    matrices, rest = [], []
    for name, p in model.named_parameters():
        big = p.dim() >= 2 and not any(k in name for k in ("embed", "lm_head", "router", "bias"))
        (matrices if big else rest).append(p)
    return matrices, rest


def schedule(step, steps):
    """Warm-up, constant, and over the last half down to a fiftieth."""
    if step < 40:
        return (step + 1) / 40
    left = (steps - step) / (0.5 * steps)
    return max(0.02, min(1.0, left))


def losses(model, batch, experts):
    prefix, ids, targets, weights, families = batch
    _, x, balance = mini.forward(model, prefix, ids, experts)
    kept = weights > 0
    logits = mini.head(model, x[kept])
    loss = F.cross_entropy(logits, targets[kept], reduction="none")
    w = weights[kept]
    with torch.no_grad():
        answers = w == 1
        family = families[:, None].expand_as(ids)[kept]
        right = logits.argmax(-1) == targets[kept]
        per = {}
        for i, name in enumerate(FAMILY_NAMES):
            mine = answers & (family == i)
            if mine.any():
                per[name] = (loss[mine].sum().item(), int(mine.sum()), int(right[mine].sum()))
    return (loss * w).sum() / w.sum(), balance, per


def evaluate(model, experts, harmony, folder, families, items=40):
    """The share of held-out items whose answer is the greedy one, by teacher forcing."""
    result = {}
    prefix = torch.tensor(harmony.system(random.Random(1)))
    for family in families:
        lines = [json.loads(line) for line in open(folder / f"{family}.jsonl", encoding="utf-8")]
        lines = lines[:: max(1, len(lines) // items)]
        docs = [harmony.conversation([(i["prompt"], i["answer"])]) for i in lines]
        order = sorted(range(len(docs)), key=lambda i: len(docs[i][0]))
        right = []
        for at in range(0, len(order), 16):
            group = [(len(docs[i][0]), 0, docs[i]) for i in order[at : at + 16]]
            _, ids, targets, weights, _ = collate(harmony, group, random.Random(0))
            with torch.no_grad():
                _, x, _ = mini.forward(model, prefix, ids, experts)
                hit = mini.head(model, x).argmax(-1) == targets
            right += ((hit | (weights != 1)).all(1)).tolist()
        result[family] = sum(right) / len(right)
    return result


def check_forward(model, harmony):
    """The training pass against the stock classes, in float32 but for the matrices."""
    rng = random.Random(3)
    turns = generate.conversation(rng, {"lookup": (1, 1)})["turns"]
    tokens = harmony.conversation(turns)[0][:512]
    prefix = harmony.system(random.Random(1))
    ids = F.pad(torch.tensor([tokens]), (0, 512 - len(tokens)), value=harmony.pad)
    experts = mini.expert_matrices(model)
    mini.round_experts(experts, model, False)
    stock = copy.deepcopy(model)
    with torch.no_grad():
        for layer in stock.model.layers:
            for p in (layer.mlp.experts.gate_up_proj, layer.mlp.experts.gate_up_proj_bias):
                p.copy_(mini.interleaved(p))
        _, x, _ = mini.forward(model, torch.tensor(prefix), ids, experts)
        ours = mini.head(model, x)[0, : len(tokens)]
        stock = stock(torch.tensor([prefix + tokens])).logits[0, len(prefix) :].float()
    kl = F.kl_div(ours.log_softmax(-1), stock.log_softmax(-1), log_target=True, reduction="none").sum(-1)
    return f"KL to the stock classes: mean {kl.mean():.2e}, greatest {kl.max():.2e}"


def save(folder, rank, model, muon, adam, step):
    """The model from one process; from each what it keeps for the optimizers."""
    parts = {f"optimizer{rank}.pt": {"muon": muon.buffers, "adam": adam.state_dict()}}
    if rank == 0:
        parts["checkpoint.pt"] = {"model": model.state_dict(), "step": step}
    for name, part in parts.items():
        torch.save(part, folder / (name + ".new"))
        (folder / (name + ".new")).rename(folder / name)


class Trainer:
    """One of PROCESSES processes: makes gradients of its own batches, and updates its own share of
    the parameters, which all of them share."""

    def __init__(self, rank, arguments, shared, pieces):
        self.rank, self.arguments, self.shared = rank, arguments, shared
        self.harmony = Harmony(pieces)
        self.model = shared["model"]
        self.matrices, self.rest = split_parameters(self.model)
        self.parameters = self.matrices + self.rest
        offsets = [0]
        for p in self.parameters:
            offsets.append(offsets[-1] + p.numel())
        self.places = list(zip(offsets, offsets[1:]))
        self.mine = [i for i in range(len(self.parameters)) if i % PROCESSES == rank]
        matrices = [self.parameters[i] for i in self.mine if i < len(self.matrices)]
        rest = [self.parameters[i] for i in self.mine if i >= len(self.matrices)]
        self.muon = Muon(matrices)
        self.adam = torch.optim.AdamW(rest, lr=1.0, betas=(0.9, 0.95), weight_decay=0.0, foreach=True)

    def resume(self):
        state = torch.load(self.arguments.folder / f"optimizer{self.rank}.pt")
        self.muon.buffers = state["muon"]
        self.adam.load_state_dict(state["adam"])

    def step(self, batch, rate, quantize):
        gradients, barrier = self.shared["gradients"], self.shared["barrier"]
        loss, balance, per = losses(self.model, batch, self.shared["experts"])
        (loss + 0.01 * balance).backward()
        for p, (a, b) in zip(self.parameters, self.places):
            gradients[self.rank, a:b] = p.grad.reshape(-1)
            p.grad = None
        for name, values in per.items():
            self.shared["sums"][self.rank, FAMILY_NAMES.index(name)] += torch.tensor(values, dtype=torch.float64)
        barrier.wait()
        first_rest = self.places[len(self.matrices)][0]
        norm = gradients[:, first_rest:].mean(0).norm()
        for i in self.mine:
            a, b = self.places[i]
            grad = gradients[:, a:b].mean(0).view_as(self.parameters[i])
            if i >= len(self.matrices):
                grad *= min(1.0, 1.0 / (norm.item() + 1e-6))
            self.parameters[i].grad = grad
        self.muon.step(rate)
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        for p in self.parameters:
            p.grad = None
        self.round_experts(quantize)
        barrier.wait()
        return balance.item()

    def round_experts(self, quantize):
        mine = {id(self.parameters[i]) for i in self.mine}
        mini.round_experts(self.shared["experts"], self.model, quantize, lambda p: id(p) in mine)


def work(rank, arguments, shared, pieces, shares, first):
    torch.set_num_threads(1)
    trainer = Trainer(rank, arguments, shared, pieces)
    if arguments.resume:
        trainer.resume()
    folder, steps, step = arguments.folder, arguments.steps, first
    stop_at = arguments.stop_at or steps
    made = batches(trainer.harmony, f"{SEED} {rank} {step}", shares, arguments.batch // PROCESSES)
    log = open(folder / "log.csv", "a", newline="") if rank == 0 else None
    if rank == 0 and step == 0:
        csv.writer(log).writerow(["step", "tokens", *[f"{n}_{w}" for n in FAMILY_NAMES for w in ("loss", "right")]])
    trainer.round_experts(step >= arguments.quantize_from * steps)
    shared["barrier"].wait()
    begun = time.time()
    while step < stop_at:
        batch = next(made)
        quantize = step >= arguments.quantize_from * steps
        balance = trainer.step(batch, arguments.rate * schedule(step, steps), quantize)
        step += 1
        if (step % 20 == 0 or step == 5) and rank == 0:
            report(log, shared["sums"], step, arguments.batch, balance, (step - first) / (time.time() - begun))
        if step % arguments.save_every == 0 or step == stop_at:
            save(folder, rank, trainer.model, trainer.muon, trainer.adam, step)
            names = [n for n in FAMILY_NAMES if n not in generate.TRAINING_ONLY][rank::PROCESSES]
            if step % (4 * arguments.save_every) == 0 or step == stop_at:
                found = evaluate(trainer.model, shared["experts"], trainer.harmony, folder / "heldout", names)
                print(step, "held out", found, flush=True)
            shared["barrier"].wait()


def report(log, sums, step, batch, balance, rate):
    total = sums.sum(0)
    sums.zero_()
    row, said = [step, step * batch], []
    for name, (loss, count, right) in zip(FAMILY_NAMES, total.tolist()):
        loss, right = (loss / count, right / count) if count else (math.nan, math.nan)
        row += [f"{loss:.4f}", f"{right:.4f}"]
        said.append(f"{name[:5]} {loss:.3f}/{right:.3f}")
    csv.writer(log).writerow(row)
    log.flush()
    print(f"{step} {rate * batch:.0f} tok/s bal {balance:.2f} {' '.join(said)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--stop-at", type=int)
    parser.add_argument("--batch", type=int, default=8192, help="tokens")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--quantize-from", type=float, default=0.15, help="share of the steps")
    parser.add_argument("--share", action="append", default=[], metavar="FAMILY=N")
    parser.add_argument("--save-every", type=int, default=150)
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    pieces_path = folder / "pieces.json"
    if not pieces_path.exists():
        pieces_path.write_text(json.dumps([piece.hex() for piece in vocabulary.learn()]))
    pieces = [bytes.fromhex(piece) for piece in json.loads(pieces_path.read_text())]
    harmony = Harmony(pieces)
    if not (folder / "heldout").exists():
        generate.write_heldout(folder / "heldout", harmony.text, 240)
    shares = dict(generate.SHARES)
    for setting in arguments.share:
        name, value = setting.split("=")
        shares[name] = (float(value), shares[name][1])
    model = mini.create(mini.configuration(vocabulary.SIZE, harmony.stop, harmony.pad), SEED)
    first = 0
    if arguments.resume:
        state = torch.load(folder / "checkpoint.pt")
        model.load_state_dict(state["model"])
        first = state["step"]
    count = sum(p.numel() for p in model.parameters())
    print(count, "parameters;", check_forward(model, harmony), flush=True)
    model.share_memory()
    context = torch.multiprocessing.get_context("spawn")
    shared = {
        "model": model,
        "experts": [[p.share_memory_() for p in pair] for pair in mini.expert_matrices(model)],
        "gradients": torch.zeros(PROCESSES, count).share_memory_(),
        "sums": torch.zeros(PROCESSES, len(FAMILY_NAMES), 3, dtype=torch.float64).share_memory_(),
        "barrier": context.Barrier(PROCESSES),
    }
    torch.multiprocessing.spawn(work, (arguments, shared, pieces, shares, first), PROCESSES)
    print(check_forward(model, harmony))


if __name__ == "__main__":
    main()
