"""What can be wrong with a question, in Prometheus's own three words.

BadData     the request or the expression does not parse   HTTP 400
Execution   it parses, but cannot be evaluated             HTTP 422
TimedOut    it took too long                               HTTP 503
"""


class QueryError(Exception):
    """Base of everything the API answers with `status: error`."""

    error_type = "internal"
    http_status = 500


class BadDataError(QueryError):
    """The request is malformed."""

    error_type = "bad_data"
    http_status = 400


class ExecutionError(QueryError):
    """The expression cannot be evaluated."""

    error_type = "execution"
    http_status = 422


class TimedOutError(QueryError):
    """Evaluation exceeded the caller's timeout."""

    error_type = "timeout"
    http_status = 503
