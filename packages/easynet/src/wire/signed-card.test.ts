import { AgentCard as SdkAgentCard, generateAgentCardSignature, verifyAgentCardSignature } from "@a2a-js/sdk";
import * as fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { CARD_KEYS, cardArbitrary } from "../../../../test/arbitraries/agent-card.ts";
import { sampleCard } from "../../../../test/arbitraries/sample-card.ts";
import { verifies } from "../../../../test/requirements.ts";
import { tries } from "../../../../test/quick.ts";
import { didKeyUrl, didToPublicKey, type KeyPair, parseDid } from "../identity/index.ts";
import { type AgentCard, cardFromA2a, cardToA2a, type SignedCard } from "../model/index.ts";
import { decodeValue, encodeValue } from "./codec.ts";
import { CARD_BYTES_MAX, CARD_FUTURE_MS_MAX, signCard, verifyCard } from "./signed-card.ts";

const NOW_MS = 1_900_000_000_000;
const keyOf = ({ id }: AgentCard): KeyPair => CARD_KEYS.find(({ did }) => did === id)!;
const signSample = (patch: Partial<AgentCard> = {}): SignedCard =>
  signCard({ ...sampleCard(), ...patch }, CARD_KEYS[0]!);

afterEach(() => {
  vi.restoreAllMocks();
});

function failureOf(signed: unknown, nowMs = NOW_MS): unknown {
  try {
    return verifyCard(signed, { nowMs });
  } catch (error) {
    return error;
  }
}

describe("a signed card", () => {
  verifies("identity:id:record");

  test("verifies as signed after a journey as MessagePack or JSON", () => {
    fc.assert(
      fc.property(cardArbitrary, (card) => {
        const signed = signCard(card, keyOf(card));
        expect(verifyCard(decodeValue(encodeValue(signed)), { nowMs: NOW_MS })).toEqual(card);
        expect(verifyCard(JSON.parse(JSON.stringify(signed)), { nowMs: NOW_MS })).toEqual(card);
      }),
      tries(100),
    );
  });

  test("verifies whatever the order of its fields is", () => {
    const signed = signSample();
    const reversed = Object.fromEntries(Object.entries(signed.card).toReversed());
    expect(verifyCard({ signature: signed.signature, card: reversed }, { nowMs: NOW_MS })).toEqual(signed.card);
  });

  test("leaves out optional fields that are undefined", () => {
    const [capability] = sampleCard().capabilities;
    const card: unknown = { ...sampleCard(), offers: undefined, capabilities: [{ ...capability, cost: undefined }] };
    const signed = signCard(Object.assign(sampleCard(), card), CARD_KEYS[0]!);
    expect(Object.keys(signed.card)).not.toContain("offers");
    expect(verifyCard(decodeValue(encodeValue(signed)), { nowMs: NOW_MS })).toEqual(signed.card);
  });

  test("is refused with any single change of a value anywhere in it", () => {
    fc.assert(
      fc.property(cardArbitrary, fc.nat(), fc.jsonValue({ maxDepth: 1 }), (card, position, value) => {
        const signed = signCard(card, keyOf(card));
        const changed = structuredClone(signed);
        const change = changeOne(changed.card, position, value);
        fc.pre(change && JSON.stringify(changed) !== JSON.stringify(signed));
        expect(failureOf(changed)).toMatchObject({ code: expect.stringMatching(/^(CARD|SIGNATURE)_INVALID$/) });
      }),
      tries(500),
    );
  });

  test("is refused when an empty value of a schema is slipped in, which A2A libraries do not sign", () => {
    const signed = structuredClone(signSample());
    Object.assign(signed.card.capabilities[0]!.inputSchema, { not: {} });
    expect(failureOf(signed)).toMatchObject({ code: "SIGNATURE_INVALID" });
  });

  test("is refused when another key signed it", () => {
    const signed = {
      ...signSample(),
      signature: signCard({ ...sampleCard(), id: CARD_KEYS[1]!.did }, CARD_KEYS[1]!).signature,
    };
    expect(failureOf(signed)).toMatchObject({
      code: "SIGNATURE_INVALID",
      details: { subject: `the card of ${sampleCard().id}`, reason: "it names another key" },
    });
  });

  test("may be stamped 60 s ahead of our clock, not more", () => {
    const { updatedAtMs } = sampleCard();
    expect(failureOf(signSample(), updatedAtMs - CARD_FUTURE_MS_MAX)).toEqual(sampleCard());
    expect(failureOf(signSample(), updatedAtMs - CARD_FUTURE_MS_MAX - 1)).toMatchObject({
      code: "CARD_INVALID",
      details: { agent: sampleCard().id, reason: "its stamp is 60001 ms in the future" },
    });
  });

  test.each([
    ["nothing", () => null, "expected object"],
    [
      "an unknown field",
      (signed: SignedCard) => ({ ...signed, card: { ...signed.card, novel: 1 } }),
      "card: unknown field novel",
    ],
    [
      "an oversized field",
      (signed: SignedCard) => ({ ...signed, card: { ...signed.card, name: "n".repeat(121) } }),
      "card.name: ",
    ],
    [
      "a wrong type",
      (signed: SignedCard) => ({ ...signed, card: { ...signed.card, capabilities: "all" } }),
      "card.capabilities: ",
    ],
    [
      "bytes",
      (signed: SignedCard) => ({ ...signed, card: { ...signed.card, name: new Uint8Array(3) } }),
      "JSON does not know",
    ],
    [
      "an id that is no key",
      (signed: SignedCard) => ({ ...signed, card: { ...signed.card, id: `did:key:z6Mk${"z".repeat(44)}` } }),
      "its id",
    ],
    [
      "more than fits",
      (signed: SignedCard) => ({ ...signed, card: { ...signed.card, name: "n".repeat(CARD_BYTES_MAX + 4097) } }),
      "characters",
    ],
    [
      "two capabilities of one name",
      (signed: SignedCard) => ({
        ...signed,
        card: { ...signed.card, capabilities: [...signed.card.capabilities, ...signed.card.capabilities] },
      }),
      "one name",
    ],
    [
      "a schema that is too deep",
      (signed: SignedCard) => ({
        ...signed,
        card: { ...signed.card, capabilities: [{ ...signed.card.capabilities[0], inputSchema: deepSchema(40) }] },
      }),
      "32 levels",
    ],
  ])("is refused with %s, naming the reason", (_what, change, reason) => {
    expect(failureOf(change(signSample()))).toMatchObject({
      code: "CARD_INVALID",
      details: { reason: expect.stringContaining(reason) },
    });
  });

  test("is refused when its canonical form exceeds 256 KiB, though every field is within its limit", () => {
    const [capability] = sampleCard().capabilities;
    const capabilities = Array.from({ length: 60 }, (_, index) => ({
      ...capability!,
      name: `c${index}`,
      // Three bytes per character in UTF-8, so that the count of characters alone does not show it.
      description: "字".repeat(1500),
    }));
    expect(() => signSample({ capabilities })).toThrow(/canonical form has \d{6} bytes/);
    expect(failureOf({ ...signSample(), card: { ...sampleCard(), capabilities } })).toMatchObject({
      code: "CARD_INVALID",
      details: { reason: expect.stringContaining("canonical form") },
    });
  });

  test("is not made with a key that the card does not name, nor from a card against the schema", () => {
    expect(() => signCard(sampleCard(), CARD_KEYS[1]!)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => signSample({ name: "" })).toThrow(expect.objectContaining({ code: "CARD_INVALID" }));
    expect(() => signSample({ name: "\ud800" })).toThrow(expect.objectContaining({ code: "CARD_INVALID" }));
  });

  test("cannot bring control characters or long text of a stranger into our messages", () => {
    const failure = failureOf({ [`\u001b[31m${"x".repeat(1000)}`]: 1 });
    expect(failure).toMatchObject({ details: { agent: "an unknown agent" } });
    expect(String(failure).length).toBeLessThan(500);
    expect(String(failure)).not.toContain("\u001b");
  });
});

describe("a card signature and the A2A library", () => {
  const retrieve = (kid: string): Promise<Record<string, string>> =>
    Promise.resolve({
      kty: "OKP",
      crv: "Ed25519",
      x: Buffer.from(didToPublicKey(parseDid(kid.split("#", 1)[0]!))).toString("base64url"),
    });

  test("ours verifies there", async () => {
    await fc.assert(
      fc.asyncProperty(cardArbitrary, async (card) => {
        const { card: own, signature } = signCard(card, keyOf(card));
        const published = JSON.stringify({ ...cardToA2a(own), signatures: [signature] });
        const received = SdkAgentCard.fromJSON(JSON.parse(published));
        await expect(verifyAgentCardSignature(retrieve)(received)).resolves.toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });

  test("theirs verifies here", async () => {
    await fc.assert(
      fc.asyncProperty(cardArbitrary, async (card) => {
        const key = keyOf(card);
        const jwk = { ...(await retrieve(key.did)), d: Buffer.from(key.exportSeed()).toString("base64url") };
        const sign = generateAgentCardSignature(jwk, { alg: "EdDSA", kid: didKeyUrl(key.did), typ: "JOSE" });
        const json = JSON.parse(
          JSON.stringify(SdkAgentCard.toJSON(await sign(SdkAgentCard.fromJSON(cardToA2a(card))))),
        );
        const { protected: header, signature } = SdkAgentCard.fromJSON(json).signatures[0]!;
        const received = { card: cardFromA2a(json), signature: { protected: header, signature } };
        expect(verifyCard(received, { nowMs: NOW_MS })).toEqual(card);
      }),
      { numRuns: 30 },
    );
  });

  test("ours is refused there when the card was changed", async () => {
    vi.spyOn(console, "debug").mockReturnValue();
    const { card, signature } = signSample();
    const changed = { ...cardToA2a(card), name: "someone else", signatures: [signature] };
    await expect(verifyAgentCardSignature(retrieve)(SdkAgentCard.fromJSON(changed))).rejects.toThrow(
      "No valid signatures",
    );
  });
});

function deepSchema(levels: number): Record<string, unknown> {
  let schema: Record<string, unknown> = { type: "string" };
  for (let level = 1; level < levels; level++) schema = { not: schema };
  return schema;
}

/** Replaces one value or adds one property at the place that `position` picks. */
function changeOne(root: unknown, position: number, value: unknown): boolean {
  const places: (() => void)[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    const record: Record<string, unknown> = Object.assign(node);
    for (const key of Object.keys(record)) {
      places.push(() => (record[key] = value));
      visit(record[key]);
    }
    if (!Array.isArray(node)) places.push(() => (record["added"] = value));
  };
  visit(root);
  places[position % places.length]?.();
  return places.length > 0;
}
