"""Which resources and drivers are accelerators, what a node's labels say of their model, and how
many cards they are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from gateway.systems.aggregation.adapters import models
from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.kubernetes.quantities import Amounts, quantity
from gateway.systems.aggregation.readings import ReadingError

# Extended resources that are whole cards, as the plugins of their makers offer them.
_CARDS: Final = re.compile(
    r"nvidia\.com/gpu(\.shared)?|amd\.com/gpu|gpu\.intel\.com/(i915|xe)|habana\.ai/gaudi"
    r"|huawei\.com/(Ascend\w+|npu)|cambricon\.com/mlu\w*|hygon\.com/dcu|iluvatar\.(com|ai)/gpu"
    r"|metax-tech\.com/gpu|mthreads\.com/gpu|enflame\.com/gcu|kunlunxin\.com/xpu|birentech\.com/gpu"
    r"|google\.com/tpu|aws\.amazon\.com/neuron|qualcomm\.com/qaic|vastaitech\.com/va"
)
# Drivers of DRA whose devices are accelerators; others drive NICs, CPUs, memory.
_DRIVERS: Final = re.compile(r"(gpu|npu|tpu|gaudi|mlu|dcu|accelerator)s?\..+")
# Labels that name the model, and those that tell its memory, by what puts them there.
_MODELS: Final = (
    "nvidia.com/gpu.product",
    "amd.com/gpu.product-name",
    "beta.amd.com/gpu.product-name",
    "gpu.intel.com/product",
    "node.kubernetes.io/npu.chip.name",
    "huawei.com/npu.chip.name",
    "cambricon.com/mlu.product",
    "cloud.google.com/gke-accelerator",
    "cloud.google.com/gke-tpu-accelerator",
    "karpenter.k8s.aws/instance-gpu-name",
    "aliyun.accelerator/nvidia_name",
    "accelerator",
)
_MIB: Final = ("nvidia.com/gpu.memory", "karpenter.k8s.aws/instance-gpu-memory")
_WITH_UNIT: Final = ("amd.com/gpu.vram", "beta.amd.com/gpu.vram")
_PARTITION: Final = "-MIG-"  # in a product: what is counted are instances of it
_INSTANCES: Final = "cloud.google.com/gke-gpu-partition-size"  # 1g.5gb: so are they
_MODES: Final = (  # cpx_nps4: what is counted are parts of cards; spx: whole ones
    "amd.com/compute-memory-partition",
    "amd.com/gpu.compute-memory-partition",
    "beta.amd.com/gpu.compute-memory-partition",
)
_WHOLE: Final = "spx"
_REPLICAS: Final = (  # how many share a card, or an instance of one
    "nvidia.com/gpu.replicas",
    "cloud.google.com/gke-max-shared-clients-per-gpu",
)
_SHARED: Final = ".shared"  # ends the name of a resource of shares, where it has one of its own


class Offer(NamedTuple):
    """Cards that a plugin offers as one resource.

    Attributes:
        number: of whole cards, or of parts where the model says so.
        memory_gib: of one; 0 where nobody says.
    """

    resource: str
    model: str
    number: float
    memory_gib: float

    def free(self, taken: float) -> float:
        """How many are free for sure, if so much of the resource is requested: where cards are
        shared, each request may be on one of its own.
        """
        return max(0.0, self.number - taken)


_SAYS_NO_MODEL: Final = re.compile(
    r"gpu(\.shared)?|npu|mlu|dcu|gcu|xpu|i915|xe|va|tpu|neuron|qaic", re.I
)


def is_card(resource: str, said: Collection[str]) -> bool:
    """Is one of this extended resource a card? Those that were said to be, else those known."""
    return resource in said if said else _CARDS.fullmatch(resource) is not None


def is_driver(driver: str, said: Collection[str]) -> bool:
    """Does this driver of DRA drive accelerators?"""
    return driver in said if said else _DRIVERS.fullmatch(driver) is not None


def offers(has: Amounts, labels: Mapping[str, str], said: Collection[str]) -> tuple[Offer, ...]:
    """The cards of a node with these resources and labels."""
    share = _replicas(labels)
    renamed = any(number and name.endswith(_SHARED) for name, number in has.items())
    found = []
    for resource, number in has.items():
        if not number or not is_card(resource, said):
            continue
        is_shared = resource.endswith(_SHARED)
        if is_shared and share == 1:
            continue  # of how many cards it is a share, nobody says
        cards = number // share if is_shared or not renamed else number
        found.append(
            Offer(resource, _model(resource, labels), cards, _memory_gib(resource, labels))
        )
    return tuple(found)


def _model(resource: str, labels: Mapping[str, str]) -> str:
    """The model of a node's cards: what its labels say, else what the resource's name does."""
    for label in _MODELS:
        whole, _, part = labels.get(label, "").removesuffix("-SHARED").partition(_PARTITION)
        found = models.model(whole)
        if found and found.casefold() not in ("true", "present"):
            break
    else:
        name = resource.rpartition("/")[2]
        found, part = "" if _SAYS_NO_MODEL.fullmatch(name) else name, ""
    part = part and f"MIG {part}"
    return text(f"{found} {part or _part(resource, labels)}".strip(), 60)


def _part(resource: str, labels: Mapping[str, str]) -> str:
    """What part of a card one of a resource is, as labels say it; empty if it is a whole one."""
    if resource.startswith("nvidia.com/") and (size := labels.get(_INSTANCES)):
        return f"MIG {size}"
    if resource.startswith("amd.com/"):
        mode = next(filter(None, (labels.get(label) for label in _MODES)), _WHOLE)
        return "" if mode.lower().startswith(_WHOLE) else mode.upper()
    return ""


def _memory_gib(resource: str, labels: Mapping[str, str]) -> float:
    """Memory of one of a node's cards, or parts of them; 0 where no label says it."""
    product = labels.get(_MODELS[0], "")
    if _PARTITION not in product and _part(resource, labels):
        return 0
    for label in _MIB:
        if (said := labels.get(label, "")).isdecimal():
            whole = product if _PARTITION not in product else ""
            return models.memory_gib(whole.replace("-", " "), int(said[:12]))
    for label in _WITH_UNIT:
        if not (said := labels.get(label, "")):
            continue
        try:
            return round(quantity(said.removesuffix("i") + "i") / 2**30, 1)
        except ReadingError:
            continue
    return 0


def _replicas(labels: Mapping[str, str]) -> int:
    """How many of its resource share one card."""
    return max([1, *(_number(labels[label]) for label in _REPLICAS if label in labels)])


def _number(said: str) -> int:
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else 0
