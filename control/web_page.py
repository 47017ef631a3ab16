#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""web_page.py - makes C of the page: web_page.py web_page.html web_page.c

The policy names the one script and the one style by their digests, so a browser runs nothing else.
"""
import base64
import hashlib
import re
import sys


def digest(page, tag):
    texts = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
    assert len(texts) == 1 and not re.search(rf"<{tag} ", page), f"one <{tag}>, without attributes"
    return base64.b64encode(hashlib.sha256(texts[0].encode()).digest()).decode()


def main(source, target):
    with open(source, encoding="utf-8", newline="") as file:
        page = file.read()
    policy = ("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
              "connect-src 'self'; img-src data:; "
              f"script-src 'sha256-{digest(page, 'script')}'; "
              f"style-src 'sha256-{digest(page, 'style')}'")
    data = page.encode()
    lines = [",".join(map(str, data[i:i + 32])) for i in range(0, len(data), 32)]
    with open(target, "w", encoding="ascii") as file:
        file.write('#include "control/web_page.h"\n\n'
                   f'const char ctl_web_page_policy[] = "{policy}";\n'
                   f"const size_t ctl_web_page_size = {len(data)};\n"
                   "const uint8_t ctl_web_page[] = {" + ",\n".join(lines) + "};\n")


main(*sys.argv[1:])
