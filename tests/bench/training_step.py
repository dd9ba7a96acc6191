"""PyTorch's side of training-step.bench.ts: the same model, batches, loss, clipping and Adam, in float32.

    training_step.py DIR --threads N --warmup N --steps N --dropout P
                     --formulation start|hf --embeddings rows|sparse|dense --targets sparse|dense [--compile]

DIR holds manifest.json, weights.bin and batches.bin as training-step.bench.ts writes them. `start` is the algebra of
decodeStart in models/t5.ts: self-attention of one token as W_O W_V, the keys of cross-attention absorbed into the query.
`hf` is what transformers computes: queries, keys and values of every attention. Prints {"losses": [...], "ms": [...], "cpuMs": [...]}.
"""
import argparse
import json
import math
import os
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError as error:
    print(json.dumps({"skipped": f"{sys.executable}: {error}"}))
    sys.exit(0)

BIG = 1e9


def read_tensors(path, entries):
    """Float32 or int32 tensors that lie one after the other in a file."""
    flat = torch.from_file(path, size=os.path.getsize(path) // 4, dtype=torch.float32)
    out = {}
    for entry in entries:
        size = math.prod(entry["shape"])
        part = flat[entry["offset"] : entry["offset"] + size]
        part = part.view(torch.int32) if entry.get("dtype") == "int32" else part
        out[entry["name"]] = part.clone().view(entry["shape"])
    return out


class Model:
    """Parameters by the names of models/t5.ts, linear maps [in, out], and the forward pass to logits [B, N]."""

    def __init__(self, config, weights, formulation):
        self.c = config
        self.formulation = formulation
        self.table = weights.pop("embeddings")
        self.p = dict(weights)
        if formulation == "start":  # one product for the encoder's queries, keys and values
            for i in range(config["num_layers"]):
                prefix = f"encoder.block.{i}.layer.0.SelfAttention"
                parts = [self.p.pop(f"{prefix}.{letter}.weight") for letter in "qkv"]
                self.p[f"{prefix}.qkv.weight"] = torch.cat(parts, 1)
        else:  # of one token they change nothing, but transformers computes and trains them
            for i in range(config["num_decoder_layers"]):
                prefix = f"decoder.block.{i}.layer.0.SelfAttention"
                for letter in "qk":
                    value = self.p[f"{prefix}.v.weight"]
                    self.p[f"{prefix}.{letter}.weight"] = torch.randn_like(value) * len(value) ** -0.5
        for value in self.p.values():
            value.requires_grad_()

    def norm(self, x, name):
        return F.rms_norm(x, (self.c["d_model"],), self.p[name], self.c["layer_norm_epsilon"])

    def mlp(self, x, prefix):
        h = self.norm(x, f"{prefix}.layer_norm.weight")
        h = torch.relu(h @ self.p[f"{prefix}.DenseReluDense.wi.weight"])
        return h @ self.p[f"{prefix}.DenseReluDense.wo.weight"]

    def heads(self, x):
        return x.unflatten(-1, (self.c["num_heads"], self.c["d_kv"])).transpose(1, 2)

    def encoder(self, x, mask, buckets):
        c = self.c
        table = self.p["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
        bias = table[buckets].permute(2, 0, 1).unsqueeze(0) + ((mask - 1) * BIG)[:, None, None, :]
        for i in range(c["num_layers"]):
            block = f"encoder.block.{i}.layer"
            att = f"{block}.0.SelfAttention"
            h = self.norm(x, f"{block}.0.layer_norm.weight")
            if self.formulation == "start":
                q, k, v = (self.heads(part) for part in (h @ self.p[f"{att}.qkv.weight"]).chunk(3, -1))
            else:
                q, k, v = (self.heads(h @ self.p[f"{att}.{letter}.weight"]) for letter in "qkv")
            z = torch.softmax(q @ k.transpose(-1, -2) + bias, -1) @ v
            x = x + z.transpose(1, 2).flatten(2) @ self.p[f"{att}.o.weight"]
            x = x + self.mlp(x, f"{block}.1")
        return self.norm(x, "encoder.final_layer_norm.weight")

    def decode_start(self, encoded, mask):
        """One start token per query: x [B, D]."""
        c, p = self.c, self.p
        d, h, k = c["d_model"], c["num_heads"], c["d_kv"]
        batch = encoded.shape[0]
        padding = ((mask - 1) * BIG)[:, None, :]
        x = p["start"].expand(batch, d)
        for i in range(c["num_decoder_layers"]):
            block = f"decoder.block.{i}.layer"
            n = self.norm(x, f"{block}.0.layer_norm.weight")
            x = x + n @ p[f"{block}.0.SelfAttention.v.weight"] @ p[f"{block}.0.SelfAttention.o.weight"]
            att = f"{block}.1.EncDecAttention"
            q = (self.norm(x, f"{block}.1.layer_norm.weight") @ p[f"{att}.q.weight"]).view(batch, h, k).transpose(0, 1)
            read = (q @ p[f"{att}.k.weight"].view(d, h, k).permute(1, 2, 0)).transpose(0, 1)  # [B, H, D]
            pattern = torch.softmax(read @ encoded.transpose(1, 2) + padding, -1)  # [B, H, S]
            mean = (pattern @ encoded).transpose(0, 1)  # [H, B, D]
            z = mean @ p[f"{att}.v.weight"].view(d, h, k).transpose(0, 1)  # [H, B, K]
            x = x + z.transpose(0, 1).reshape(batch, h * k) @ p[f"{att}.o.weight"]
            x = x + self.mlp(x, f"{block}.2")
        return self.norm(x, "decoder.final_layer_norm.weight")

    def decode_hf(self, encoded, mask):
        c, p = self.c, self.p
        padding = ((mask - 1) * BIG)[:, None, None, :]
        x = p["start"].expand(encoded.shape[0], 1, c["d_model"])

        def attend(att, x, source, bias):
            q = self.heads(x @ p[f"{att}.q.weight"])
            k, v = (self.heads(source @ p[f"{att}.{letter}.weight"]) for letter in "kv")
            z = torch.softmax(q @ k.transpose(-1, -2) + bias, -1) @ v
            return z.transpose(1, 2).flatten(2) @ p[f"{att}.o.weight"]

        for i in range(c["num_decoder_layers"]):
            block = f"decoder.block.{i}.layer"
            n = self.norm(x, f"{block}.0.layer_norm.weight")
            x = x + attend(f"{block}.0.SelfAttention", n, n, 0.0)
            n = self.norm(x, f"{block}.1.layer_norm.weight")
            x = x + attend(f"{block}.1.EncDecAttention", n, encoded, padding)
            x = x + self.mlp(x, f"{block}.2")
        return self.norm(x, "decoder.final_layer_norm.weight").squeeze(1)

    def logits(self, embedded, mask, buckets):
        encoded = self.encoder(embedded, mask, buckets)
        decode = self.decode_hf if self.formulation == "hf" else self.decode_start
        return decode(encoded, mask) @ self.p["rows"].T


class RowAdam:
    """Adam over the rows that a batch used; the others keep value and state."""

    def __init__(self, table, betas, eps):
        self.table, self.betas, self.eps = table, betas, eps
        self.m, self.v = torch.zeros_like(table), torch.zeros_like(table)

    def step(self, rows, gradient, lr, t):
        b1, b2 = self.betas
        rate = lr * math.sqrt(1 - b2**t) / (1 - b1**t)
        m = self.m[rows].lerp_(gradient, 1 - b1)
        v = self.v[rows].mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        self.m[rows], self.v[rows] = m, v
        self.table.index_add_(0, rows, m / v.sqrt_().add_(self.eps * math.sqrt(1 - b2**t)), alpha=-rate)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("dir")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--warmup", type=int, default=2)
    a.add_argument("--steps", type=int, default=6)
    a.add_argument("--dropout", type=float, default=0.1)
    a.add_argument("--formulation", choices=["start", "hf"], default="start")
    a.add_argument("--embeddings", choices=["rows", "sparse", "dense"], default="rows")
    a.add_argument("--targets", choices=["sparse", "dense"], default="sparse")
    a.add_argument("--compile", action="store_true")
    args = a.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    with open(os.path.join(args.dir, "manifest.json")) as f:
        manifest = json.load(f)
    config, adam, rates, clip = (manifest[key] for key in ("config", "adam", "rates", "clip"))
    model = Model(config, read_tensors(os.path.join(args.dir, "weights.bin"), manifest["weights"]), args.formulation)
    data = read_tensors(os.path.join(args.dir, "batches.bin"), manifest["batches"])
    buckets = torch.tensor(manifest["buckets"])
    documents = manifest["documents"]
    batches = []
    for i in range(manifest["batchCount"]):
        rows, shares = data[f"{i}.rows"].long(), data[f"{i}.shares"]
        batches.append((data[f"{i}.ids"].long(), data[f"{i}.mask"], rows, shares))

    betas, eps = (adam["beta1"], adam["beta2"]), adam["epsilon"]
    maps = [v for name, v in model.p.items() if v.dim() == 2 and name not in ("rows", "start")]
    gains = [v for v in model.p.values() if v.dim() == 1] + [model.p["start"]]
    groups = [
        {"params": maps, "rate": rates["weights"]},
        {"params": gains, "rate": 3 * rates["weights"]},
        {"params": [model.p["rows"]], "rate": rates["rows"]},
    ]
    row_adam = sparse_adam = None
    if args.embeddings == "rows":
        row_adam = RowAdam(model.table, betas, eps)
    else:
        model.table.requires_grad_()
        group = {"params": [model.table], "rate": rates["embeddings"]}
        if args.embeddings == "sparse":
            sparse_adam = torch.optim.SparseAdam([model.table], betas=betas, eps=eps)
            sparse_adam.param_groups[0]["rate"] = rates["embeddings"]
        else:
            groups.append(group)
    optimizer = torch.optim.AdamW(groups, betas=betas, eps=eps, weight_decay=0.0, fused=True)
    logits_of = torch.compile(model.logits, dynamic=True) if args.compile else model.logits

    def step(n):
        ids, mask, rows, shares = batches[n % len(batches)]
        t = n + 1
        for o in (optimizer, sparse_adam):
            for group in o.param_groups if o else ():
                group["lr"] = group["rate"] * manifest["schedule"][n]
            if o:
                o.zero_grad(set_to_none=True)
        leaf = used = None
        if row_adam:
            used, places = torch.unique(ids, return_inverse=True)
            leaf = model.table[used].requires_grad_()
            x = F.embedding(places, leaf)
        else:
            x = F.embedding(ids, model.table, sparse=args.embeddings == "sparse")
        length = ids.shape[1]
        logits = logits_of(F.dropout(x, args.dropout), mask, buckets[:length, :length])
        if args.targets == "sparse":  # shares add up to 1
            loss = (torch.logsumexp(logits, 1) - (shares * logits.gather(1, rows)).sum(1)).mean()
        else:
            dense = torch.zeros(len(rows), documents).scatter_add_(1, rows, shares)
            loss = F.cross_entropy(logits, dense)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(maps, clip)
        optimizer.step()
        if sparse_adam:
            sparse_adam.step()
        if row_adam:
            row_adam.step(used, leaf.grad, rates["embeddings"] * manifest["schedule"][n], t)
        return loss.item()

    losses, ms, cpu_ms = [], [], []
    for n in range(args.warmup + args.steps):
        start, cpu = time.perf_counter(), time.process_time()
        losses.append(step(n))
        if n >= args.warmup:
            ms.append((time.perf_counter() - start) * 1000)
            cpu_ms.append((time.process_time() - cpu) * 1000)
    print(json.dumps({"losses": losses, "ms": ms, "cpuMs": cpu_ms, "version": torch.__version__}))


main()
