import { encode, getSignaturePayload } from "iso-ucan/envelope";
import { Delegation } from "iso-ucan/delegation";
import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { tries } from "../../../../test/quick.ts";
import { keyPairFromSeed, parseDid, verifySignature } from "./keys.ts";
import {
  issueMembership,
  MEMBERSHIP_BYTES_MAX,
  MEMBERSHIP_COMMAND,
  MEMBERSHIP_SKEW_MS,
  verifyMembership,
  type VerifyMembershipOptions,
} from "./membership.ts";

const NOW_MS = 1_700_000_000_000;
const HOUR_MS = 3_600_000;
const root = keyPairFromSeed(new Uint8Array(32).fill(1));
const member = keyPairFromSeed(new Uint8Array(32).fill(2));
const stranger = keyPairFromSeed(new Uint8Array(32).fill(3));
const expected: VerifyMembershipOptions = { network: root.did, member: member.did, nowMs: NOW_MS };

type Payload = Parameters<typeof getSignaturePayload>[0]["payload"];
const payload: Payload = {
  iss: `did:key:${root.did.slice(8)}`,
  aud: `did:key:${member.did.slice(8)}`,
  sub: `did:key:${root.did.slice(8)}`,
  cmd: MEMBERSHIP_COMMAND,
  pol: [],
  nonce: new Uint8Array(12),
  exp: NOW_MS / 1000 + 3600,
};

interface Forgery {
  readonly patch?: Record<string, unknown>;
  readonly version?: string;
  readonly spec?: "dlg" | "inv";
  readonly signer?: typeof root;
}

/** A delegation that says what the test wants, signed properly. */
function forge({ patch = {}, version = "1.0.0", spec = "dlg", signer = root }: Forgery): Uint8Array {
  const changed = { ...payload, ...patch };
  const signaturePayload = getSignaturePayload({ spec, version, signatureType: "Ed25519", payload: changed });
  const bytes = encode({ signature: new Uint8Array(64), signaturePayload });
  bytes.set(signer.sign(bytes.subarray(67)), 3);
  return bytes;
}

const refusal = (reason: string): unknown =>
  expect.objectContaining({
    code: "MEMBERSHIP_INVALID",
    details: { peer: member.did, reason: expect.stringContaining(reason) },
  });

describe("a membership", () => {
  let membership: Uint8Array;

  beforeAll(async () => {
    membership = await issueMembership(root, member.did, { nowMs: NOW_MS, timeToLiveMs: HOUR_MS });
  });

  test("of the network's root makes its member a member until it expires", async () => {
    await expect(verifyMembership(membership, expected)).resolves.toEqual({
      network: root.did,
      member: member.did,
      expiresAtMs: NOW_MS + HOUR_MS,
      mayInvite: false,
      delegationsCount: 1,
    });
  });

  test("is a UCAN 1.0 delegation as the library itself reads and checks it", async () => {
    const registry = {};
    const cache = (): Promise<boolean> => Promise.resolve(false);
    const delegation = await Delegation.from({
      bytes: membership,
      now: NOW_MS / 1000,
      verifierResolver: {
        registry,
        cache,
        verify: ({ did, message, signature }) =>
          Promise.resolve(verifySignature(parseDid(did.did), message, signature)),
      },
    });
    expect(delegation.envelope).toMatchObject({ spec: "dlg", version: "1.0.0", alg: "Ed25519", enc: "DAG-CBOR" });
    expect(delegation).toMatchObject({
      iss: root.did,
      aud: member.did,
      sub: root.did,
      cmd: "/easynet/net/member",
      pol: [],
      exp: (NOW_MS + HOUR_MS) / 1000,
      nbf: NOW_MS / 1000,
    });
    expect(delegation.nonce).toHaveLength(12);
  });

  test("is another one each time", async () => {
    const again = await issueMembership(root, member.did, { nowMs: NOW_MS, timeToLiveMs: HOUR_MS });
    expect(Buffer.compare(again, membership)).not.toBe(0);
  });

  test("holds to the last millisecond, and with a clock that is 60 s behind", async () => {
    const times = [NOW_MS - MEMBERSHIP_SKEW_MS, NOW_MS + HOUR_MS - 1];
    for (const nowMs of times) {
      await expect(verifyMembership(membership, { ...expected, nowMs })).resolves.toMatchObject({ member: member.did });
    }
  });

  test.each([
    ["expired", NOW_MS + HOUR_MS, "expired"],
    ["not valid yet", NOW_MS - MEMBERSHIP_SKEW_MS - 1, "not valid yet"],
  ])("that is %s is refused", async (_what, nowMs, reason) => {
    await expect(verifyMembership(membership, { ...expected, nowMs })).rejects.toThrow(refusal(reason));
  });

  test("of another network is refused", async () => {
    const options = { ...expected, network: stranger.did };
    await expect(verifyMembership(membership, options)).rejects.toThrow(refusal("for another network"));
  });

  test("shown by another key is refused", async () => {
    await expect(verifyMembership(membership, { ...expected, member: stranger.did })).rejects.toThrow(
      expect.objectContaining({
        code: "MEMBERSHIP_INVALID",
        details: { peer: stranger.did, reason: expect.stringContaining("to another key") },
      }),
    );
  });

  test.each<[string, Forgery, string]>([
    ["signed by someone else in the root's name", { signer: stranger }, "does not verify"],
    ["passed on by a member", { patch: { iss: `did:key:${member.did.slice(8)}` }, signer: member }, "another network"],
    ["about another subject", { patch: { sub: `did:key:${stranger.did.slice(8)}` } }, "another network"],
    ["without subject", { patch: { sub: null } }, "another network"],
    ["for another command", { patch: { cmd: "/easynet/net/join" } }, "not a membership"],
    ["for a wider command", { patch: { cmd: "/" } }, "not a membership"],
    ["with a condition", { patch: { pol: [["==", ".day", 1]] } }, "conditions"],
    ["without end", { patch: { exp: null } }, "not a UCAN"],
    ["with an end that is text", { patch: { exp: "9999999999" } }, "not a UCAN"],
    ["with half a second", { patch: { exp: 9_999_999_999.5 } }, "not a UCAN"],
    ["of another version", { version: "2.0.0" }, "not a UCAN"],
    ["that is an invocation", { spec: "inv" }, "not a UCAN"],
  ])("%s is refused", async (_what, forgery, reason) => {
    await expect(verifyMembership(forge(forgery), expected)).rejects.toThrow(refusal(reason));
  });

  test("that a test forged without a fault is accepted, so that the refusals above mean something", async () => {
    await expect(verifyMembership(forge({}), expected)).resolves.toMatchObject({ network: root.did });
  });

  test("is refused unread when it is too large", async () => {
    await expect(verifyMembership(new Uint8Array(MEMBERSHIP_BYTES_MAX + 1), expected)).rejects.toThrow(
      refusal("4097 bytes"),
    );
  });

  test("is refused with anything appended", async () => {
    await expect(verifyMembership(Buffer.concat([membership, Buffer.of(0)]), expected)).rejects.toThrow(
      refusal("not a UCAN"),
    );
  });

  test("with any single bit changed is refused", async () => {
    for (let bit = 0; bit < membership.length * 8; bit++) {
      const changed = Uint8Array.from(membership);
      changed[bit >> 3] = changed[bit >> 3]! ^ (1 << (bit & 7));
      await expect(verifyMembership(changed, expected)).rejects.toThrow(
        expect.objectContaining({ code: "MEMBERSHIP_INVALID" }),
      );
    }
  });

  test("of random bytes is refused, never anything worse", async () => {
    const frame = fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.concat([Buffer.of(0x82, 0x58, 0x40), bytes]));
    const cut = fc.nat({ max: 346 }).map((length) => membership.subarray(0, length));
    const spliced = fc
      .tuple(fc.nat({ max: 346 }), fc.uint8Array({ minLength: 1, maxLength: 16 }))
      .map(([offset, bytes]) => Buffer.concat([membership.subarray(0, offset), bytes, membership.subarray(offset)]));
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 500 }), frame, cut, spliced), async (bytes) => {
        await expect(verifyMembership(bytes, expected)).rejects.toThrow(
          expect.objectContaining({ code: "MEMBERSHIP_INVALID" }),
        );
      }),
      tries(2000),
    );
  });

  test.each([0, -1, 999, Number.NaN, Number.POSITIVE_INFINITY, 1e300])(
    "is not issued for %d ms",
    async (timeToLiveMs) => {
      await expect(issueMembership(root, member.did, { nowMs: NOW_MS, timeToLiveMs })).rejects.toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      );
    },
  );
});
