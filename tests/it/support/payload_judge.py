"""Judges payloads for Slack: one JSON object a line on stdin, {"name": …, "payload": …}.

First slack_sdk's own models (their types, lengths and counts), then what they leave out: nested limits, the 50 blocks,
empty texts, URLs of buttons. Prints each complaint, and the number of payloads judged; exits with 1 after a complaint.
"""

import json
import sys

from slack_sdk.models.attachments import BlockAttachment
from slack_sdk.models.blocks import Block

TEXT_LIMITS = {"section": 3000, "header": 150, "context": 3000}


def units(text):
    return max(len(text), len(text.encode("utf-16-le")) // 2)


def texts(block):
    """Every text object below a block, with the limit of its place."""
    kind = block["type"]
    if "text" in block and isinstance(block["text"], dict):
        yield block["text"], TEXT_LIMITS.get(kind, 3000)
    for field in block.get("fields", []):
        yield field, 2000
    for element in block.get("elements", []):
        if element["type"] in ("mrkdwn", "plain_text"):
            yield element, 3000
        elif element["type"] == "button":
            yield element["text"], 75
        elif element["type"] == "rich_text_preformatted":
            for text in element["elements"]:
                yield text, 9000


def judge_blocks(blocks, most):
    if not 1 <= len(blocks) <= most:
        yield f"{len(blocks)} blocks"
    for block in blocks:
        model = Block.parse(block)
        if model is None:
            yield f"unknown block: {block}"
            continue
        model.validate_json()
        again = json.loads(json.dumps(model.to_dict()))
        if again != block:
            yield f"the model reads it as something else: {again} for {block}"
        for text, limit in texts(block):
            if not 1 <= units(text["text"]) <= limit:
                yield f"text of {units(text['text'])} where {limit} is the most: {block['type']}"
        for element in block.get("elements", []):
            if "url" in element and not (element["url"].startswith("http") and len(element["url"]) <= 3000):
                yield f"bad URL: {element['url']}"


def judge(payload, most):
    if not 1 <= units(payload["text"]) <= most:
        yield f"text of {units(payload['text'])}"
    blocks = payload.get("blocks", [])
    yield from judge_blocks(blocks, 50)
    everything = list(blocks)
    for attachment in payload.get("attachments", []):
        if sorted(attachment) != ["blocks", "color", "fallback"]:
            yield f"an attachment with blocks takes only color, fallback and blocks: {sorted(attachment)}"
        yield from judge_blocks(attachment["blocks"], 20)
        everything += attachment["blocks"]
        BlockAttachment(
            blocks=Block.parse_all(attachment["blocks"]), color=attachment["color"], fallback=attachment["fallback"]
        ).validate_json()
    total = sum(units(text["text"]) for block in everything for text, _ in texts(block))
    if total >= 9000:
        yield f"all blocks together have {total} characters"


def main():
    judged, complaints = 0, 0
    for line in sys.stdin:
        case = json.loads(line)
        judged += 1
        try:
            for complaint in judge(case["payload"], case.get("most", 4000)):
                complaints += 1
                print(f"{case['name']}: {complaint}"[:600])
        except Exception as error:  # slack_sdk raises its own kinds
            complaints += 1
            print(f"{case['name']}: {type(error).__name__}: {error}"[:600])
    print(f"judged {judged}")
    return 1 if complaints else 0


sys.exit(main())
