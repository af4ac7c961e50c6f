#!/usr/bin/env python3
"""Makes vectors.jsonl: the tokens that other implementations keep of rows computed from integers.

    python generate.py --libllama PATH/libllama.so > vectors.jsonl 2> differences.txt

Needs numpy, torch and transformers 5.23.0, and libllama of llama-cpp-python 0.3.36. A line holds the
row (kind, vocabulary), the operation with its arguments, the source of the result, the number of
tokens kept, an FNV-1a hash of their ids, and the most probable ones. The 64-bit reference below
decides. Ids within 2e-5 of a cut are "edge" and not compared. If a peer keeps other tokens, its
vector is left out and the difference goes to differences.txt.
"""
import argparse, ctypes as C, json, os, sys
import numpy as np

EDGE = 2e-5
HISTORY = [3, 5, 3, 7, 3, 5, 9, 11, 3, 5, 3]
END = 4
CHAINS = {'chain_llama': ['top_k', 'top_p', 'min_p', 'temperature'], 'chain_hf': ['temperature', 'top_k', 'top_p', 'min_p']}

# Rows, equal bit for bit to those of tests/suite/sampling_golden.rs.

def mix(x):
    x = x.astype(np.uint32)
    x ^= x >> np.uint32(16); x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15); x *= np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))

def row(kind, n):
    i = np.arange(n, dtype=np.uint32)
    a, b = mix(i * np.uint32(2) + np.uint32(n)), mix(i * np.uint32(2) + np.uint32(n + 1))
    whole = ((a & 0xFFFF) + (a >> 16) + (b & 0xFFFF) + (b >> 16)).astype(np.int64) - 131070
    normal = whole.astype(np.float32)
    if kind == 'normal': return normal * np.float32(2.0 ** -14)
    if kind == 'wide': return normal * np.float32(2.0 ** -12)
    if kind == 'ties': return (whole >> 14).astype(np.float32) * np.float32(0.5)
    if kind == 'uniform': return np.full(n, 0.25, np.float32)
    r = normal * np.float32(2.0 ** -14)
    if kind == 'peaked':
        for j in range(5): r[(j * 7919 + 13) % n] = np.float32(20 - 2 * j)
    if kind == 'masked': r[1::3] = -np.inf
    return r

# The reference.

def softmax(l):
    w = np.exp(l - l.max()); return w / w.sum()

def entropy(p):
    return float(-(p[p > 0] * np.log(p[p > 0])).sum())

def reference(op, a, logits):
    """The ids kept, their logits, and the ids that are edge."""
    ids = np.flatnonzero(np.isfinite(logits)); l = logits[ids].astype(np.float64)
    order = np.lexsort((ids, -l)); ids, l = ids[order], l[order]
    p = softmax(l); n = len(l)
    def at_least(v, bound, tol):
        # If nothing reaches the bound, all that equal the first stay.
        keep = v >= min(bound, v[0])
        return ids[keep], l[keep], ids[np.abs(v - bound) <= tol]
    def prefix(order, mass):
        before = np.concatenate([[0], np.cumsum(p[order])[:-1]])
        keep = order[before < mass] if (before < mass).any() else order[:1]
        return ids[keep], l[keep], ids[order[np.abs(before - mass) <= EDGE]]
    near = EDGE * (1 + abs(l[0]))
    if op == 'top_k': return ids[:a[0]], l[:a[0]], ids[:0]
    if op == 'top_p': return prefix(np.arange(n), a[0])
    if op == 'min_p': return at_least(l, l[0] + np.log(a[0]), near)
    if op == 'epsilon': return at_least(p, a[0], EDGE * a[0])
    if op == 'eta':
        bound = min(a[0], np.sqrt(a[0]) * np.exp(-entropy(p))); return at_least(p, bound, EDGE * bound)
    if op == 'top_n_sigma': return at_least(l, l[0] - a[0] * l.std(), near)
    if op == 'typical':
        d = np.abs(-np.log(np.maximum(p, 1e-300)) - entropy(p)); o = np.lexsort((ids, d))
        k, kl, e = prefix(o, a[0]); last = d[o[len(k) - 1]]
        return k, kl, np.union1d(e, ids[np.abs(d - last) <= near])
    if op == 'top_h':
        q = softmax(l[:100]); run = np.cumsum(-q * np.log(np.maximum(q, 1e-300))); bound = a[0] * run[-1]
        k = max(1, int((run <= bound).sum())); return ids[:k], l[:k], ids[:100][:len(run)][np.abs(run - bound) <= EDGE]
    if op == 'xtc':
        top = int((p >= a[0]).sum()); e = ids[np.abs(p - a[0]) <= EDGE]
        s = max(0, top - 1); return ids[s:], l[s:], e
    if op == 'mirostat_2':
        k, kl, e = at_least(np.log2(np.maximum(p, 1e-300)), -2 * a[0], EDGE)
        return (k, kl, e) if np.log2(p[0]) >= -2 * a[0] else (k[:1], kl[:1], e)
    if op == 'mirostat_1':
        m = min(100, n) - 1; i = np.arange(m); t = np.log((i + 2) / (i + 1)); b = l[:m] - l[1:m + 1]
        s = (t * b).sum() / (t * t).sum(); e = s - 1
        k = max(1, int(min(n, (e * 2 ** (2 * a[0]) / (1 - n ** -e)) ** (1 / s) if s > 0 else 1)))
        return ids[:k], l[:k], ids[max(0, k - 2):k + 2]
    if op == 'temperature': return ids, l / a[0], ids[:0]
    if op == 'temperature_range':
        h = entropy(p) / np.log(n) if n > 1 else 0; return ids, l / (a[0] + (a[1] - a[0]) * h ** a[2]), ids[:0]
    if op == 'adaptive_p':
        d = np.abs(p - a[0]) / 0.3; return ids, 5 - 10 * d * d / (1 + d), ids[:0]
    x = logits.astype(np.float64).copy()
    seen = np.unique(HISTORY)
    if op == 'repetition': x[seen] = np.where(x[seen] > 0, x[seen] / a[0], x[seen] * a[0])
    elif op == 'logit_bias':
        for t, b in zip(a[::2], a[1::2]): x[t] += b
    elif op == 'dry':
        for t, length in repetitions(*a[2:4], a[4:]).items(): x[t] -= a[0] * a[1] ** (length - a[2])
    elif op == 'begin_suppress': x[a] = -np.inf
    elif op == 'min_tokens': x[END] = x[END] if len(HISTORY) >= a[0] else -np.inf
    elif op == 'allowed': x[np.setdiff1d(np.arange(len(x)), a)] = -np.inf
    elif op == 'forced_last': x = np.full(len(x), -np.inf); x[END] = 0.0
    elif op in CHAINS:
        edges = []
        for step, value in zip(CHAINS[op], a):
            ids, l, edge = reference(step, [value], x); edges.append(edge); x = np.full(len(x), -np.inf); x[ids] = l
        # All results after a cut with edge ids depend on those ids.
        if any(len(edge) for edge in edges): return None
    elif op == 'penalties':
        x[seen] = np.where(x[seen] > 0, x[seen] / a[0], x[seen] * a[0])
        for t in seen: x[t] -= a[1] * HISTORY.count(t) + a[2]
    else: return None
    ids = np.flatnonzero(np.isfinite(x)); return ids, x[ids], ids[:0]

def repetitions(allowed, window, breakers):
    """DRY: every token that would extend a repetition, with the length of the longest repetition,
    found by comparison at every place."""
    text = HISTORY[-window:] if window else HISTORY; n = len(text); found = {}
    for end in range(1, n):
        k = 0
        while k < end and text[end - 1 - k] == text[n - 1 - k] and text[n - 1 - k] not in breakers: k += 1
        if k >= max(allowed, 1) and text[end] not in breakers: found[text[end]] = max(k, found.get(text[end], 0))
    return found

# The peers.

def transformers_peer(n):
    import torch, transformers
    from transformers.generation import logits_process as t
    make = {
        'top_k': lambda a: t.TopKLogitsWarper(a[0]), 'top_p': lambda a: t.TopPLogitsWarper(a[0]),
        'min_p': lambda a: t.MinPLogitsWarper(a[0]), 'typical': lambda a: t.TypicalLogitsWarper(a[0]),
        'epsilon': lambda a: t.EpsilonLogitsWarper(a[0]), 'eta': lambda a: t.EtaLogitsWarper(a[0]),
        'top_h': lambda a: t.TopHLogitsWarper(a[0]), 'temperature': lambda a: t.TemperatureLogitsWarper(a[0]),
        'repetition': lambda a: t.RepetitionPenaltyLogitsProcessor(a[0]),
        'no_repeat_ngram': lambda a: t.NoRepeatNGramLogitsProcessor(a[0]),
        'sequence_bias': lambda a: t.SequenceBiasLogitsProcessor([[[5, 3, 8], a[0]], [[2], a[1]], [[9, 1], 50.0]]),
        'bad_words': lambda a: t.NoBadWordsLogitsProcessor([[5, 3, 8], [2], [9, 1]]),
        'exponential_decay': lambda a: t.ExponentialDecayLengthPenalty((a[0], a[1]), [END], 0),
        'begin_suppress': lambda a: t.SuppressTokensAtBeginLogitsProcessor(a, len(HISTORY)),
        'min_tokens': lambda a: t.MinNewTokensLengthLogitsProcessor(0, a[0], END),
        'allowed': lambda a: t.PrefixConstrainedLogitsProcessor(lambda row, ids: a, 1),
        'forced_last': lambda a: t.ForcedEOSTokenLogitsProcessor(len(HISTORY) + 1, END),
        'suppress': lambda a: t.SuppressTokensLogitsProcessor(a),
        'watermark_left': lambda a: t.WatermarkLogitsProcessor(n, 'cpu', a[0], a[1]),
        'watermark_self': lambda a: t.WatermarkLogitsProcessor(n, 'cpu', a[0], a[1], seeding_scheme='selfhash', context_width=4),
    }
    def run(op, a, logits):
        steps = list(zip(CHAINS[op], [[x] for x in a])) if op == 'chain_hf' else [(op, a)]
        if steps[0][0] not in make: return None
        out = torch.tensor(logits)[None]
        for step, values in steps: out = make[step](values)(torch.tensor([HISTORY]), out)
        out = out[0].numpy()
        ids = np.flatnonzero(np.isfinite(out)); return ids, out[ids].astype(np.float64)
    return run

class Entry(C.Structure): _fields_ = [('id', C.c_int32), ('logit', C.c_float), ('p', C.c_float)]
class Bias(C.Structure): _fields_ = [('token', C.c_int32), ('bias', C.c_float)]
class Vector(C.Structure): _fields_ = [('begin', C.c_void_p), ('end', C.c_void_p), ('room', C.c_void_p)]
class Entries(C.Structure): _fields_ = [('data', C.POINTER(Entry)), ('size', C.c_size_t), ('selected', C.c_int64), ('sorted', C.c_bool)]

def llama_peer(path, n):
    folder = os.path.dirname(os.path.abspath(path))
    for name in ('libggml-base.so', 'libggml-cpu.so', 'libggml.so'): C.CDLL(os.path.join(folder, name), mode=C.RTLD_GLOBAL)
    lib = C.CDLL(path); f, i, u, z = C.c_float, C.c_int32, C.c_uint32, C.c_size_t
    def init(name, types, *values):
        function = getattr(lib, 'llama_sampler_init_' + name); function.restype, function.argtypes = C.c_void_p, types
        return function(*values)
    def dry(a):
        if not a[4:]: return init('dry', [C.c_void_p, f, f, i, i, C.c_void_p, z], None, a[0], a[1], a[2], a[3] or 4096, None, 0)
        # The function for llama.cpp's own tests takes breakers by id, as a vector of vectors in
        # libstdc++'s layout.
        function = lib._Z30llama_sampler_init_dry_testingffiiRKSt6vectorIS_IiSaIiEESaIS1_EE
        function.restype, function.argtypes = C.c_void_p, [f, f, i, i, C.POINTER(Vector)]
        ids = (i * len(a[4:]))(*a[4:]); at = C.addressof(ids)
        heads = (Vector * len(ids))(*[Vector(at + 4 * k, at + 4 * k + 4, at + 4 * k + 4) for k in range(len(ids))])
        at, end = C.addressof(heads), C.addressof(heads) + C.sizeof(heads)
        return function(a[0], a[1], a[2], a[3] or 4096, C.byref(Vector(at, end, end)))
    def biases(a):
        pairs = (Bias * (len(a) // 2))(*zip(a[::2], a[1::2]))
        return init('logit_bias', [i, i, C.POINTER(Bias)], n, len(pairs), pairs)
    lib.llama_sampler_apply.argtypes = [C.c_void_p, C.POINTER(Entries)]
    lib.llama_sampler_accept.argtypes = [C.c_void_p, C.c_int32]
    lib.llama_sampler_free.argtypes = [C.c_void_p]
    make = {
        'top_k': lambda a: init('top_k', [i], a[0]), 'top_p': lambda a: init('top_p', [f, z], a[0], 1),
        'min_p': lambda a: init('min_p', [f, z], a[0], 1), 'typical': lambda a: init('typical', [f, z], a[0], 1),
        'temperature': lambda a: init('temp', [f], a[0]),
        'temperature_range': lambda a: init('temp_ext', [f, f, f], (a[0] + a[1]) / 2, (a[1] - a[0]) / 2, a[2]),
        'xtc': lambda a: init('xtc', [f, f, z, u], 1.0, a[0], 1, 1), 'top_n_sigma': lambda a: init('top_n_sigma', [f], a[0]),
        'mirostat_1': lambda a: init('mirostat', [i, u, f, f, i], n, 1, a[0], 0.1, 100),
        'mirostat_2': lambda a: init('mirostat_v2', [u, f, f], 1, a[0], 0.1),
        'adaptive_p': lambda a: init('adaptive_p', [f, f, u], a[0], 0.9, 1),
        'dry': dry, 'logit_bias': biases,
        'penalties': lambda a: init('penalties', [i, i, f, f, f], n, 64, a[0], a[1], a[2]),
    }
    def run(op, a, logits):
        steps = list(zip(CHAINS[op], [[x] for x in a])) if op == 'chain_llama' else [(op, a)]
        if steps[0][0] not in make: return None
        samplers = [make[step](values) for step, values in steps]
        for token in HISTORY if op in ('penalties', 'dry') else []: lib.llama_sampler_accept(samplers[0], token)
        entries = (Entry * n)()
        view = np.ctypeslib.as_array(C.cast(entries, C.POINTER(C.c_float)), (n, 3))
        view[:, 1] = logits; view[:, 0].view(np.int32)[:] = np.arange(n)
        array = Entries(entries, n, -1, False)
        for sampler in samplers: lib.llama_sampler_apply(sampler, C.byref(array))
        out = np.array([(array.data[j].id, array.data[j].logit) for j in range(array.size)])
        for sampler in samplers: lib.llama_sampler_free(sampler)
        out = out[np.isfinite(out[:, 1])]; return out[:, 0].astype(np.int64), out[:, 1]
    return run

CASES = [
    ('top_k', [1]), ('top_k', [40]), ('top_k', [500]), ('top_p', [0.1]), ('top_p', [0.9]), ('top_p', [0.99]), ('min_p', [0.05]),
    ('min_p', [0.5]), ('typical', [0.2]), ('typical', [0.9]), ('epsilon', [0.0003]), ('epsilon', [0.02]), ('eta', [0.0003]), ('eta', [0.02]),
    ('top_h', [0.4]), ('top_h', [0.9]), ('top_n_sigma', [1.0]), ('top_n_sigma', [2.5]), ('xtc', [0.05]), ('xtc', [0.3]),
    ('temperature', [0.5]), ('temperature', [1.7]), ('temperature_range', [0.5, 1.5, 1.0]), ('temperature_range', [0.2, 2.0, 2.0]),
    ('mirostat_1', [2.0]), ('mirostat_1', [3.0]), ('mirostat_2', [2.0]), ('mirostat_2', [5.0]), ('adaptive_p', [0.3]),
    ('repetition', [1.3]), ('repetition', [0.8]), ('penalties', [1.2, 0.5, 0.25]), ('no_repeat_ngram', [2]), ('no_repeat_ngram', [3]),
    ('sequence_bias', [1.5, -2.0]), ('bad_words', []), ('exponential_decay', [4, 1.2]), ('suppress', [0, 7, 33]),
    ('logit_bias', [3, 2.5, 8, -4.0, 3, 0.5]), ('dry', [0.8, 1.75, 2, 0]), ('dry', [2.0, 1.5, 1, 0]), ('dry', [0.8, 3.0, 2, 7]),
    ('dry', [1.5, 1.75, 1, 0, 5]), ('dry', [1.5, 1.75, 1, 0, 7, 3]), ('dry', [1.5, 1.75, 1, 0, 9, 7]), ('begin_suppress', [3, 5, 60]),
    ('min_tokens', [12]), ('min_tokens', [11]), ('allowed', [1, 2, 3, 21, 40, 63]), ('forced_last', []),
    ('chain_llama', [40, 0.95, 0.05, 0.8]), ('chain_llama', [5, 0.6, 0.2, 1.5]), ('chain_hf', [0.8, 40, 0.95, 0.05]),
    ('chain_hf', [1.5, 20, 0.7, 0.1]), ('watermark_left', [0.25, 2.0]), ('watermark_self', [0.5, 2.5]),
]

REASONS = """Cases in which a peer keeps other tokens than the definition:
- ties, uniform: of equal logits the definition keeps the lowest ids. transformers' top-k keeps all of them,
  and its top-p and top-H, like llama.cpp's steps, keep those that its sort puts first.
- typical and Mirostat 1 on masked rows: llama.cpp counts a probability of 0 as a number, so the
  entropy becomes NaN.
- temperature range on masked rows: llama.cpp's largest entropy counts the masked tokens.

Features that only one side has:
- DRY: llama.cpp's breakers may be sequences of tokens; here they are single tokens. With an allowed
  length of 0, llama.cpp penalises every token of the text; here a match of length 0 extends nothing.
- tail-free, top-a, p-less, quadratic smoothing, and dynamic temperature by entropy or position are in
  neither peer (llama.cpp dropped tail-free in 2024). They are compared with the 64-bit reference
  alone (tests/suite/sampling_reference.rs).
"""

def fnv(ids):
    h = 0xCBF29CE484222325
    for v in sorted(int(x) for x in ids):
        for byte in v.to_bytes(4, 'little'): h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f'{h:016x}'

def line(source, kind, n, op, a, ids, l, edge):
    p = softmax(l); order = np.lexsort((ids, -l))[:5]
    print(json.dumps({'row': kind, 'vocab': n, 'op': op, 'args': a, 'source': source, 'kept': fnv(np.setdiff1d(ids, edge)),
        'count': int(len(np.setdiff1d(ids, edge))), 'edge': [int(x) for x in np.sort(edge)],
        'top': [[int(ids[j]), float(f'{p[j]:.7g}')] for j in order]}, separators=(',', ':')))

def main():
    print(REASONS, file=sys.stderr)
    parser = argparse.ArgumentParser(); parser.add_argument('--libllama', required=True); args = parser.parse_args()
    for n in (64, 1000, 32000):
        peers = [('transformers', transformers_peer(n)), ('llama.cpp', llama_peer(args.libllama, n))]
        for kind in ('normal', 'peaked', 'ties', 'masked', 'wide', 'uniform'):
            logits = row(kind, n)
            for op, a in CASES:
                # Of equal candidates, the sort decides which are among the 40 tried.
                if op == 'watermark_self' and (n > 1000 or kind in ('ties', 'uniform')): continue
                # With equal logits the exponent 1/s of Mirostat 1 is infinite.
                if op == 'mirostat_1' and kind == 'uniform': continue
                expected = reference(op, a, logits)
                if expected is None and op in CHAINS: continue
                if expected is not None:
                    ids, l, edge = expected
                    if len(edge) <= 64: line('reference', kind, n, op, a, ids, l, edge)
                for name, peer in peers:
                    found = peer(op, a, logits)
                    if found is None: continue
                    ids, l = found
                    edge = expected[2] if expected is not None else ids[:0]
                    if expected is not None:
                        mine, theirs = np.setdiff1d(expected[0], edge), np.setdiff1d(ids, edge)
                        if len(mine) != len(theirs) or (mine != theirs).any():
                            print(f'{name} {op} {a} on {kind} {n}: keeps {len(ids)}, the definition {len(expected[0])}', file=sys.stderr)
                            continue
                        same = dict(zip(expected[0].tolist(), softmax(expected[1])))
                        worst = max(abs(same.get(int(t), q) - q) for t, q in zip(ids, softmax(l)))
                        if len(edge) == 0 and worst > 1e-5:
                            print(f'{name} {op} {a} on {kind} {n}: a probability differs by {worst:.2g}', file=sys.stderr)
                            continue
                    if len(edge) <= 64: line(name, kind, n, op, a, ids, l, edge)

if __name__ == '__main__':
    main()
