import { type HeaderKind, headerRules, SEALED_KEY_FIELD } from "./header-rules.ts";

/**
 * The awk program that reads a header's metadata as `cryptsetup luksDump --dump-json-metadata` prints it and fails, saying
 * why, where a field is not in the rules, is there twice, has another value, or is missing. cryptsetup prints a field a line,
 * with line ends and quotes in values escaped: what is not such a line is a fault.
 */
export function formatHeaderCheck(kind: HeaderKind): string {
  const rules = headerRules(kind).map(([path, pattern]) => `    rule["${path}"] = ${quote(`^(${pattern})$`)}\n`);
  return PROGRAM.replace("    RULES\n", () => rules.join(""));
}

/** A string of awk. */
function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&")}"`;
}

const PROGRAM = String.raw`# What the metadata of a LUKS header may hold; run by busybox. Written by cvm-build.
BEGIN {
    RULES
}

function fault(text) {
    print text
    failed = 1
    exit 1
}

# The octet at a place of what base64 stands for.
function octet(text, at,    first, second) {
    first = index(ALPHABET, substr(text, int(at / 3) * 4 + at % 3 + 1, 1)) - 1
    second = index(ALPHABET, substr(text, int(at / 3) * 4 + at % 3 + 2, 1)) - 1
    if (at % 3 == 0) return first * 4 + int(second / 16)
    if (at % 3 == 1) return first % 16 * 16 + int(second / 4)
    return first % 4 * 64 + second
}

function size(text, at) {
    return octet(text, at) * 256 + octet(text, at + 1)
}

# A private and a public part, each behind its size. A third would be a key that somebody outside has sealed for this TPM.
function is_sealed_here(text,    padding, private) {
    ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    padding = match(text, /=+$/) ? RLENGTH : 0
    private = size(text, 0)
    return length(text) * 3 / 4 - padding == 4 + private + size(text, 2 + private)
}

{
    line = $0
    sub(/^ +/, "", line)
    sub(/,$/, "", line)
    key = members[depth]++
    if (match(line, /^"[A-Za-z0-9_-]+":/)) {
        key = substr(line, 2, RLENGTH - 3)
        line = substr(line, RLENGTH + 1)
    }
    if (line == "{" || line == "[") {
        place[depth + 1] = depth == 0 ? "" : place[depth] key "/"
        members[++depth] = 0
    } else if (line == "}" || line == "]") {
        depth--
    } else if (line == "{}" || line == "[]") {
        next
    } else if (line ~ /^("[A-Za-z0-9+\/=()_.-]*"|[0-9]+|true|false|null)$/) {
        path = place[depth] key
        if (!(path in rule)) fault("it has " path)
        if (path in seen) fault("it has " path " twice")
        if (line !~ rule[path]) fault(path " is " line)
        seen[path] = 1
        if (path == "${SEALED_KEY_FIELD}" && !is_sealed_here(substr(line, 2, length(line) - 2)))
            fault("its key was not sealed in this TPM")
    } else {
        fault("a line that cryptsetup does not print")
    }
}

END {
    if (failed) exit 1
    for (path in rule) if (!(path in seen)) fault("it lacks " path)
}
`;
