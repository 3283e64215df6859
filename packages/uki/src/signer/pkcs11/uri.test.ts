import { describe, expect, it } from "vitest";
import { parsePkcs11Uri } from "./uri.ts";

describe("parsePkcs11Uri", () => {
  // RFC 7512 section 3 has these, but for what is refused here.
  it.each<[string, object]>([
    ["pkcs11:", { text: {} }],
    ["pkcs11:object=my-pubkey;type=public", { object: Buffer.from("my-pubkey"), type: "public", text: {} }],
    [
      "pkcs11:object=my-key;type=private?pin-source=file:/etc/token",
      { object: Buffer.from("my-key"), type: "private", pinSource: "/etc/token", text: {} },
    ],
    [
      "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial=?pin-source=file:/etc/token_pin",
      {
        text: {
          token: "The Software PKCS#11 Softtoken",
          manufacturer: "Snake Oil, Inc.",
          model: "1.0",
          serial: "",
        },
        object: Buffer.from("my-certificate"),
        id: Buffer.from("69953e5cf4bdec91", "hex"),
        type: "cert",
        pinSource: "/etc/token_pin",
      },
    ],
    ["pkcs11:slot-description=Sun%20Metaslot", { text: { "slot-description": "Sun Metaslot" } }],
    [
      "pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;library-description=Soft%20Token%20Library;library-version=1.23",
      {
        text: {
          "library-manufacturer": "Snake Oil, Inc.",
          "library-description": "Soft Token Library",
          "library-version": "1.23",
        },
      },
    ],
    [
      "pkcs11:token=My%20token%25%20created%20by%20Joe;library-version=3;id=%01%02%03%Ba%dd%Ca%fe%04%05%06",
      {
        text: { token: "My token% created by Joe", "library-version": "3" },
        id: Buffer.from("010203baddcafe040506", "hex"),
      },
    ],
    [
      "pkcs11:slot-id=7;object=ü?module-path=/usr/lib/a%26b.so&pin-source=file:///run/pin",
      { text: { "slot-id": "7" }, object: Buffer.from("ü"), modulePath: "/usr/lib/a&b.so", pinSource: "/run/pin" },
    ],
    ["pkcs11:object=a?pin-source=pin", { text: {}, object: Buffer.from("a"), pinSource: "pin" }],
  ])("%s", (uri, expected) => {
    expect(parsePkcs11Uri(uri)).toEqual(expected);
  });

  it.each([
    ["pkcs11:objekt=a", /expected one of token, .*, type, got objekt=a$/],
    ["pkcs11:object", /expected one of .*, got object$/],
    ["pkcs11:module-path=/a", /expected one of token, .*, got module-path=\/a$/],
    ["pkcs11:?object=a", /expected one of module-path, pin-source, got object=a$/],
    ["pkcs11:object=a?module-name=softhsm", /expected one of module-path, pin-source, got module-name=softhsm$/],
    ["pkcs11:object=a;object=b", /expected one object, got two$/],
    ["pkcs11:object=%4", /expected two hexadecimal digits after each %, got object=%4$/],
    ["pkcs11:object=a?pin-source=|/usr/bin/pin", /expected a file in pin-source, got a program$/],
  ])("refuses %s", (uri, message) => {
    expect(() => parsePkcs11Uri(uri)).toThrow(message);
  });

  it.each(["pkcs11:object=a?pin-value=90210", "pkcs11:pin-value=90210", "pkcs11:object=a?PIN-VALUE=90210"])(
    "refuses %s without repeating it",
    (uri) => {
      expect(() => parsePkcs11Uri(uri)).toThrow(/^cannot use a PKCS#11 URI with pin-value: [^0-9]*$/);
    },
  );
});
