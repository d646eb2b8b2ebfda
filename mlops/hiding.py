"""What no message, log line or record may show of another's words: tokens, keys, passwords and signatures."""

from __future__ import annotations

import re

# In a query, in JSON (escaped too), in a connection string, in a header, as an environment variable.
NAMES = (
    r"sig|signature|pwd|(?:access|refresh|id|sas)_?token|client_?secret|client_assertion|"
    r"(?:account|storage|access|primary|secondary|shared_?access|api[-_]?|subscription[-_]?)_?key|"
    r"shared_?access_?signature"
)
START = r"(?:(?<![A-Za-z0-9])|(?<=%26)|(?<=%3F))"  # \b would not be one behind a _
SCHEME = r"(?:(?:Basic|Bearer|SharedKey|SharedKeyLite)\s+)?"
# Never to be taken back (*+): a line may be a megabyte, and who writes it may be no friend.
QUOTED = r"""(?:"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?|(?P<quote>\\+["'])(?:(?!(?P=quote))[^\n])*+)"""
SECRET = re.compile(rf"""(?ix)
    (?:{START}(?:{NAMES})|password|passwd|secret|token)(?:\\*["'])?\s*(?:=|:|%3D)\s*
        (?:{QUOTED}|{SCHEME}[^\s&"',;\\]+)
    | \bcode=[^\s&"',;]+                            # of a login; `code: 403` is none
    | \bAuthorization\\*["']?\s*[=:]\s*\\*["']?(?:[a-z][\w-]*\s+)?[^\s"',;\\]+
    | \bBearer\s+[^\s&"',;]+
    | (?<=://)[^/\s:@]*:[^/\s@]+(?=@)               # of an address: user and password
    | {START}eyJ[\w.-]{{20,}}                        # a JSON web token
    | \b(?:gh[pousr]|github_pat)_\w{{20,}}
    """)


def hidden(text: str) -> str:
    """Return a text without what is secret in it; its lines and spaces stay."""
    return SECRET.sub("[hidden]", text)
