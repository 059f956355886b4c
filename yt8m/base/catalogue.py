"""Classes that a user chooses by name, such as losses and optimizers. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar

from yt8m.base import spec_language
from yt8m.base.spec_language import Call

Chosen = TypeVar("Chosen")


@dataclasses.dataclass(frozen=True)
class Catalogue(Generic[Chosen]):
    """Finds a class by its name, and checks the hyperparameters that a spec gives it.

    Case, underscores and a final `kind` do not matter in a name: in a catalogue of losses
    "cross_entropy", "CrossEntropy" and "CrossEntropyLoss" are one.

    Attributes:
        kind: what the classes are, one lowercase word, such as "loss".
        classes: the classes, in any order.
        hidden: the parameters of their constructors that a spec does not set.
    """

    kind: str
    classes: tuple[type[Chosen], ...]
    hidden: frozenset[str]

    def names(self) -> list[str]:
        """Returns the names of the classes, sorted."""
        return sorted(cls.__name__ for cls in self.classes)

    def find(self, name: str) -> type[Chosen]:
        """Returns the class of that name.

        Raises:
            ValueError: there is none.
        """
        found = {self._plain(cls.__name__): cls for cls in self.classes}
        if self._plain(name) not in found:
            names = self.names()
            raise ValueError(spec_language.unknown(self.kind, name, [*found, *names], shown=names))
        return found[self._plain(name)]

    def check(
        self, cls: type[Chosen], received: Mapping[str, Any], besides: Collection[str] = ()
    ) -> None:
        """Checks the names of the hyperparameters that a class is to be made with.

        Args:
            cls: the class.
            received: its hyperparameters by name.
            besides: names of hidden parameters that are allowed here.

        Raises:
            ValueError: the class has no such parameter, or it is hidden.
        """
        hidden = self.hidden - set(besides)
        known = [name for name in inspect.signature(cls).parameters if name not in hidden]
        what = f"hyperparameter of {self.kind} {cls.__name__}"
        spec_language.check_names(what, received, dict.fromkeys(known))

    def from_spec(self, text: str, make: Callable[..., Chosen]) -> Call:
        """Parses a spec and checks it by making what it names.

        Args:
            text: such as `cross_entropy(label_smoothing=0.1)`.
            make: called with the name, and with the hyperparameters as keyword arguments.

        Returns:
            The name of the class, and its hyperparameters with their defaults filled in where
            these are not None.

        Raises:
            ValueError: the text is no spec, its name or one of its hyperparameters is unknown, or
                a value is of a wrong type or out of its range.
        """
        call = spec_language.parse(text)
        cls = self.find(call.name)
        self.check(cls, call.arguments)
        try:
            make(call.name, **call.arguments)
        except TypeError as error:
            raise ValueError(
                f"The {self.kind} {text!r} has a value of a wrong type: {error}."
            ) from None
        parameters = inspect.signature(cls).parameters.values()
        shown = [p for p in parameters if p.name not in self.hidden and p.default is not p.empty]
        values = {p.name: call.arguments.get(p.name, p.default) for p in shown}
        return Call(cls.__name__, {key: v for key, v in values.items() if v is not None})

    def _plain(self, name: str) -> str:
        return name.lower().replace("_", "").removesuffix(self.kind)
