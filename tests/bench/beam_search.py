"""transformers' side of beam-search.bench.ts: the same weights, queries and paths, `generate` with `prefix_allowed_tokens_fn`.

    beam_search.py MODEL PATHS.json --threads N --beams M

PATHS.json holds the token ids of each document's path. Reads lines of JSON from stdin, each a list of queries, which are lists of
token ids; answers each with {"documents": [[...]], "scores": [[...]], "ms": t, "cpuMs": t}. The first line it writes is {"version": ...}.
"""
import argparse
import json
import sys
import time

import torch
import transformers
from transformers import T5ForConditionalGeneration

arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("paths")
arguments.add_argument("--threads", type=int, default=1)
arguments.add_argument("--beams", type=int, default=10)
arguments = arguments.parse_args()

torch.set_num_threads(arguments.threads)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
model = T5ForConditionalGeneration.from_pretrained(arguments.model, dtype=torch.float32).eval()
# generate makes a cache of num_layers layers; the encoder is built already, and has its own configuration.
model.config.num_layers = model.config.num_decoder_layers
pad = model.config.pad_token_id
paths = [tuple(path) for path in json.load(open(arguments.paths))]
document_of = {path: document for document, path in enumerate(paths)}
children = {}
for path in paths:
    for t, token in enumerate(path):
        children.setdefault(path[:t], {})[token] = True
children = {prefix: list(tokens) for prefix, tokens in children.items()}


def follow(_batch, sequence):
    return children[tuple(sequence[1:].tolist())]


@torch.inference_mode()
def search(queries):
    width = max(map(len, queries))
    input_ids = torch.tensor([ids + [pad] * (width - len(ids)) for ids in queries])
    attention_mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids in queries])
    out = model.generate(
        input_ids=input_ids,
        attention_mask=attention_mask,
        num_beams=arguments.beams,
        num_return_sequences=arguments.beams,
        max_new_tokens=len(paths[0]),
        prefix_allowed_tokens_fn=follow,
        length_penalty=0.0,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    documents = [document_of[tuple(sequence[1:])] for sequence in out.sequences.tolist()]
    return documents, out.sequences_scores.tolist()


print(json.dumps({"version": f"torch {torch.__version__}, transformers {transformers.__version__}"}), flush=True)
for line in sys.stdin:
    queries = json.loads(line)
    start, cpu = time.perf_counter(), time.process_time()
    documents, scores = search(queries)
    ms, cpu_ms = 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - cpu)
    split = lambda values: [values[i : i + arguments.beams] for i in range(0, len(values), arguments.beams)]
    print(json.dumps({"documents": split(documents), "scores": split(scores), "ms": ms, "cpuMs": cpu_ms}), flush=True)
