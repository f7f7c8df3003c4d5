import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { canonicalJson, keyPairFromSeed } from "../identity/index.ts";
import { cardFromA2a, cardToA2a, signedCardSchema } from "../model/index.ts";
import { signCard, verifyCard } from "./signed-card.ts";

const vectorSchema = z.strictObject({ seed: z.string(), signed: signedCardSchema, canonical: z.string() });
const path = new URL("../../../../docs/protocol/vectors/signed-card.json", import.meta.url);
const { seed, signed, canonical } = vectorSchema.parse(JSON.parse(readFileSync(path, "utf8")));

test("the published signed card keeps its canonical form and its signature", () => {
  const keyPair = keyPairFromSeed(Buffer.from(seed, "hex"));
  expect(canonicalJson(cardToA2a(signed.card))).toBe(canonical);
  expect(signCard(signed.card, keyPair)).toEqual(signed);
  expect(cardFromA2a(JSON.parse(canonical))).toEqual(signed.card);
  expect(verifyCard(signed, { nowMs: signed.card.updatedAtMs })).toEqual(signed.card);
});
