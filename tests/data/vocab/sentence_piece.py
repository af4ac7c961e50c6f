"""Trains the two SentencePiece models beside this file, and writes what the library itself makes of
their pieces: `pip install sentencepiece==0.2.3`, then `python sentence_piece.py`.

`sentence_piece.json` has for each model the text of every piece behind the piece "a", the numbers of
the pieces that are bytes, and the names of the pieces that stand for no text.
"""

import io
import json
from pathlib import Path

import sentencepiece

HERE = Path(__file__).parent
TEXT = [
    "A hedgerow is a line of closely spaced shrubs and trees.",
    "Ein Knick ist eine mit Büschen bewachsene Böschung.",
    "Hedges keep the cattle in, and the wind out: 12 birds, 345 bees.",
    "生け垣は木を並べて作る。",
] * 20


def main():
    expected = {}
    for kind in ["unigram", "bpe"]:
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXT),
            model_writer=model,
            model_type=kind,
            vocab_size=380,
            byte_fallback=True,
            normalization_rule_name="identity",
            control_symbols=["<turn>"],
            user_defined_symbols=["▁▁", "{"],
            hard_vocab_limit=False,
            character_coverage=0.98,
            pad_id=3,
        )
        (HERE / f"sentence_piece_{kind}.model").write_bytes(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        first = processor.piece_to_id("a")
        pieces = {"texts": {}, "bytes": {}, "special": {}}
        for piece in range(processor.get_piece_size()):
            name = processor.id_to_piece(piece)
            if processor.is_byte(piece):
                pieces["bytes"][piece] = int(name[3:5], 16)
            elif processor.is_control(piece) or processor.is_unknown(piece):
                pieces["special"][name] = piece
            else:
                text = processor.decode([first, piece])
                assert text.startswith("a")
                pieces["texts"][piece] = text[1:]
        pieces["end"] = processor.eos_id()
        expected[kind] = pieces
    text = json.dumps(expected, ensure_ascii=False, sort_keys=True)
    (HERE / "sentence_piece.json").write_text(text + "\n")


main()
