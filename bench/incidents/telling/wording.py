"""How programs word what went wrong: client libraries by language, frames by logging library.

Wordings as the public software writes them: Go's net and crypto/x509, the JDK, HikariCP, Spring,
requests and urllib3, SQLAlchemy, Node's errno names, Knex, .NET's HttpClient, Npgsql, Ruby's Net,
ActiveRecord, gRPC in C++; PostgreSQL, MySQL, Redis.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

Words = Mapping[
    str, str
]  # ground -> wording with {host} {callee} {port} {ms} {seconds} {n} {user} {key}

GO: Words = {
    "DNS": "dial tcp: lookup {host} on 10.96.0.10:53: server misbehaving",
    "NETWORK": "dial tcp {address}:{port}: i/o timeout",
    "POLICY": "dial tcp {address}:{port}: i/o timeout",
    "TLS": 'Get "https://{host}:{port}/v1": tls: failed to verify certificate: x509: certificate has expired or '
    "is not yet valid: current time {now} is after {expiry}",
    "LOGIN": 'pq: password authentication failed for user "{user}"',
    "QUOTA": "{callee} answered 429 Too Many Requests",
    "STALE": "replica {callee} is too far behind, read refused",
    "ROUTE": "dial tcp {address}:{port}: connect: connection refused",
    "GONE": "dial tcp {address}:{port}: connect: connection refused ({host})",
    "POOL": "acquire connection to {callee}: context deadline exceeded: all {n} connections in use",
    "FULL": "pq: sorry, too many clients already ({host})",
    "TIMEOUT": 'Get "http://{host}:{port}/v1": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    "BAD": "unexpected status 500 from http://{host}:{port}/v1",
    "BUG": "panic recovered: runtime error: {exception}",
    "TURNED_AWAY": "server overloaded, request rejected: {n} requests waiting",
    "HANDLES": "accept tcp [::]:8080: accept4: too many open files; retrying in 1s",
}
JAVA: Words = {
    "DNS": "java.net.UnknownHostException: {host}: Temporary failure in name resolution",
    "NETWORK": "java.net.SocketTimeoutException: Connect timed out: {host}:{port}",
    "POLICY": "java.net.SocketTimeoutException: Connect timed out: {host}:{port}",
    "TLS": "javax.net.ssl.SSLHandshakeException: PKIX path validation failed: "
    "java.security.cert.CertPathValidatorException: validity check failed for {host}: NotAfter: {expiry}",
    "LOGIN": 'org.postgresql.util.PSQLException: FATAL: password authentication failed for user "{user}"',
    "QUOTA": "org.springframework.web.client.HttpClientErrorException$TooManyRequests: 429 Too Many Requests from {host}",
    "STALE": "StaleReadException: replica {callee} lags behind the primary",
    "ROUTE": "java.net.ConnectException: Connection refused: {host}:{port}",
    "GONE": "java.net.ConnectException: Connection refused: {host}:{port}",
    "POOL": "HikariPool-1 - Connection is not available, request timed out after {ms}ms (total={n}, active={n}, idle=0, waiting=17)",
    "FULL": "org.postgresql.util.PSQLException: FATAL: sorry, too many clients already ({host})",
    "TIMEOUT": "java.net.SocketTimeoutException: Read timed out calling http://{host}:{port}/v1",
    "BAD": "org.springframework.web.client.HttpServerErrorException$InternalServerError: 500 from http://{host}:{port}/v1",
    "BUG": "{exception}",
    "TURNED_AWAY": "java.util.concurrent.RejectedExecutionException: task rejected, queue is full (size = {n})",
    "HANDLES": "java.io.IOException: Too many open files",
}
PYTHON: Words = {
    "DNS": "socket.gaierror: [Errno -3] Temporary failure in name resolution: '{host}'",
    "NETWORK": "requests.exceptions.ConnectTimeout: HTTPConnectionPool(host='{host}', port={port}): Max retries exceeded (connect timeout={seconds})",
    "POLICY": "requests.exceptions.ConnectTimeout: HTTPConnectionPool(host='{host}', port={port}): Max retries exceeded (connect timeout={seconds})",
    "TLS": "requests.exceptions.SSLError: HTTPSConnectionPool(host='{host}', port={port}): [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1007)",
    "LOGIN": 'psycopg2.OperationalError: connection to server at "{host}", port {port} failed: FATAL:  password authentication failed for user "{user}"',
    "QUOTA": "requests.exceptions.HTTPError: 429 Client Error: Too Many Requests for url: https://{host}/v1",
    "STALE": "replica {callee} too far behind primary",
    "ROUTE": "urllib3.exceptions.NewConnectionError: Failed to establish a new connection to {host}: [Errno 111] Connection refused",
    "GONE": "urllib3.exceptions.NewConnectionError: Failed to establish a new connection to {host}:{port}: [Errno 111] Connection refused",
    "POOL": "sqlalchemy.exc.TimeoutError: QueuePool limit of size {n} overflow 0 reached, connection timed out, timeout {seconds}.00",
    "FULL": 'psycopg2.OperationalError: connection to server at "{host}" failed: FATAL:  sorry, too many clients already',
    "TIMEOUT": "requests.exceptions.ReadTimeout: HTTPConnectionPool(host='{host}', port={port}): Read timed out. (read timeout={seconds})",
    "BAD": "requests.exceptions.HTTPError: 500 Server Error: INTERNAL SERVER ERROR for url: http://{host}:{port}/v1",
    "BUG": "{exception}",
    "TURNED_AWAY": "request queue full, dropping request ({n} queued)",
    "HANDLES": "OSError: [Errno 24] Too many open files",
}
NODE: Words = {
    "DNS": "Error: getaddrinfo EAI_AGAIN {host}",
    "NETWORK": "Error: connect ETIMEDOUT {address}:{port}",
    "POLICY": "Error: connect ETIMEDOUT {address}:{port}",
    "TLS": "Error: certificate has expired (CERT_HAS_EXPIRED) connecting to {host}:{port}",
    "LOGIN": 'error: password authentication failed for user "{user}"',
    "QUOTA": "AxiosError: Request failed with status code 429 ({host})",
    "STALE": "replica {callee} lags, refusing stale read",
    "ROUTE": "Error: connect ECONNREFUSED {address}:{port} ({host})",
    "GONE": "Error: connect ECONNREFUSED {address}:{port} ({host})",
    "POOL": "KnexTimeoutError: Knex: Timeout acquiring a connection. The pool is probably full. Are you missing a .transacting(trx) call?",
    "FULL": "error: sorry, too many clients already ({host})",
    "TIMEOUT": "AxiosError: timeout of {ms}ms exceeded (GET http://{host}:{port}/v1)",
    "BAD": "AxiosError: Request failed with status code 500 (GET http://{host}:{port}/v1)",
    "BUG": "{exception}",
    "TURNED_AWAY": "too busy, shedding request, event loop lag {ms}ms",
    "HANDLES": "Error: EMFILE: too many open files, open '/tmp/upload'",
}
DOTNET: Words = {
    "DNS": "System.Net.Http.HttpRequestException: Resource temporarily unavailable ({host}:{port}) ---> SocketException (11)",
    "NETWORK": "System.Net.Http.HttpRequestException: Connection timed out ({host}:{port})",
    "POLICY": "System.Net.Http.HttpRequestException: Connection timed out ({host}:{port})",
    "TLS": "System.Net.Http.HttpRequestException: The SSL connection could not be established ({host}): The remote certificate is invalid because of errors in the certificate chain: NotTimeValid",
    "LOGIN": 'Npgsql.PostgresException (0x80004005): 28P01: password authentication failed for user "{user}"',
    "QUOTA": "Response status code does not indicate success: 429 (Too Many Requests) from {host}.",
    "STALE": "StaleReplicaException: {callee} is behind",
    "ROUTE": "System.Net.Http.HttpRequestException: Connection refused ({host}:{port})",
    "GONE": "System.Net.Http.HttpRequestException: Connection refused ({host}:{port})",
    "POOL": "Npgsql.NpgsqlException (0x80004005): The connection pool has been exhausted, either raise 'Max Pool Size' (currently {n}) or 'Timeout' (currently {seconds} seconds)",
    "FULL": "Npgsql.PostgresException (0x80004005): 53300: sorry, too many clients already",
    "TIMEOUT": "System.Threading.Tasks.TaskCanceledException: The request to http://{host}:{port}/ was canceled due to the configured HttpClient.Timeout of {seconds} seconds elapsing.",
    "BAD": "Response status code does not indicate success: 500 (Internal Server Error) from http://{host}:{port}/.",
    "BUG": "{exception}",
    "TURNED_AWAY": "BadHttpRequestException: server is too busy, {n} requests queued",
    "HANDLES": "System.IO.IOException: Too many open files",
}
CHINESE: Words = {
    ground: {
        "DNS": "解析主机 {host} 失败: ",
        "NETWORK": "连接 {callee} 超时: ",
        "POLICY": "连接 {callee} 超时: ",
        "TLS": "与 {callee} 的 TLS 握手失败: ",
        "LOGIN": "数据库登录失败: ",
        "QUOTA": "{callee} 限流: ",
        "STALE": "只读副本延迟过大: ",
        "ROUTE": "{callee} 拒绝连接: ",
        "GONE": "{callee} 拒绝连接: ",
        "POOL": "获取数据库连接失败: ",
        "FULL": "数据库连接数已满: ",
        "TIMEOUT": "调用 {callee} 超时，耗时 {ms}ms: ",
        "BAD": "调用 {callee} 返回异常: ",
        "BUG": "处理请求异常: ",
        "TURNED_AWAY": "线程池已满，请求被拒绝: ",
        "HANDLES": "打开文件失败: ",
    }[ground]
    + text
    for ground, text in JAVA.items()
}
RUBY: Words = {
    **{k: v for k, v in PYTHON.items() if k in {"STALE", "BUG", "TURNED_AWAY"}},
    "DNS": "SocketError: Failed to open TCP connection to {host}:{port} (getaddrinfo: Temporary failure in name resolution)",
    "NETWORK": "Net::OpenTimeout: Failed to open TCP connection to {host}:{port} (execution expired)",
    "POLICY": "Net::OpenTimeout: Failed to open TCP connection to {host}:{port} (execution expired)",
    "TLS": "OpenSSL::SSL::SSLError: SSL_connect returned=1 errno=0 peeraddr={address}:{port} state=error: certificate verify failed (certificate has expired)",
    "LOGIN": 'PG::ConnectionBad: connection to server at "{host}" failed: FATAL:  password authentication failed for user "{user}"',
    "QUOTA": "Faraday::TooManyRequestsError: the server responded with status 429 ({host})",
    "ROUTE": "Errno::ECONNREFUSED: Failed to open TCP connection to {host}:{port} (Connection refused - connect(2))",
    "GONE": "Errno::ECONNREFUSED: Failed to open TCP connection to {host}:{port} (Connection refused - connect(2))",
    "POOL": "ActiveRecord::ConnectionTimeoutError: could not obtain a connection from the pool within {seconds}.000 seconds; all pooled connections were in use",
    "FULL": "PG::ConnectionBad: FATAL:  sorry, too many clients already",
    "TIMEOUT": "Net::ReadTimeout with #<TCPSocket:(closed)> calling {host}",
    "BAD": "Faraday::ServerError: the server responded with status 500 (http://{host}:{port}/v1)",
    "HANDLES": "Errno::EMFILE: Too many open files",
}
CPP: Words = {
    **{
        k: v
        for k, v in GO.items()
        if k in {"LOGIN", "POOL", "FULL", "STALE", "HANDLES", "TURNED_AWAY"}
    },
    "DNS": "rpc failed: code=14 DNS resolution failed for {host}:{port}: C-ares status is not ARES_SUCCESS",
    "NETWORK": "rpc failed: code=4 Deadline Exceeded; failed to connect to {address}:{port}",
    "POLICY": "rpc failed: code=4 Deadline Exceeded; failed to connect to {address}:{port}",
    "TLS": "rpc failed: code=14 Ssl handshake failed with {host}: certificate verify failed: certificate has expired",
    "QUOTA": "rpc failed: code=8 RESOURCE_EXHAUSTED from {callee}",
    "ROUTE": "rpc failed: code=14 connections to all backends failing; last error: {host}: Connection refused",
    "GONE": "rpc failed: code=14 connections to all backends failing; last error: {host}: Connection refused",
    "TIMEOUT": "rpc failed: code=4 Deadline Exceeded calling {callee} after {ms}ms",
    "BAD": "rpc failed: code=13 INTERNAL from {callee}",
    "BUG": "Check failed: {exception}",
}
QUIET = {  # of a service that works: a line now and then
    "request completed status=200 path=/v1 duration_ms={ms}": 6,
    "served GET /v1 in {ms} ms": 4,
    "refreshed settings, {n} keys": 1,
    "health check ok": 1,
}
CHRONIC = (  # somebody should look into it; nobody has for months
    "deprecated option 'legacy_mode' is set and will be removed",
    "could not send usage report: connection reset by peer",
    "clock skew of {n} ms against peer, ignoring",
    "failed to refresh optional banner, using cached copy",
    "retrying export of spans after transient failure",
    "WARN unused index hint ignored",
    "unable to find any JVMs matching version",
    "ERROR failed to publish audit sample: buffer full, dropped {n} samples",
)

Frame = Callable[[str, datetime, str, str], str]  # level, time, name of the service, message


def _logfmt(level: str, at: datetime, name: str, message: str) -> str:
    return f'time={at:%Y-%m-%dT%H:%M:%S.%f} level={level} app={name} msg="{message.replace(chr(34), chr(39))}"'


def _zap(level: str, at: datetime, name: str, message: str) -> str:
    return json.dumps(
        {"level": level, "ts": round(at.timestamp(), 3), "logger": name, "msg": message}
    )


def _klog(level: str, at: datetime, name: str, message: str) -> str:
    return (
        f"{level[0].upper()}{at:%m%d %H:%M:%S.%f}       1 {name}.go:{len(message) + 40}] {message}"
    )


def _logback(level: str, at: datetime, name: str, message: str) -> str:
    short = name.replace("-", "")
    return f"{at:%Y-%m-%d %H:%M:%S.%f}  {level.upper():>5} 1 --- [nio-8080-exec-7] c.acme.{short}.Handler : {message}"


def _python(level: str, at: datetime, name: str, message: str) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03d} {level.upper()} {name.replace('-', '_')}.views {message}"


def _pino(level: str, at: datetime, name: str, message: str) -> str:
    number = {"info": 30, "warning": 40, "error": 50}[level]
    return json.dumps(
        {
            "level": number,
            "time": int(at.timestamp() * 1000),
            "pid": 1,
            "name": name,
            "msg": message,
        }
    )


def _dotnet(level: str, at: datetime, name: str, message: str) -> str:
    short = {"info": "info", "warning": "warn", "error": "fail"}[level]
    return f"{short}: {name}.Controllers.HomeController[0] {message}"


def _log4j_json(level: str, at: datetime, name: str, message: str) -> str:
    return json.dumps(
        {
            "instant": at.isoformat(),
            "thread": "dw-44",
            "level": level.upper(),
            "loggerName": f"com.acme.{name}",
            "message": message,
        },
        ensure_ascii=False,
    )


def _ruby(level: str, at: datetime, name: str, message: str) -> str:
    return f"{level[0].upper()}, [{at:%Y-%m-%dT%H:%M:%S.%f} #1] {level.upper():>5} -- {name}: {message}"


def _glog(level: str, at: datetime, name: str, message: str) -> str:
    return f"{level[0].upper()}{at:%Y%m%d %H:%M:%S.%f}    17 {name.replace('-', '_')}.cc:212] {message}"


@dataclass(frozen=True, slots=True)
class Tongue:
    """How one sort of program logs."""

    words: Words
    frame: Frame


TONGUES: dict[str, Tongue] = {
    "logfmt": Tongue(GO, _logfmt),
    "zap": Tongue(GO, _zap),
    "klog": Tongue(GO, _klog),
    "logback": Tongue(JAVA, _logback),
    "chinese": Tongue(CHINESE, _logback),
    "python": Tongue(PYTHON, _python),
    "pino": Tongue(NODE, _pino),
    "dotnet": Tongue(DOTNET, _dotnet),
    "log4j_json": Tongue(JAVA, _log4j_json),
    "ruby": Tongue(RUBY, _ruby),
    "glog_cpp": Tongue(CPP, _glog),
}
