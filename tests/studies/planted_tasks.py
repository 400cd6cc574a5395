"""Tasks whose interactions are known: each draws texts with a label and the pairs of words that decide it together.

negation     a small grammar: an adjective is good or bad, a negator before it turns it; a clause that says nothing may
             stand before or after.  Planted: the negator and the adjective.
xor          two words of two kinds at random places among fillers; the label is the exclusive-or of their variants.
             Planted: those two words.
brackets     brackets of two types, balanced in number; the label says whether every closing one has the type of its
             opening one.  Planted, in texts that are well formed: each opening with its closing bracket.
palindrome   a row of letters; the label says whether it reads the same backwards.  Planted, in palindromes: each letter
             with its mirror image.
conjunction  the label says whether three words are all there, anywhere among fillers.  Planted, where they are: the
             three pairs among them.

Texts are words joined by single spaces.  A text belongs to the training data or to the held-out data by its checksum.
"""

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

Pair = tuple[int, int]

_NOUNS = ("film", "plot", "acting", "music", "ending", "script")
_COPULAS = ("is", "was", "seems")
_NEGATORS = ("not", "never", "hardly")
_ADVERBS = ("very", "really", "quite")
_GOOD = ("good", "great", "charming", "funny", "clever")
_BAD = ("bad", "dull", "awful", "boring", "weak")
_PEOPLE = ("critics", "viewers", "actors")
_VERBS = ("come", "talk", "travel")
_FILLERS = ("stone", "river", "table", "cloud", "paper", "window", "garden", "bottle", "ladder", "carpet")
_KINDS = (("red", "blue"), ("early", "late"))
_OPEN, _CLOSE = ("la", "lb"), ("ra", "rb")
_LETTERS = ("b", "c", "d", "f", "g", "h", "k", "m")
_KEYS = ("salt", "bread", "wine")
HELD_OUT = 10
"""One text in so many is held out."""


@dataclass(frozen=True, slots=True)
class Example:
    """One text: its words, its label (0 or 1), and the planted pairs (i, j), i < j; none where nothing is claimed."""

    words: tuple[str, ...]
    label: int
    pairs: tuple[Pair, ...]

    @property
    def text(self) -> str:
        """The words joined by spaces."""
        return " ".join(self.words)

    @property
    def held_out(self) -> bool:
        """Whether the text is kept from training."""
        return zlib.crc32(self.text.encode()) % HELD_OUT == 0


@dataclass(frozen=True, slots=True)
class Task:
    """A name, every word that a text may hold, and the function that draws one text."""

    name: str
    vocabulary: tuple[str, ...]
    draw: Callable[[random.Random], Example]

    def examples(self, rng: random.Random, *, held_out: bool) -> Iterator[Example]:
        """Texts of one side of the split, without end."""
        while True:
            example = self.draw(rng)
            if example.held_out == held_out:
                yield example

    def distinct(self, rng: random.Random, count: int, *, planted: bool = False) -> list[Example]:
        """At most `count` held-out texts, all different; only those with planted pairs where `planted`.

        A task that has fewer gives those that it has: it ends where ten draws in a row for each text found so far
        bring nothing new.
        """
        found: dict[str, Example] = {}
        idle = 0
        for example in self.examples(rng, held_out=True):
            new = (bool(example.pairs) or not planted) and example.text not in found
            if new:
                found[example.text] = example
            idle = 0 if new else idle + 1
            if len(found) == count or idle > 10 * (len(found) + 10):
                break
        return list(found.values())


def negation(rng: random.Random) -> Example:
    """`[the critics did come and] the film was [not] [very] good [but the critics did come]`."""
    positive = rng.random() < 0.5
    negated = rng.random() < 0.6
    clause = ["the", rng.choice(_NOUNS), rng.choice(_COPULAS)]
    negator = len(clause) if negated else None
    clause += [rng.choice(_NEGATORS)] * negated
    clause += [rng.choice(_ADVERBS)] * (rng.random() < 0.4)
    adjective = len(clause)
    clause.append(rng.choice(_GOOD if positive else _BAD))
    aside = ["the", rng.choice(_PEOPLE), "did", rng.choice(_VERBS)]
    shape = rng.choice(("alone", "before", "after"))
    shift = len(aside) + 1 if shape == "before" else 0
    words = {"alone": clause, "before": [*aside, "and", *clause], "after": [*clause, "but", *aside]}[shape]
    pairs = () if negator is None else ((negator + shift, adjective + shift),)
    return Example(tuple(words), int(positive != negated), pairs)


def xor(rng: random.Random) -> Example:
    """Five to eight fillers and one word of each of two kinds, anywhere."""
    variants = rng.randrange(2), rng.randrange(2)
    words = [rng.choice(_FILLERS) for _ in range(rng.randint(7, 10))]
    places = rng.sample(range(len(words)), 2)
    for place, kind, variant in zip(places, _KINDS, variants, strict=True):
        words[place] = kind[variant]
    return Example(tuple(words), variants[0] ^ variants[1], (_pair(*places),))


def brackets(rng: random.Random) -> Example:
    """Three to five pairs of brackets; in half of the texts one closing bracket has the wrong type."""
    count = rng.randint(3, 5)
    words: list[str] = []
    pairs: list[Pair] = []
    stack: list[tuple[int, int]] = []
    opened = 0
    while len(words) < 2 * count:
        if opened < count and (not stack or rng.random() < 0.55):
            kind = rng.randrange(2)
            stack.append((len(words), kind))
            words.append(_OPEN[kind])
            opened += 1
        else:
            start, kind = stack.pop()
            pairs.append((start, len(words)))
            words.append(_CLOSE[kind])
    well_formed = rng.random() < 0.5
    if not well_formed:
        wrong = rng.choice(pairs)[1]
        words[wrong] = _CLOSE[1 - _CLOSE.index(words[wrong])]
    return Example(tuple(words), int(well_formed), tuple(sorted(pairs)) if well_formed else ())


def palindrome(rng: random.Random) -> Example:
    """Six or eight letters; in half of the texts one letter differs from its mirror image."""
    half = [rng.choice(_LETTERS) for _ in range(rng.randint(3, 4))]
    words = [*half, *reversed(half)]
    same = rng.random() < 0.5
    if not same:
        place = rng.randrange(len(words))
        words[place] = rng.choice([letter for letter in _LETTERS if letter != words[place]])
    pairs = tuple((i, len(words) - 1 - i) for i in range(len(half))) if same else ()
    return Example(tuple(words), int(same), pairs)


def conjunction(rng: random.Random) -> Example:
    """Seven to ten words; in half of the texts all three keys, else at most two of them, mostly two."""
    words = [rng.choice(_FILLERS) for _ in range(rng.randint(7, 10))]
    every = rng.random() < 0.5
    count = len(_KEYS) if every else rng.choice((0, 1, 2, 2, 2))
    keys = rng.sample(_KEYS, count)
    places = rng.sample(range(len(words)), count)
    for key, place in zip(keys, places, strict=True):
        words[place] = key
    pairs = tuple(combinations(sorted(places), 2)) if every else ()
    return Example(tuple(words), int(every), pairs)


def _pair(first: int, second: int) -> Pair:
    return min(first, second), max(first, second)


TASKS = {
    task.name: task
    for task in (
        Task(
            "negation",
            ("the", "did", "and", "but", *_NOUNS, *_COPULAS, *_NEGATORS, *_ADVERBS, *_GOOD, *_BAD, *_PEOPLE, *_VERBS),
            negation,
        ),
        Task("xor", (*_FILLERS, *_KINDS[0], *_KINDS[1]), xor),
        Task("brackets", (*_OPEN, *_CLOSE), brackets),
        Task("palindrome", _LETTERS, palindrome),
        Task("conjunction", (*_FILLERS, *_KEYS), conjunction),
    )
}
