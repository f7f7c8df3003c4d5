import { createPrivateKey, createPublicKey } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codePoint } from "../../../../test/arbitraries/any-text.ts";
import { type DetachedJws, didKeyUrl, JWS_PROTECTED_LENGTH_MAX, signDetached, verifyDetached } from "./jws.ts";
import { keyPairFromSeed } from "./keys.ts";

const signer = keyPairFromSeed(new Uint8Array(32).fill(1));
const stranger = keyPairFromSeed(new Uint8Array(32).fill(2));
const payload = Buffer.from('{"a":1}');
const encode = (header: unknown): string => Buffer.from(JSON.stringify(header)).toString("base64url");
const options = { signer: signer.did, subject: "a thing" };

/** A signature that is right for its header, whatever the header says. */
function signAs(header: unknown, key = signer): DetachedJws {
  const protectedPart = encode(header);
  const input = Buffer.from(`${protectedPart}.${payload.toString("base64url")}`);
  return { protected: protectedPart, signature: Buffer.from(key.sign(input)).toString("base64url") };
}

const header = { alg: "EdDSA", kid: didKeyUrl(signer.did), typ: "JOSE" };

describe("a detached JWS", () => {
  test("carries EdDSA, the did:key URL of its signer and the type, nothing else", () => {
    const { protected: part, signature } = signDetached(signer, payload);
    expect(JSON.parse(Buffer.from(part, "base64url").toString())).toEqual({
      alg: "EdDSA",
      kid: `${signer.did}#${signer.did.slice(8)}`,
      typ: "JOSE",
    });
    expect(part.length).toBeLessThan(JWS_PROTECTED_LENGTH_MAX);
    expect(signature).toHaveLength(86);
  });

  // RFC 8037 appendix A.4: the payload and header of the RFC, signed by the RFC's key.
  test("is signed as in RFC 8037", () => {
    const jwk = {
      kty: "OKP",
      crv: "Ed25519",
      d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
      x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    };
    const key = createPrivateKey({ key: jwk, format: "jwk" });
    expect(createPublicKey(key).export({ format: "jwk" })).toMatchObject({ x: jwk.x });
    const seed = keyPairFromSeed(Buffer.from(jwk.d, "base64url"));
    const input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    expect(Buffer.from(seed.sign(Buffer.from(input))).toString("base64url")).toBe(
      "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
  });

  test("verifies for every payload, and for no other", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (bytes, other) => {
        const jws = signDetached(signer, bytes);
        verifyDetached(jws, bytes, options);
        fc.pre(Buffer.compare(bytes, other) !== 0);
        expect(() => verifyDetached(jws, other, options)).toThrow(
          expect.objectContaining({ code: "SIGNATURE_INVALID" }),
        );
      }),
    );
  });

  test("is taken with headers that only add hints, and never follows them", () => {
    const hints = { ...header, jku: "https://attacker.example/keys", jwk: { kty: "OKP" }, extra: 1 };
    expect(() => verifyDetached(signAs(hints), payload, options)).not.toThrow();
    expect(() => verifyDetached(signAs({ alg: "EdDSA", kid: signer.did }), payload, options)).not.toThrow();
  });

  test.each([
    ["of another key", signDetached(stranger, payload), "it names another key"],
    ["by another key under the signer's name", signAs(header, stranger), "it does not fit the content"],
    ["without algorithm", signAs({ kid: header.kid }), "its algorithm is not EdDSA"],
    ["of algorithm none", signAs({ ...header, alg: "none" }), "its algorithm is not EdDSA"],
    ["of a symmetric algorithm", signAs({ ...header, alg: "HS256" }), "its algorithm is not EdDSA"],
    ["without key id", signAs({ alg: "EdDSA" }), "it names another key"],
    ["with a demanded extension", signAs({ ...header, crit: ["b64"], b64: false }), "it demands an extension"],
    ["with a list as header", signAs([header]), "its protected header is not"],
    ["with an oversized header", signAs({ ...header, extra: "x".repeat(400) }), "its protected header is too long"],
    ["with padding", { ...signAs(header), protected: `${encode(header)}=` }, "its protected header is not"],
    [
      "with bad UTF-8",
      { ...signAs(header), protected: Buffer.from([0x7b, 0xff, 0x7d]).toString("base64url") },
      "its protected header is not",
    ],
    ["that is empty", { protected: "", signature: "" }, "its protected header is not"],
    [
      "that is too short",
      { ...signAs(header), signature: signAs(header).signature.slice(2) },
      "it is not base64url of 64 bytes",
    ],
    [
      "with stray bits at its end",
      { ...signAs(header), signature: `${signAs(header).signature.slice(0, -1)}_` },
      "it is not base64url of 64 bytes",
    ],
  ])("%s is refused with the reason", (_what, jws, reason) => {
    expect(() => verifyDetached(jws, payload, options)).toThrow(
      expect.objectContaining({
        code: "SIGNATURE_INVALID",
        details: { subject: "a thing", reason: expect.stringContaining(reason) },
      }),
    );
  });

  test("of any texts is refused, never anything worse", () => {
    const good = signDetached(signer, payload);
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: codePoint }),
      fc.base64String(),
      fc.constant(good.protected),
      fc.constant(good.signature),
    );
    fc.assert(
      fc.property(text, text, (protectedPart, signature) => {
        fc.pre(protectedPart !== good.protected || signature !== good.signature);
        expect(() => verifyDetached({ protected: protectedPart, signature }, payload, options)).toThrow(
          expect.objectContaining({ code: "SIGNATURE_INVALID" }),
        );
      }),
    );
  });
});
