"""Why a call of a gateway is not answered as asked for; `Problem` says so (RFC 9457)."""

from __future__ import annotations

from gateway.http.problems import Problem, Reason


class Fault(Reason):
    """What is wrong: HTTP status, reason in Chinese, reason in English."""

    MALFORMED = (400, "请求格式有误", "the request is not well-formed")
    IDENTIFIER = (400, "标识不合规", "this is no identifier")
    FORBIDDEN = (403, "不在服务范围", "whoever asks from there is not answered")
    NOT_ASSIGNED = (404, "标识不存在", "there is no such identifier")
    NO_SUCH_PATH = (404, "无此路径", "there is nothing at this path")
    METHOD = (405, "不支持此方法", "this method is not taken here")
    TOO_SLOW = (408, "请求未在时限内送达", "the request did not come in time")
    LENGTH = (413, "请求过大", "the request is too large")
    MEDIA = (415, "不支持此媒体类型", "this media type is not taken here")
    BROKEN = (500, "内部错误", "something went wrong here")
    RECORD = (502, "权威应答无效", "what the authority says is not valid")
    UNAVAILABLE = (503, "暂时无法解析", "nobody can say at this time")


def unavailable(detail: str, seconds: int = 1) -> Problem:
    """That something cannot be done now, and when to ask again."""
    return Problem(Fault.UNAVAILABLE, detail, {"Retry-After": str(seconds)})
