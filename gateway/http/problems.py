"""What went wrong, as the interface says it: problem details (RFC 9457), in both languages.

What the registry refuses has the number and the texts of its status; the rest is of `Fault`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from gateway.language import speaker_of
from registry.rules.decision import Decision
from registry.rules.status import Status

MEDIA_TYPE: Final = "application/problem+json"
DETAIL_MAX: Final = 1_000  # characters: what was given is quoted, and strangers give it
_CONFLICT: Final = 409

# HTTP status of what the registry refuses; what is not here is a conflict with what it holds.
_HTTP: Final[Mapping[Status, int]] = {
    Status.NOT_FOUND: 404,
    Status.CHANGED_SINCE: 412,
    Status.ROLE_MAY_NOT: 403,
    Status.OWNER_NOT_YOURS: 403,
    Status.OWNER_UNKNOWN: 422,
    Status.LOCATION_NOT_IN_FORCE: 422,
    Status.BAD_VALUE: 422,
    Status.BAD_RANGE: 422,
    Status.KEY_REUSED: 422,  # draft-ietf-httpapi-idempotency-key-header-07 section 2.7
    Status.RECORD_TOO_LARGE: 422,
}


class Reason(Enum):
    """Why a call is not answered as asked for: HTTP status, reason in Chinese and in English."""

    def __init__(self, http: int, zh: str, en: str) -> None:
        self.http = http
        self.zh = zh
        self.en = en

    @property
    def word(self) -> str:
        """As the type of a problem has it."""
        return self.name.lower().replace("_", "-")


class Fault(Reason):
    """What is wrong with a call itself."""

    MALFORMED = (400, "请求格式有误", "the request is not well-formed")
    UNAUTHENTICATED = (401, "未认证", "no token that holds was presented")
    FORBIDDEN = (403, "超出令牌范围", "the token does not reach so far")
    NO_SUCH_PATH = (404, "无此路径", "there is nothing at this path")
    METHOD = (405, "不支持此方法", "this method is not taken here")
    TOO_SLOW = (408, "请求未在时限内送达", "the request did not come in time")
    LENGTH = (413, "请求过大", "the request is too large")
    MEDIA = (415, "仅接受 JSON", "only JSON is taken here")
    VALUE = (422, "取值不合规", "a value is not as it must be")
    TOO_MANY = (429, "请求过于频繁", "asked too often, or for too much at a time")
    BROKEN = (500, "内部错误", "something went wrong here")
    UNAVAILABLE = (503, "暂不可用", "this cannot be done now")


class Problem(Exception):
    """A call that is not answered as asked for.

    Attributes:
        http: its HTTP status.
        body: its members.
        headers: further ones, such as when to ask again.
    """

    def __init__(
        self, fault: Reason, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.http = fault.http
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {
            "type": f"urn:csid:problem:{fault.word}",
            "title": fault.en,
            "title_zh": fault.zh,
            "status": fault.http,
            "detail": detail[:DETAIL_MAX],
        }

    @classmethod
    def of(cls, decision: Decision) -> Problem:
        """What a refusal of the registry is."""
        made = cls(Fault.VALUE, decision.detail)
        made.body = refusal(decision)
        made.http = http_status(decision.status)
        return made

    def in_language(self, language: str) -> Problem:
        """The same with its detail in a language, of which there are `zh` and `en`."""
        if language == "zh":
            self.body["detail"] = speaker_of(language).say(self.body["detail"])
            self.headers["Content-Language"] = language
        return self


def http_status(status: Status) -> int:
    """The HTTP status of what the registry said."""
    return 200 if status.success else _HTTP.get(status, _CONFLICT)


def refusal(decision: Decision) -> dict[str, Any]:
    """The problem that a refusal of the registry is."""
    status = decision.status
    return {
        "type": f"urn:csid:status:{status.number}",
        "title": status.en,
        "title_zh": status.zh,
        "status": http_status(status),
        "detail": decision.detail[:DETAIL_MAX],
        "code": status.number,
        "name": status.name,
        "epp": status.epp,
        "subject": decision.subject,
    }
