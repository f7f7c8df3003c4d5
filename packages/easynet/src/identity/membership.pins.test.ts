import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { parseDid } from "./keys.ts";
import { verifyMembership } from "./membership.ts";

const vectorSchema = z.strictObject({
  network: z.string(),
  member: z.string(),
  notBeforeMs: z.number(),
  expiresAtMs: z.number(),
  delegation: z.base64(),
});
const path = new URL("../../../../docs/protocol/vectors/membership.json", import.meta.url);
const vector = vectorSchema.parse(JSON.parse(readFileSync(path, "utf8")));

test("the published membership stays valid", async () => {
  const [network, member] = [parseDid(vector.network), parseDid(vector.member)];
  const bytes = Buffer.from(vector.delegation, "base64");
  await expect(verifyMembership(bytes, { network, member, nowMs: vector.notBeforeMs })).resolves.toEqual({
    network,
    member,
    expiresAtMs: vector.expiresAtMs,
  });
});
