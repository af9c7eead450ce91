"""Which resources and drivers are accelerators, and what a node's labels say of their model."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from gateway.systems.aggregation.adapters import models
from gateway.systems.aggregation.adapters.bodies import text
from gateway.systems.aggregation.adapters.kubernetes.quantities import quantity
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
_REPLICAS: Final = "nvidia.com/gpu.replicas"  # how many share a card
_SAYS_NO_MODEL: Final = re.compile(
    r"gpu(\.shared)?|npu|mlu|dcu|gcu|xpu|i915|xe|va|tpu|neuron|qaic", re.I
)


def is_card(resource: str, said: Collection[str]) -> bool:
    """Is one of this extended resource a card? Those that were said to be, else those known."""
    return resource in said if said else _CARDS.fullmatch(resource) is not None


def is_driver(driver: str, said: Collection[str]) -> bool:
    """Does this driver of DRA drive accelerators?"""
    return driver in said if said else _DRIVERS.fullmatch(driver) is not None


def model(resource: str, labels: Mapping[str, str]) -> str:
    """The model of a node's cards: what its labels say, else what the resource's name does."""
    for label in _MODELS:
        whole, _, part = labels.get(label, "").removesuffix("-SHARED").partition(_PARTITION)
        found = models.model(whole)
        if found and found.casefold() not in ("true", "present"):
            return text(f"{found} MIG {part}" if part else found, 60)
    name = resource.rpartition("/")[2]
    return "" if _SAYS_NO_MODEL.fullmatch(name) else text(name, 60)


def memory_gib(labels: Mapping[str, str]) -> float:
    """Memory of one of a node's cards; 0 where no label says it."""
    for label in _MIB:
        if (said := labels.get(label, "")).isdecimal():
            product = labels.get(_MODELS[0], "")
            whole = product if _PARTITION not in product else ""
            return models.memory_gib(whole.replace("-", " "), int(said[:12]))
    for label in _WITH_UNIT:
        try:
            return round(quantity(labels.get(label, "").removesuffix("i") + "i") / 2**30, 1)
        except ReadingError:
            continue
    return 0


def replicas(labels: Mapping[str, str]) -> int:
    """How many of its resource share one card."""
    said = labels.get(_REPLICAS, "")
    return max(1, int(said)) if said.isascii() and said.isdecimal() and len(said) < 5 else 1
