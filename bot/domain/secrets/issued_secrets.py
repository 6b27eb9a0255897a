"""Secrets that say themselves what they are: keys in their armour, tokens by their prefix.

The prefixes follow what issuers say of their tokens (GitHub, GitLab, Slack, Stripe, the clouds,
Vault, …: so that leaks are found).
"""

from __future__ import annotations

from bot.domain.secrets.secret_values import Shape, is_loud, is_mixed, is_opaque, is_random

_B = r"(?:\b|_)"  # where a token begins
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
KEYS = (
    Shape(
        "private key",
        r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?"
        r"(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    Shape("private key", r"(?s)Private-Lines: \d+\s+(.*?)(?:Private-MAC|\z)", 1),
    Shape("private key", r"\bAGE-SECRET-KEY-1[0-9A-Z]{40,}"),
    Shape("wallet key", r"\b[xyzt]prv[1-9A-HJ-NP-Za-km-z]{90,}"),
    Shape("wallet key", r"\b[5KLc][1-9A-HJ-NP-Za-km-z]{50,51}\b", 0, is_random),
)
ISSUED = (
    Shape(
        "slack webhook",
        r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/([A-Za-z0-9/]{20,})",
        1,
    ),
    Shape("slack token", r"\bx(?:ox[abeoprs]|app)[.\-][A-Za-z0-9.\-]{8,}"),
    Shape("github token", _B + r"(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    Shape(
        "gitlab token",
        r"\b(?:gl(?:pat|rtr?|dt|cbt|p?tt|ft|f?imt|agent|soat|oas|ffct|wt)-[A-Za-z0-9_.\-]{16,}"
        r"|GR1348941[A-Za-z0-9_\-]{20,})",
        0,
        is_opaque,
    ),
    Shape("aws key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b"),
    Shape("google key", r"\b(?:AIza[0-9A-Za-z_\-]{30,}|ya29\.[0-9A-Za-z_\-.]{20,})"),
    Shape("google key", r"\b(?:GOCSPX-[0-9A-Za-z_\-]{20,}|1//0[0-9A-Za-z_\-]{30,})"),
    Shape("azure key", r"[A-Za-z0-9_~.\-]{3}[0-9]Q~[A-Za-z0-9_~.\-]{31,}"),
    Shape("cloud key", r"\bAQVN[A-Za-z0-9_\-]{34,38}"),
    Shape("cloud key", r"\b(?:LTAI[A-Za-z0-9]{12,24}|AKID[A-Za-z0-9]{28,40})\b"),
    Shape("vault token", r"\bhv[sbr]\.[A-Za-z0-9_\-]{20,}"),
    Shape("stripe key", r"\b(?:[srp]k_(?:live|test)_|whsec_)[A-Za-z0-9]{16,}"),
    Shape("api key", r"\bsk-[A-Za-z0-9_\-]{16,}", 0, is_opaque),
    Shape("registry token", r"\b(?:npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_\-]{40,})"),
    Shape("registry token", r"\b(?:dckr_[a-z]{3}_[A-Za-z0-9_\-]{20,}|rubygems_[0-9a-f]{40,})"),
    Shape(
        "registry token", r"\b(?:oy2[a-z0-9]{43}|AKCp[A-Za-z0-9]{60,}|cmVmdGtuO[A-Za-z0-9]{50,})"
    ),
    Shape("mail key", r"\bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{30,}"),
    Shape("mail key", r"\b(?:key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}|xkeysib-[0-9a-f]{40,}-\w+)\b"),
    Shape("twilio key", r"\bSK[0-9a-f]{32}\b"),
    Shape("telegram token", r"\d{8,10}:AA[A-Za-z0-9_\-]{30,}"),
    Shape("discord token", r"\b[MNO][A-Za-z0-9]{22,26}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,}"),
    Shape("discord webhook", r"discord(?:app)?\.com/api/webhooks/\d+/([A-Za-z0-9_\-]{40,})", 1),
    Shape("teams webhook", r"webhook\.office\.com/webhookb?2?/([^\s\"']{40,})", 1),
    Shape("shop token", r"\b(?:shp[a-z]{2}_[0-9a-f]{32}|sq0[a-z]{3}-[A-Za-z0-9_\-]{20,})"),
    Shape("digitalocean token", r"\bdo[opr]_v1_[0-9a-f]{40,}"),
    Shape("monitoring key", r"\b(?:NR[A-Z]{2}-[A-Za-z0-9]{20,}|gl(?:sa|c)_[A-Za-z0-9+/_=]{20,})"),
    Shape(
        "monitoring key",
        r"\b(?:sntr[yu]s?_[A-Za-z0-9+/=_]{30,}|dt0c01\.[A-Z0-9]{20,}\.[A-Z0-9]{50,})",
    ),
    Shape("model hub token", r"\bhf_[A-Za-z0-9]{30,}"),
    Shape("databricks token", r"\bdapi[0-9a-f]{32}"),
    Shape("atlassian token", r"\bAT(?:ATT|CTT|SCT)3[A-Za-z0-9_\-=]{40,}"),
    Shape(
        "app token", r"\b(?:lin_api_[A-Za-z0-9]{30,}|ntn_[A-Za-z0-9]{30,}|figd_[A-Za-z0-9_\-]{30,})"
    ),
    Shape("app token", r"\b(?:PMAK-[0-9a-f]{20,}-[0-9a-f]{30,}|EAAA[A-Za-z0-9_\-]{50,})"),
    Shape("deploy token", r"\b(?:pul-[0-9a-f]{40}|pscale_[a-z]+_[A-Za-z0-9_\-.]{30,})"),
    Shape("deploy token", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_\-=]{50,}"),
    Shape(
        "deploy token", r"\b(?:dp\.[a-z]{2,5}\.[A-Za-z0-9]{38,}|FlyV1 fm\d_[A-Za-z0-9+/=,]{40,})"
    ),
    Shape(
        "build token", rf"{_B}(?:sq[pua]_[0-9a-f]{{40}}|bk[a-z]{{2}}_[0-9a-f]{{40}}|sgp_\w{{40,}})"
    ),
    Shape("registry token", r"\b(?:cio[A-Za-z0-9]{32}|CLOJARS_[0-9a-f]{60})\b", 0, is_mixed),
    Shape(
        "app token", r"\b(?:pat[A-Za-z0-9]{14}\.[0-9a-f]{64}|rdme_[a-z0-9]{70}|p8e-[a-z0-9]{32})\b"
    ),
    Shape("app token", r"\b(?:shippo|duffel)_(?:live|test)_[A-Za-z0-9_\-]{40,}"),
    Shape("app token", rf"\b(?:sdk|mob|access-(?:sandbox|development|production))-{UUID}\b"),
    Shape("app token", r"\b(?:EZ[AT]K[A-Za-z0-9]{54}|FLWSECK(?:_TEST)?-[0-9a-z]{12,})\b"),
    Shape(
        "deploy token",
        r"\b(?:API-[A-Z0-9]{26}|sbp_[0-9a-f]{40}|v1\.0-[0-9a-f]{24}-[0-9a-f]{100,})\b",
    ),
    Shape("vault token", r"\bs\.[A-Za-z0-9]{24}\b", 0, is_loud),
    Shape(
        "webhook",
        r"(?:open\.(?:feishu|larksuite)\.(?:cn|com)/open-apis/bot/(?:v2/)?hook/"
        r"|qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key=|hooks\.zapier\.com/hooks/catch/\d+/"
        r"|events\.pagerduty\.com/integration/|outlook\.office\.com/webhook/)([A-Za-z0-9\-@/]{7,})",
        1,
    ),
    Shape(  # the beginning of one, where a line was shortened: how much is left, nobody knows
        "token",
        rf"{_B}((?:gh[pousr]_|github_pat_|gl(?:pat|dt|rt)-|x(?:ox[abeoprs]|app)-|A[KS]IA|AIza|ya29\."
        r"|GOCSPX-|hv[sbr]\.|[srp]k_(?:live|test)_|whsec_|sk-|npm_|pypi-|dckr_|SG\.|eyJ|hf_|dapi"
        r"|ATATT3|lin_api_|figd_|do[opr]_v1_|shp[a-z]{2}_)[A-Za-z0-9_\-.]{4,})…",
        1,
        is_opaque,
    ),
    Shape("jwt", r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?"),
)
