import { expect, test } from "vitest";
import { formatPackageUrl } from "./package-url.ts";

// The first two are the specification's own examples.
test.each([
  [
    {
      type: "deb",
      namespace: "debian",
      name: "curl",
      version: "7.50.3-1",
      qualifiers: { distro: "jessie", arch: "i386" },
    },
    "pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie",
  ],
  [{ type: "npm", namespace: "@angular", name: "animation", version: "12.3.1" }, "pkg:npm/%40angular/animation@12.3.1"],
  [
    { type: "deb", namespace: "debian", name: "libstdc++6", version: "1:14.2.0-19~deb13u1+b1" },
    "pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19~deb13u1%2Bb1",
  ],
  [
    { type: "generic", name: "a b(c)!", qualifiers: { checksum: "sha256:00" } },
    "pkg:generic/a%20b%28c%29%21?checksum=sha256:00",
  ],
])("%o", (parts, url) => expect(formatPackageUrl(parts)).toBe(url));
