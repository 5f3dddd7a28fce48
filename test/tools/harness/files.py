"""Files that a tool made, without what is different each time: ids, times, and checksums over them."""

import base64
import re

CRC, TIMESTAMPS = slice(17, 21), slice(27, 43)
# Type, length, offset and so on of the record that opens a snapshot; its value ends in the time of the log's last record.
SNAPSHOT_HEADER_KEY = bytes([0, 0, 0, 3])
SNAPSHOT_HEADER_VALUE_LENGTH = 11


def masked_batches(content, ids):
    content = bytearray(content)
    position = 0
    while position + 61 <= len(content):
        size = 12 + int.from_bytes(content[position + 8 : position + 12], "big")
        batch = memoryview(content)[position : position + size]
        batch[CRC] = bytes(4)
        batch[TIMESTAMPS] = bytes(16)
        position += size
    header = content.find(SNAPSHOT_HEADER_KEY, 61)
    if 0 < header < 80:
        value = header + len(SNAPSHOT_HEADER_KEY) + 1
        content[value + 2 : value + 2 + 8] = bytes(8)
    for known in ids:
        content = content.replace(known, b"DIRECTORY-ID-16b")
    return content.hex()


def listing(folder):
    """One line per file and line of text, or per file and its bytes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".properties" or path.name == "meta.properties")
    properties = [path.read_text() for path in paths if path.name == "meta.properties"]
    ids = [base64.urlsafe_b64decode(match + "==") for text in properties for match in re.findall(r"directory.id=(\S+)", text)]
    lines = []
    for path in paths:
        name = path.relative_to(folder)
        if path.name == "meta.properties":
            text = re.sub(r"directory.id=\S+", "directory.id=ID", path.read_text())
            text = re.sub(r"^#\w.*$", "#DATE", text, flags=re.M)
            lines += [f"{name}: {line}" for line in text.split("\n")]
        else:
            lines.append(f"{name}: {masked_batches(path.read_bytes(), ids)}")
    return lines
