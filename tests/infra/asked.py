"""An environment that remembers what it was asked for."""

from collections.abc import Iterator, Mapping


class Asked(Mapping[str, str]):
    """The variables of a function, and the names that somebody wanted to know."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values_of = values
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self.values_of[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_of)

    def __len__(self) -> int:
        return len(self.values_of)
