#!/usr/bin/env python3
"""Records what XGrammar reads of outputs of random structural tags.

    python record.py --formats 400 > tests/structural_tags/xgrammar.jsonl

Needs xgrammar. The first line names its version. Every other line is a format and outputs. Each
output has the number of symbols that XGrammar reads, and true if the output may end there. A symbol
is a byte, or a special token: S is `<|s|>` and E is `<|e|>`. A format that XGrammar refuses, or
that ends its process, has `error` instead. tests/suite/tags_recorded.rs compares.
"""
import argparse, importlib.metadata, json, os, random

SPECIAL = {'S': '<|s|>', 'E': '<|e|>'}
LETTERS = 'abc</>'


def overlap(first, second):
    """True if the second text begins within the first, or stands in it."""
    return any(second.startswith(first[at:]) for at in range(len(first))) or second in first


def clear(text):
    """True if the text does not overlap itself."""
    return not any(text.startswith(text[at:]) for at in range(1, len(text)))


class Maker:
    """Makes random formats, and outputs of them."""

    def __init__(self, rng):
        self.rng = rng
        # The ends of the tags around, and true within a repetition.
        self.ends, self.is_repeated = [], False

    def text(self, least, most):
        return ''.join(self.rng.choice(LETTERS) for _ in range(self.rng.randint(least, most)))

    def texts(self, count, beside=()):
        """Texts none of which overlaps another one, or itself, or an end around, or one of those beside."""
        texts = []
        for _ in range(100):
            text, others = self.text(1, 3), [*texts, *beside, *self.ends]
            if not any(overlap(text, other) or overlap(other, text) for other in others) and clear(text):
                texts.append(text)
            if len(texts) == count:
                break
        return texts or ['ab']

    def leaf(self):
        kind = self.rng.randrange(8)
        if kind == 0:
            return {'type': 'const_string', 'value': self.text(0, 3)}
        if kind == 1:
            schema = self.rng.choice([{'type': 'integer'}, {'enum': ['a', 'b<']}, {'type': 'boolean'}, {'const': 12},
                                      {'type': 'array', 'items': {'type': 'boolean'}, 'maxItems': 2}])
            return {'type': 'json_schema', 'json_schema': schema}
        if kind == 2:
            return {'type': 'regex', 'pattern': self.rng.choice(['a+b', '(a|b)*', '[a<]{1,3}', 'a?b?', '<a>'])}
        if kind == 3:
            grammar = self.rng.choice(['root ::= "a" root "b" | "x"', 'root ::= [ab]+ "/"', 'root ::= ("a" | "<")*'])
            return {'type': 'grammar', 'grammar': grammar}
        if kind == 4:
            return {'type': 'token', 'token': self.rng.choice(list(SPECIAL.values()))}
        format = {'type': 'any_text'}
        if self.rng.random() < 0.5:
            format['excludes'] = self.texts(self.rng.randint(1, 2))
        return format

    def tag(self, depth, begin=None, token=False):
        begin = begin or self.text(1, 3)
        if token:
            begin = {'type': 'token', 'token': begin}
        ends = self.texts(self.rng.choice([1, 1, 1, 2]))
        outer, self.ends = self.ends, ends
        content = self.format(depth - 1)
        self.ends = outer
        if self.rng.random() < 0.1:
            ends = [*ends, '']
        end = ends if len(ends) > 1 or self.rng.random() < 0.2 else ends[0]
        if self.rng.random() < 0.1:
            end = {'type': 'token', 'token': '<|e|>'}
        return {'type': 'tag', 'begin': begin, 'content': content, 'end': end}

    def flags(self):
        return {name: True for name in ('at_least_one', 'stop_after_first') if self.rng.random() < 0.3}

    def format(self, depth):
        if depth <= 0 or self.rng.random() < 0.15:
            return self.leaf()
        kinds = ['sequence', 'or', 'optional', 'plus', 'star', 'repeat', 'tag', 'tag', 'tags_with_separator']
        if not self.is_repeated:
            kinds += ['triggered_tags', 'triggered_tags', 'dispatch']
            if not self.ends:
                kinds += ['token_triggered_tags', 'token_dispatch', 'any_tokens', 'exclude_token']
        kind = self.rng.choice(kinds)
        outer, self.is_repeated = self.is_repeated, self.is_repeated or kind in ('plus', 'star', 'repeat')
        format = self.of_kind(kind, depth)
        self.is_repeated = outer
        return format

    def of_kind(self, kind, depth):
        part = lambda: self.format(depth - 1)
        if kind in ('sequence', 'or'):
            return {'type': kind, 'elements': [part() for _ in range(self.rng.randint(1, 3))]}
        if kind in ('optional', 'plus', 'star'):
            return {'type': kind, 'content': part()}
        if kind == 'repeat':
            least = self.rng.randint(0, 2)
            return {'type': kind, 'content': part(), 'min': least, 'max': self.rng.choice([-1, least, least + 1])}
        if kind == 'tag':
            return self.tag(depth)
        if kind == 'triggered_tags':
            triggers = self.texts(self.rng.randint(1, 2))
            begins = triggers + [self.rng.choice(triggers) for _ in range(self.rng.randint(0, 1))]
            tags = [self.tag(depth, begin + self.text(0, 2)) for begin in begins]
            format = {'type': kind, 'triggers': triggers, 'tags': tags, **self.flags()}
            if self.rng.random() < 0.3:
                format['excludes'] = self.texts(1, triggers)
            return format
        if kind == 'tags_with_separator':
            tags = [self.tag(depth) for _ in range(self.rng.randint(1, 2))]
            return {'type': kind, 'tags': tags, 'separator': self.text(0, 2), **self.flags()}
        if kind == 'dispatch':
            rules = [[text, part()] for text in self.texts(self.rng.randint(1, 2))]
            return {'type': kind, 'rules': rules, 'loop': self.rng.random() < 0.6}
        if kind == 'token_triggered_tags':
            tags = [self.tag(depth, '<|s|>', token=True) for _ in range(self.rng.randint(1, 2))]
            return {'type': kind, 'trigger_tokens': ['<|s|>'], 'tags': tags, **self.flags()}
        if kind == 'token_dispatch':
            return {'type': kind, 'rules': [['<|s|>', part()]], 'loop': self.rng.random() < 0.6}
        return {'type': kind, 'exclude_tokens': ['<|s|>', '<|e|>'] if kind == 'any_tokens' else ['<|s|>', 'a']}

    def begin_of(self, tag):
        begin = tag['begin']
        return begin if isinstance(begin, str) else self.spelled(begin['token'])

    def spelled(self, name):
        return next(letter for letter, token in SPECIAL.items() if token == name)

    def tagged(self, tag):
        end = tag['end']
        if isinstance(end, dict):
            end = self.spelled(end['token'])
        elif isinstance(end, list):
            end = self.rng.choice(end)
        return self.begin_of(tag) + self.output(tag['content']) + end

    def output(self, format):
        """A text that is likely to be one of the format."""
        kind, rng = format['type'], self.rng
        if kind == 'const_string':
            return format['value']
        if kind == 'json_schema':
            return rng.choice(['0', '-7', '12', '"a"', '"b<"', 'true', 'false', '[]', '[true]', '[true, false]'])
        if kind == 'regex':
            return rng.choice(['ab', 'aab', 'a', 'b', '<a>', 'a<', ''])
        if kind == 'grammar':
            return rng.choice(['x', 'axb', 'ab/', 'a<a', ''])
        if kind == 'token':
            return self.spelled(format['token'])
        if kind == 'exclude_token':
            return rng.choice('bcaSE')
        if kind in ('any_text', 'any_tokens'):
            return self.text(0, 4)
        if kind == 'sequence':
            return ''.join(self.output(part) for part in format['elements'])
        if kind == 'or':
            return self.output(rng.choice(format['elements']))
        if kind in ('optional', 'plus', 'star'):
            least, most = {'optional': (0, 1), 'plus': (1, 3), 'star': (0, 2)}[kind]
            return ''.join(self.output(format['content']) for _ in range(rng.randint(least, most)))
        if kind == 'repeat':
            most = format['max'] if format['max'] >= 0 else format['min'] + 2
            return ''.join(self.output(format['content']) for _ in range(rng.randint(format['min'], most)))
        if kind == 'tag':
            return self.tagged(format)
        if kind in ('triggered_tags', 'token_triggered_tags'):
            between = lambda: self.text(0, 2)
            count = 1 if format.get('stop_after_first') else rng.randint(0, 2)
            start = '' if format.get('at_least_one') else between()
            return start + ''.join(self.tagged(rng.choice(format['tags'])) + between() for _ in range(count))
        if kind == 'tags_with_separator':
            count = 1 if format.get('stop_after_first') else rng.randint(0, 3)
            return format['separator'].join(self.tagged(rng.choice(format['tags'])) for _ in range(count))
        rules = [rng.choice(format['rules']) for _ in range(rng.randint(0, 2) if format['loop'] else 1)]
        patterns = [(pattern if kind == 'dispatch' else self.spelled(pattern), part) for pattern, part in rules]
        return self.text(0, 2) + ''.join(pattern + self.output(part) + self.text(0, 1) for pattern, part in patterns)

    def mutated(self, output):
        """The output with up to two symbols more, fewer or other ones."""
        symbols = list(output)
        for _ in range(self.rng.randint(1, 2)):
            at = self.rng.randint(0, len(symbols))
            symbol = self.rng.choice(LETTERS + '1"x')
            symbols[at:at + self.rng.randint(0, 1)] = self.rng.choice([[], [symbol]])
        return ''.join(symbols)

    def outputs(self, format, count):
        found = {self.text(0, 3)}
        for _ in range(count):
            output = self.output(format)[:60]
            found |= {output, self.mutated(output), output + self.text(1, 2)}
        return sorted(found)


class Judge:
    """Reads outputs as XGrammar does, a token for each symbol."""

    def __init__(self):
        import xgrammar
        self.library = xgrammar
        self.ids = {chr(byte): byte for byte in range(128)} | {'S': 257, 'E': 258}
        vocabulary = [bytes([byte]) for byte in range(256)] + [b'</s>', b'<|s|>', b'<|e|>']
        tokens = xgrammar.TokenizerInfo(vocabulary, vocab_type=xgrammar.VocabType.RAW, stop_token_ids=[256])
        self.compiler = xgrammar.GrammarCompiler(tokens, cache_enabled=False)

    def compile(self, format):
        return self.compiler.compile_structural_tag(json.dumps({'type': 'structural_tag', 'format': format}))

    def reads(self, grammar, output):
        """The number of symbols read, and true if the output may end behind them."""
        matcher = self.library.GrammarMatcher(grammar)
        for at, symbol in enumerate(output):
            if not matcher.accept_token(self.ids[symbol]):
                return at, False
        return len(output), matcher.accept_token(256)


def judged(judge, format, outputs):
    """What XGrammar says, in a process of its own, which it may end."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            grammar = judge.compile(format)
            verdict = {'outputs': [[output, *judge.reads(grammar, output)] for output in outputs]}
        except Exception:
            verdict = {'error': 'refused'}
        os.write(writing, json.dumps(verdict).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        verdict = pipe.read()
    os.waitpid(child, 0)
    return json.loads(verdict) if verdict else {'error': 'crashed'}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--formats', type=int, default=400)
    parser.add_argument('--outputs', type=int, default=4)
    parser.add_argument('--seed', type=int, default=17)
    args = parser.parse_args()
    judge, maker = Judge(), Maker(random.Random(args.seed))
    print(json.dumps({'xgrammar': importlib.metadata.version('xgrammar'), 'seed': args.seed}))
    for _ in range(args.formats):
        format = maker.format(3)
        outputs = maker.outputs(format, args.outputs)
        line = {'format': format, **judged(judge, format, outputs)}
        print(json.dumps(line, separators=(',', ':')), flush=True)


if __name__ == '__main__':
    main()
