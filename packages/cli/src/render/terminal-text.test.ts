import { describe, expect, it } from "vitest";
import { painter } from "./painter.ts";
import { renderTable } from "./table.ts";
import { oneLine, terminalText } from "./terminal-text.ts";

describe("terminalText", () => {
  it("leaves text, lines and our own colours", () => {
    const paint = painter({ enabled: true });
    const styles = ["bold", "dim", "red", "green", "yellow", "cyan"] as const;
    const text = `ü 日本\tx\n${styles.map((style) => paint(style, style)).join("")}`;
    expect(terminalText(text)).toBe(text);
  });

  it.each([
    ["the window's title", "\u001b]0;root@host\u0007x", "\ufffd]0;root@host\ufffdx"],
    ["the cursor", "a\u001b[2Jb\rc\u0008", "a\ufffd[2Jb\ufffdc\ufffd"],
    ["eight-bit controls", "\u009b2J\u0085", "\ufffd2J\ufffd"],
    ["the direction of text", "gnp\u202egpj.sh\u2066", "gnp\ufffdgpj.sh\ufffd"],
    ["hidden text", "\u001b[8msecret", "\ufffd[8msecret"],
  ])("shows what would change %s", (_, text, shown) => {
    expect(terminalText(text)).toBe(shown);
  });
});

describe("oneLine", () => {
  it("lets no label feign a line", () => {
    expect(oneLine("root\ndata verified")).toBe("root\ufffddata verified");
    const rows = [
      ["root\nusr  yes", "no"],
      ["x", "a\n"],
    ];
    expect(renderTable([{ heading: "" }, { heading: "" }], rows)).toBe("root\ufffdusr  yes  no\nx              a\n");
  });
});
