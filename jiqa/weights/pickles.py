"""Pickles read as data. A pickle is a program; here it runs on a machine that can call nothing.

Python's own reader imports and calls whatever a pickle names. This one decodes the instructions
with `pickletools` and knows only the names in `ALLOWED`, each of which stands for a function of
this file that makes an array or a dictionary. Any other name is an error, and nothing is called.
"""

import mmap
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from jiqa.weights.buffers import Budget, as_array, checked_size, stored_dtype, widen

MOST_INSTRUCTIONS = 5_000_000
CONSTANTS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "<?",
}


@dataclass
class Array:
    """An array of NumPy's, which a pickle makes empty and then fills."""

    value: np.ndarray | None = None

    def array(self, _: Budget) -> np.ndarray:
        """The array."""
        if self.value is None:
            raise ValueError("an array without data.")
        return self.value


@dataclass
class Storage:
    """Numbers of PyTorch's in a row, which its tensors are windows on.

    Attributes:
        dtype: As in `buffers.as_array`.
        count: How many numbers.
        data: Their bytes, once they are read.
    """

    dtype: str
    count: int
    data: Any = None


@dataclass
class Tensor:
    """A window on a storage: first element, shape, and strides in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, budget: Budget) -> np.ndarray:
        """The tensor as a read-only array; it must lie within its storage."""
        storage, offset, shape, strides = self.storage, self.offset, self.shape, self.strides
        dtype = stored_dtype(storage.dtype)
        size = checked_size(shape)
        checked_size(strides)
        checked_size([offset])
        if size == 0:
            return widen(np.empty(shape, dtype), storage.dtype)
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if last >= storage.count:
            raise ValueError("a tensor reaches beyond its storage.")
        budget.spend(size * dtype.itemsize)
        numbers = np.frombuffer(storage.data, dtype)[offset:]
        in_bytes = [stride * dtype.itemsize for stride in strides]
        window = np.lib.stride_tricks.as_strided(numbers, shape, in_bytes, writeable=False)
        return widen(window, storage.dtype)


@dataclass
class _Dtype:
    code: str
    order: str = "<"

    @property
    def name(self) -> str:
        return self.order.replace("|", "<").replace("=", "<") + self.code


@dataclass(frozen=True)
class _Name:
    """What a pickle refers to by name; `make` is None for what is only handed on."""

    make: Callable[..., Any] | None = None
    dtype: str = ""


def _ordered_dict(budget: Budget, items: list[Any] | tuple[()] = ()) -> dict[Any, Any]:
    budget.spend(100 * len(items))
    return dict(_pair(item) for item in items)


def _pair(item: Any) -> tuple[str | int, Any]:
    key, value = item
    if type(key) not in (str, int):
        raise ValueError(f"a dictionary with keys of type {type(key).__name__}.")
    return key, value


def _encode(budget: Budget, text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes in another encoding than Latin-1.")
    budget.spend(len(text))
    return text.encode("latin-1")


def _no_bytes(_: Budget) -> bytes:
    return b""


def _dtype(_: Budget, code: str, *__: Any) -> _Dtype:
    return _Dtype(code)


def _empty_array(*_: Any) -> Array:
    return Array()


def _array(budget: Budget, data: Any, dtype: _Dtype, shape: tuple[int, ...], order: str) -> Array:
    if isinstance(data, str):  # bytes, as Python 2 wrote them
        data = data.encode("latin-1")
    ordered = shape[::-1] if order == "F" else shape
    array = as_array(data, dtype.name, ordered, budget)
    return Array(array.T if order == "F" else array)


def _scalar(budget: Budget, dtype: _Dtype, data: Any) -> Array:
    return _array(budget, data, dtype, (), "C")


def _tensor(
    _: Budget, storage: Storage, offset: int, shape: tuple, strides: tuple, *__: Any
) -> Tensor:
    if not (isinstance(storage, Storage) and isinstance(shape, tuple)):
        raise ValueError("a tensor without storage or shape.")
    return Tensor(storage, offset, shape, strides)


def _parameter(_: Budget, tensor: Tensor, *__: Any) -> Tensor:
    return tensor


ALLOWED: dict[tuple[str, str], _Name] = {
    ("collections", "OrderedDict"): _Name(_ordered_dict),
    ("_codecs", "encode"): _Name(_encode),  # bytes in protocols before 3
    ("__builtin__", "bytes"): _Name(_no_bytes),  # the same, of none
    ("numpy", "ndarray"): _Name(),
    ("numpy", "dtype"): _Name(_dtype),
    ("numpy.core.multiarray", "_reconstruct"): _Name(_empty_array),
    ("numpy._core.multiarray", "_reconstruct"): _Name(_empty_array),
    ("numpy.core.multiarray", "scalar"): _Name(_scalar),
    ("numpy._core.multiarray", "scalar"): _Name(_scalar),
    ("numpy.core.numeric", "_frombuffer"): _Name(_array),  # protocol 5
    ("numpy._core.numeric", "_frombuffer"): _Name(_array),
    ("torch._utils", "_rebuild_tensor"): _Name(_tensor),  # PyTorch before 0.4
    ("torch._utils", "_rebuild_tensor_v2"): _Name(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Name(_parameter),
    **{("torch", name): _Name(dtype=dtype) for name, dtype in STORAGES.items()},
}


def read_pickle(
    file: IO[bytes] | mmap.mmap,
    budget: Budget,
    find_storage: Callable[[str, str, int], Storage] | None = None,
) -> Any:
    """The value of the pickle at the file's position, which moves to its end.

    Args:
        file: What has `read` and `readline`.
        budget: Pays for the arrays.
        find_storage: Gives the storage of a dtype, key and count that a tensor of PyTorch names.

    Returns:
        Dictionaries, lists, tuples, strings, bytes and numbers, with `Array` and `Tensor` in them.

    Raises:
        ValueError: It names anything that is not in `ALLOWED`, or is malformed. Malformed pickles
            raise other exceptions too, which `read_checkpoint` turns into ValueError.

    >>> import io, pickle
    >>> read_pickle(io.BytesIO(pickle.dumps({"epoch": 3})), Budget(0))
    {'epoch': 3}
    >>> read_pickle(io.BytesIO(pickle.dumps(print)), Budget(0))
    Traceback (most recent call last):
    ValueError: a pickle that asks for 'builtins.print', ... Nothing of it was executed.
    """
    return _Machine(budget, find_storage).run(file)


@dataclass
class _Machine:
    budget: Budget
    find_storage: Callable[[str, str, int], Storage] | None
    stack: list[Any] = field(default_factory=list)
    marked: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, file: IO[bytes] | mmap.mmap) -> Any:
        instructions = pickletools.genops(file)  # type: ignore[arg-type]
        for count, (opcode, argument, _) in enumerate(instructions):
            if opcode.name == "STOP":
                return self.stack.pop()
            if count == MOST_INSTRUCTIONS:
                raise ValueError(f"a pickle of more than {MOST_INSTRUCTIONS} instructions.")
            self.step(opcode.name, argument)
        raise ValueError("a pickle without end.")

    def step(self, instruction: str, argument: Any) -> None:
        stack = self.stack
        match instruction:
            case "PROTO" | "FRAME":
                pass
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(instruction == "NEWTRUE")
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "MARK":
                self.marked.append(stack)
                self.stack = []
            case "DICT":
                self.push(self.fill({}, self.pop_marked()))
            case "LIST":
                self.push(self.pop_marked())
            case "TUPLE":
                self.push(tuple(self.pop_marked()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(instruction[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                item = stack.pop()
                self.top(list).append(item)
            case "APPENDS":
                items = self.pop_marked()
                self.top(list).extend(items)
            case "SETITEM":
                items = [stack.pop(), stack.pop()][::-1]
                self.fill(self.top(dict), items)
            case "SETITEMS":
                items = self.pop_marked()
                self.fill(self.top(dict), items)
            case "POP":
                stack.pop()
            case "POP_MARK":
                self.pop_marked()
            case "DUP":
                stack.append(stack[-1])
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                stack.append(_look_up(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_look_up(module, name))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(self.make(function, arguments))
            case "BUILD":
                state = stack.pop()
                self.build(stack[-1], state)
            case "BINPERSID":
                stack.append(self.storage(stack.pop()))
            case _ if instruction in CONSTANTS:
                stack.append(argument)
            case _:
                raise ValueError(f"a pickle with the instruction {instruction}, not of arrays.")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop_marked(self) -> list[Any]:
        """All since the last mark."""
        items, self.stack = self.stack, self.marked.pop()
        return items

    def top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise ValueError(f"a pickle that fills a {type(self.stack[-1]).__name__}.")
        return self.stack[-1]

    def fill(self, target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
        target.update(_pair(item) for item in zip(items[::2], items[1::2], strict=True))
        return target

    def make(self, function: Any, arguments: Any) -> Any:
        if not (isinstance(function, _Name) and function.make and isinstance(arguments, tuple)):
            raise ValueError(f"a pickle that calls a {type(function).__name__}.")
        return function.make(self.budget, *arguments)

    def build(self, target: Any, state: Any) -> None:
        """Completes what was made empty."""
        match target:
            case Array(value=None):
                shape, dtype, fortran, data = state[-4:]
                made = _array(self.budget, data, dtype, shape, "F" if fortran else "C")
                target.value = made.value
            case _Dtype():
                target.order = state[1]
            case dict():
                pass  # attributes of an ordered dictionary, such as versions of modules
            case _:
                raise ValueError(f"a pickle that changes a {type(target).__name__}.")

    def storage(self, identity: Any) -> Storage:
        if self.find_storage is None:
            raise ValueError("tensors of PyTorch without their storages.")
        kind, name, key, _, count, *view = identity
        known = isinstance(name, _Name) and name.dtype and type(key) is str
        if kind != "storage" or not known or view not in ([], [None]):
            raise ValueError("storages of a kind that is not read.")
        checked_size([count])
        return self.find_storage(name.dtype, key, count)


def _look_up(module: Any, name: Any) -> _Name:
    found = ALLOWED.get((module, name)) if type(module) is type(name) is str else None
    if found is None:
        raise ValueError(
            f"a pickle that asks for {f'{module}.{name}'!r:.80}, which no file of arrays needs. "
            "Nothing of it was executed."
        )
    return found
