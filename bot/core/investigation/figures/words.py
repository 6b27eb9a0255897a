"""The words by which a figure is understood, English and Chinese: no service, no metric name.

ValueRole      which of a thing's values a figure is: now, usual, highest, lowest, mean, limit
topics    what it is a value of: latency, errors, memory …
"""

from __future__ import annotations

from enum import StrEnum

import re2

from foundation.encodings import writable


class ValueRole(StrEnum):
    """Which of the values of one quantity."""

    NOW = "now"
    USUAL = "usual"  # median, expected, baseline, before
    HIGH = "high"
    LOW = "low"
    MEAN = "mean"
    LIMIT = "limit"


_ROLES: dict[ValueRole, str] = {
    ValueRole.NOW: (
        r"now|currently|current|latest|newest|observed|at present|目前|现在|当前|最新|现为"
    ),
    ValueRole.USUAL: (
        r"usual|usually|typical|typically|normal|normally|expected|expect|should be|baseline|median"
        r"|hour before|before that|before the|previous|previously|beforehand|earlier|prior"
        r"|通常|平时|正常|预期|基线|中位数?|之前|此前|原来|以往"
    ),
    ValueRole.HIGH: (
        r"max|maximum|peak|peaks|peaked|peaking|highest|topped|spiked|worst|slowest|longest|largest"
        r"|up to|最高|峰值|最大|最慢|顶峰|高达"
    ),
    ValueRole.LOW: (
        r"min|minimum|lowest|least|bottomed|fastest|shortest|smallest|trough|最低|最小|最快|谷值"
    ),
    ValueRole.MEAN: r"mean|avg|average|averages|averaged|averaging|平均|均值",
    ValueRole.LIMIT: (
        r"limit|limits|threshold|quota|ceiling|maximum allowed|capacity|slo|allowed|configured"
        r"|allocatable|阈值|上限|限额|限制|配额|门限"
    ),
}
_TOPICS: dict[str, str] = {
    "latency": (
        r"latency|latencies|p\d\d\d?|slow|slower|slowest|response times?|duration|ms_bucket|took"
        r"|percentile|quantile|round trip|延迟|时延|耗时|响应时间|响应|分位"
    ),
    "errors": (
        r"errors?|fail(?:s|ed|ing|ures?|ure)?|5xx|exceptions?|rejected|refused|错误|失败|异常|报错"
        r"|拒绝"
    ),
    "cpu": r"cpu|cores?|throttl\w*|millicores|处理器|核",
    "memory": r"memory|mem|heap|rss|working set|oom\w*|内存|堆",
    "disk": r"disk|volume|storage|filesystem|inodes?|pvc|space|磁盘|存储|空间",
    "connections": r"connections?|pool|sessions?|in use|idle|连接",
    "restarts": r"restarts?|restarted|crash\w*|backoff|back-off|重启|崩溃",
    "replicas": r"replicas?|ready|available|unavailable|desired|副本|就绪",
    "queue": r"queue\w*|backlog|lag|depth|pending|积压|队列|滞后|堆积|待处理",
    "traffic": r"requests?|traffic|rps|qps|throughput|calls?|queries|请求|流量|吞吐|调用",
    "timeouts": r"time(?:d)?[ -]?outs?|deadline|超时",
    "changes": (
        r"deploy\w*|releases?|released|rollout|rolled|revision|image|version|config change"
        r"|changes?|changed|发布|部署|上线|变更|版本"
    ),
    "cache": r"cache|hit rate|hit ratio|evict\w*|缓存|命中",
    "logs": r"lines?|logged|logs?|templates?|messages?|日志|条日志|行",
    "forecast": r"forecast\w*|predict\w*|will reach|will cross|预测|预计",
    "traces": r"traces?|spans?|链路",
    "gc": r"gc|garbage|垃圾回收",
    "locks": r"locks?|deadlocks?|waiting for lock|锁",
    "certificate": r"certificates?|cert|tls|证书",
    "network": r"packets?|bandwidth|retransmi\w*|dropped|网络|丢包|带宽",
}
UP = (
    r"rose|rises?|risen|rising|grew|grown|grows|growing|climb\w*|jump\w*|increas\w*|went up|spiked"
    r"|surged|up from|soared|doubled|tripled|升至|升到|上升|增至|增加|增长|涨到|上涨|飙升|攀升|提高"
)
DOWN = (
    r"fell|falls?|fallen|falling|drop\w*|decreas\w*|declin\w*|went down|sank|shrank|shrunk"
    r"|down from|halved|recover\w*|降至|降到|下降|减少|跌至|跌到|回落|降低|恢复"
)
ABOVE = (
    r"above|over|beyond|exceed\w*|past|higher than|more than|greater than|slower than|crossed"
    r"|longer than|higher|slower|more|高于|超过|超出|大于|突破|多于"
)
BELOW = (
    r"below|under|beneath|lower than|less than|fewer than|faster than|within|inside|lower|faster"
    r"|less|fewer|低于|小于|少于|未超过|不足"
)


def _words(pattern: str) -> str:
    latin = "|".join(each for each in _split(pattern) if each.isascii())
    others = "|".join(each for each in _split(pattern) if not each.isascii())
    return rf"(?i)\b(?:{latin})\b" + (f"|(?:{others})" if others else "")


def _split(pattern: str) -> list[str]:
    """Split alternatives at the top level alone."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(pattern):
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            parts.append(pattern[start:place])
            start = place + 1
    return [*parts, pattern[start:]]


_ROLE_PATTERNS = {role: re2.compile(_words(pattern)) for role, pattern in _ROLES.items()}
_TOPIC_PATTERNS = {topic: re2.compile(_words(pattern)) for topic, pattern in _TOPICS.items()}
_IS_UP, _IS_DOWN = re2.compile(_words(UP)), re2.compile(_words(DOWN))
_IS_ABOVE, _IS_BELOW = re2.compile(_words(ABOVE)), re2.compile(_words(BELOW))


_CAMEL = re2.compile(r"([a-z])([A-Z])")


def last_role(text: str) -> ValueRole | None:
    """Return the role that is named last in a text."""
    found = [
        (match.end(), role)
        for role, pattern in _ROLE_PATTERNS.items()
        for match in pattern.finditer(writable(text))
    ]
    return max(found)[1] if found else None


def first_role(text: str) -> ValueRole | None:
    """Return the role that is named first in a text."""
    found = [
        (match.start(), role)
        for role, pattern in _ROLE_PATTERNS.items()
        if (match := pattern.search(writable(text)))
    ]
    return min(found)[1] if found else None


def topics_in(text: str) -> frozenset[str]:
    """Return what a text speaks of. Names joined by underscores are read word by word."""
    plain = _CAMEL.sub(r"\1 \2", writable(text)).replace("_", " ")
    return frozenset(t for t, pattern in _TOPIC_PATTERNS.items() if pattern.search(plain))


def direction(text: str) -> int:
    """Return +1 where a text says that something rose, -1 where it fell, else 0."""
    return _sign(text, _IS_UP, _IS_DOWN)


def comparison(text: str) -> int:
    """Return +1 where a text says that something is above another, -1 where below, else 0."""
    return _sign(text, _IS_ABOVE, _IS_BELOW)


def _sign(text: str, more: re2._Regexp[str], less: re2._Regexp[str]) -> int:
    readable = writable(text)
    return int(bool(more.search(readable))) - int(bool(less.search(readable)))
