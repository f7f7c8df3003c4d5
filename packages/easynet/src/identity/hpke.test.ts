import { describe, expect, test } from "vitest";
import { setupHpkeReceiver, setupHpkeSender } from "./hpke.ts";
import { generateX25519KeyPair, x25519KeyPair } from "./x25519.ts";

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");

/** RFC 9180 appendix A.1.1 (base) and A.1.3 (auth); all 96 cases of the X25519 suites run as `npm run suites -- hpke`. */
const VECTORS = [
  {
    secret: "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
    sender: undefined,
    encapsulated: "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
    sealed: [
      "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a",
      "af2d7e9ac9ae7e270f46ba1f975be53c09f8d875bdc8535458c2494e8a6eab251c03d0c22a56b8ca42c2063b84",
    ],
    exported: "e9e43065102c3836401bed8c3c3c75ae46be1639869391d62c61f1ec7af54931",
  },
  {
    secret: "fdea67cf831f1ca98d8e27b1f6abeb5b7745e9d35348b80fa407ff6958f9137e",
    sender: "8b0c70873dc5aecb7f9ee4e62406a397b350e57012be45cf53b7105ae731790b",
    encapsulated: "23fb952571a14a25e3d678140cd0e5eb47a0961bb18afcf85896e5453c312e76",
    sealed: [
      "5fd92cc9d46dbf8943e72a07e42f363ed5f721212cd90bcfd072bfd9f44e06b80fd17824947496e21b680c141b",
      "d3736bb256c19bfa93d79e8f80b7971262cb7c887e35c26370cfed62254369a1b52e3d505b79dd699f002bc8ed",
    ],
    exported: "5a0131813abc9a522cad678eb6bafaabc43389934adb8097d23c5ff68059eb64",
  },
] as const;

describe("HPKE", () => {
  test.for(VECTORS)("opens RFC 9180's own messages and exports its secrets, sender $sender", (vector) => {
    const receiver = setupHpkeReceiver({
      suite: { hash: "sha256", aead: "aes-128-gcm" },
      info: Buffer.from("Ode on a Grecian Urn"),
      recipient: x25519KeyPair(bytes(vector.secret)),
      encapsulated: bytes(vector.encapsulated),
      ...(vector.sender !== undefined && { sender: bytes(vector.sender) }),
    });
    for (const [index, sealed] of vector.sealed.entries()) {
      const opened = receiver.open(bytes(sealed), Buffer.from(`Count-${index}`));
      expect(Buffer.from(opened).toString()).toBe("Beauty is truth, truth beauty");
    }
    expect(hex(receiver.export(Buffer.from("TestContext"), 32))).toBe(vector.exported);
  });

  test("messages open in order only; one that does not open leaves its place to the right one", () => {
    const recipient = generateX25519KeyPair();
    const { encapsulated, context } = setupHpkeSender({ recipient: recipient.publicKey });
    const receiver = setupHpkeReceiver({ recipient, encapsulated });
    const [first, second] = [context.seal(Buffer.from("1")), context.seal(Buffer.from("2"))];
    const broken = expect.objectContaining({ code: "SEAL_BROKEN" });
    expect(() => receiver.open(second)).toThrow(broken);
    expect(() => receiver.open(first.subarray(0, 15))).toThrow(broken);
    expect([receiver.open(first), receiver.open(second)].map(String)).toEqual(["1", "2"]);
    expect(() => receiver.open(first)).toThrow(broken);
  });
});
