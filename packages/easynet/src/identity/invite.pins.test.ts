import { expect, test } from "vitest";
import vector from "../../../../docs/protocol/vectors/invite.json" with { type: "json" };
import { proveInvite, verifyInviteProof } from "./invite.ts";
import { encodeInviteCode, parseInviteCode } from "./invite-code.ts";
import { parseDid } from "./keys.ts";

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("the published code reads and writes as it says, and proves what it says", async () => {
  const invite = parseInviteCode(vector.code);
  expect({ ...invite, secret: hexOf(invite.secret) }).toMatchObject({
    network: vector.network,
    networkName: vector.networkName,
    issuer: vector.issuer,
    secret: vector.secret,
    notBeforeSeconds: vector.notBeforeSeconds,
    expiresSeconds: vector.expiresSeconds,
    issuerAddresses: vector.issuerAddresses,
    memberAddresses: vector.memberAddresses,
  });
  expect(encodeInviteCode(invite)).toBe(vector.code);
  const [network, joiner] = [parseDid(vector.network), parseDid(vector.joiner)];
  const nowMs = vector.notBeforeSeconds * 1000;
  const proof = await proveInvite(invite, { joiner, nowMs });
  expect(proof.inviteKey).toBe(vector.inviteKey);
  expect(hexOf(proof.delegation)).toBe(vector.delegation);
  expect(hexOf(proof.signature)).toBe(vector.proof);
  await expect(
    verifyInviteProof(proof, { network, issuer: parseDid(vector.issuer), joiner, nowMs }),
  ).resolves.toBeUndefined();
});
