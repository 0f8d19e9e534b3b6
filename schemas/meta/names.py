"""What may be a name. Each check returns what is wrong, in Kubernetes' words; an empty tuple means fine.

Rules and wording: k8s.io/apimachinery/pkg/util/validation. Lengths count bytes of UTF-8.
"""

from __future__ import annotations

import re

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_QUALIFIED_WORDS = ("must consist of alphanumeric characters, '-', '_' or '.', "
                    "and must start and end with an alphanumeric character")
_PORT_NAME_MOST = 15
LABEL_MOST = 63
SUBDOMAIN_MOST = 253


def dns1123_label(name: str) -> tuple[str, ...]:
    """Names of namespaces, containers, volumes: RFC 1123 label."""
    problems = list(_longest(name, LABEL_MOST))
    if not _fits(_LABEL, name):
        if _fits(_SUBDOMAIN, name):
            problems.append("must not contain dots")
        else:
            words = ("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
                     "and must start and end with an alphanumeric character")
            problems.append(_explain(words, _LABEL, "my-name", "123-abc"))
    return tuple(problems)


def dns1123_subdomain(name: str) -> tuple[str, ...]:
    """Names of most objects: RFC 1123 subdomain."""
    problems = list(_longest(name, SUBDOMAIN_MOST))
    if not _fits(_SUBDOMAIN, name):
        words = ("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
                 "and must start and end with an alphanumeric character")
        problems.append(_explain(words, _SUBDOMAIN, "example.com"))
    return tuple(problems)


def dns1035_label(name: str) -> tuple[str, ...]:
    """Names of services: RFC 1035 label."""
    problems = list(_longest(name, LABEL_MOST))
    if not _fits(_LABEL_1035, name):
        words = ("a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
                 "start with an alphabetic character, and end with an alphanumeric character")
        problems.append(_explain(words, _LABEL_1035, "my-name", "abc-123"))
    return tuple(problems)


def qualified_name(name: str) -> tuple[str, ...]:
    """Label and annotation keys, taint keys, resource names: `[prefix/]name`."""
    prefix, slash, short = name.rpartition("/")
    if "/" in prefix:
        words = f"a qualified name {_QUALIFIED_WORDS}"
        return (_explain(words, _QUALIFIED, "MyName", "my.name", "123-abc")
                + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",)
    problems: list[str] = []
    if slash:
        problems += [f"prefix part {p}" for p in (dns1123_subdomain(prefix) if prefix else ("must be non-empty",))]
    if not short:
        problems.append("name part must be non-empty")
    problems += [f"name part {p}" for p in _longest(short, LABEL_MOST)]
    if not _fits(_QUALIFIED, short):
        problems.append("name part " + _explain(_QUALIFIED_WORDS, _QUALIFIED, "MyName", "my.name", "123-abc"))
    return tuple(problems)


label_key = qualified_name


def label_value(value: str) -> tuple[str, ...]:
    """Values of labels (and values in label selectors)."""
    problems = list(_longest(value, LABEL_MOST))
    if not _fits(_LABEL_VALUE, value):
        words = (f"a valid label must be an empty string or {_QUALIFIED_WORDS.removeprefix('must ')}")
        problems.append(_explain(words, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return tuple(problems)


def config_key(key: str) -> tuple[str, ...]:
    """Keys of ConfigMaps and Secrets: they become file names."""
    problems = list(_longest(key, SUBDOMAIN_MOST))
    if not _fits(_CONFIG_KEY, key):
        words = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        problems.append(_explain(words, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if key in {".", ".."}:
        problems.append(f"must not be '{key}'")
    elif key.startswith(".."):
        problems.append("must not start with '..'")
    return tuple(problems)


def env_name(name: str) -> tuple[str, ...]:
    """Names of environment variables (relaxed rule, KEP-4369): printable ASCII without `=`."""
    if name and all(" " <= c <= "~" and c != "=" for c in name):
        return ()
    return ("a valid environment variable name must consist only of printable ASCII characters other than '='",)


def port_name(name: str) -> tuple[str, ...]:
    """Names of container ports (RFC 6335 service names)."""
    problems = list(_longest(name, _PORT_NAME_MOST))
    if not _fits("[-a-z0-9]+", name):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", name):
        problems.append("must contain at least one letter (a-z)")
    if "--" in name:
        problems.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return tuple(problems)


def port_number(port: int) -> tuple[str, ...]:
    """TCP and UDP port numbers."""
    return () if 1 <= port <= 65535 else ("must be between 1 and 65535, inclusive",)


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.ASCII) is not None


def _longest(text: str, most: int) -> tuple[str, ...]:
    return (f"must be no more than {most} bytes",) if len(text.encode()) > most else ()


def _explain(words: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{words} (e.g. {shown}regex used for validation is '{pattern}')"
