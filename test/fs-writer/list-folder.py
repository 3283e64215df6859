"""Tells what a folder holds as JSON, path to facts, with what Node cannot see: extended attributes."""

import hashlib
import json
import os
import stat
import sys


def facts(path):
    found = os.lstat(path)
    kind = stat.S_IFMT(found.st_mode)
    told = {
        "mode": found.st_mode,
        "owner": f"{found.st_uid}:{found.st_gid}",
        "mtimeSec": int(found.st_mtime),
        "links": found.st_nlink,
        "xattrs": {name: os.getxattr(path, name, follow_symlinks=False).hex()
                   for name in sorted(os.listxattr(path, follow_symlinks=False))},
    }
    if kind == stat.S_IFLNK:
        told["data"] = os.readlink(path)
    elif kind == stat.S_IFREG:
        with open(path, "rb") as file:
            told["data"] = f"{found.st_size} {hashlib.file_digest(file, 'sha256').hexdigest()}"
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        told["data"] = f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
    return told


root = os.fsencode(sys.argv[1]).decode()
listed = {"/": facts(root)}
for folder, directories, files in os.walk(root):
    for name in directories + files:
        path = os.path.join(folder, name)
        listed[path[len(root):]] = facts(path)
json.dump(listed, sys.stdout)
