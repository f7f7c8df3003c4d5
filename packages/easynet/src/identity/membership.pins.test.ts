import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import chain from "../../../../docs/protocol/vectors/membership-chain.json" with { type: "json" };
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
    mayInvite: false,
    delegationsCount: 1,
  });
});

test("the published membership that another member gave stays valid", async () => {
  const { through, delegations, ...expected } = chain;
  const bytes = Buffer.from(delegations, "base64");
  const [network, member] = [parseDid(chain.network), parseDid(chain.member)];
  const options = { network, member, nowMs: chain.notBeforeMs };
  const { notBeforeMs: _, ...claims } = expected;
  await expect(verifyMembership(bytes, options)).resolves.toEqual({ ...claims, delegationsCount: 2 });
  await expect(verifyMembership(bytes, { ...options, member: parseDid(through) })).rejects.toThrow(/another key/);
});
