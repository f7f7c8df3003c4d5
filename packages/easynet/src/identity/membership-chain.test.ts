import * as fc from "fast-check";
import { chains, findWorth, worthOf } from "../../../../test/arbitraries/membership-chain.ts";
import { describe, expect, test } from "vitest";
import { tries } from "../../../../test/quick.ts";
import { joinDelegations, MEMBERSHIP_DELEGATIONS_COUNT_MAX, splitDelegations } from "./delegation-chain.ts";
import { issueDelegation } from "./delegation.ts";
import { generateKeyPair, keyPairFromSeed } from "./keys.ts";
import { INVITING_COMMAND, issueMembership, MEMBERSHIP_COMMAND, verifyMembership } from "./membership.ts";
import type { KeyPair } from "./types.ts";

const NOW_MS = 1_700_000_000_000;
const HOUR_MS = 3_600_000;
const root = keyPairFromSeed(new Uint8Array(32).fill(1));
const network = root.did;
const keys = Array.from({ length: 9 }, (_, index) => keyPairFromSeed(new Uint8Array(32).fill(10 + index)));
const key = (index: number): KeyPair => keys[index] ?? root;
const times = { nowMs: NOW_MS, timeToLiveMs: HOUR_MS };

/** Each key lets the next one in; the membership of the last of `count`. */
async function passedOn(count: number): Promise<Uint8Array> {
  let membership = await issueMembership(root, key(0).did, { ...times, mayInvite: true });
  for (let index = 1; index < count; index++) {
    const through = { network, membership };
    membership = await issueMembership(key(index - 1), key(index).did, { ...times, mayInvite: true, through });
  }
  return membership;
}

/** Delegations as a forger may put them together, each signed properly by `by`. */
async function forged(links: readonly { by: KeyPair; to: KeyPair; command: string }[]): Promise<Uint8Array> {
  const made = links.map(({ by, to, command }) =>
    issueDelegation(by, { ...times, network, audience: to.did, command }),
  );
  return joinDelegations(await Promise.all(made));
}

describe("a membership that another member gave", () => {
  test("makes its member a member, with the right, as long as every delegation holds", async () => {
    const membership = await passedOn(3);
    const options = { network, member: key(2).did, nowMs: NOW_MS };
    expect(await verifyMembership(membership, options)).toEqual({
      network,
      member: key(2).did,
      expiresAtMs: NOW_MS + HOUR_MS,
      mayInvite: true,
      delegationsCount: 3,
    });
    for (const member of [key(0).did, key(1).did, generateKeyPair().did]) {
      await expect(verifyMembership(membership, { ...options, member })).rejects.toThrow(/another key/);
    }
    const late = { ...options, nowMs: NOW_MS + HOUR_MS };
    await expect(verifyMembership(membership, late)).rejects.toThrow(/expired/);
    await expect(verifyMembership(membership, { ...options, network: key(5).did })).rejects.toThrow(/another network/);
  });

  test("never outlives that of who gave it, whatever is asked for", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 4 }), async (hours) => {
        let membership = new Uint8Array();
        let signer = root;
        for (const [index, count] of hours.entries()) {
          const through = index > 0 ? { through: { network, membership } } : {};
          const options = { nowMs: NOW_MS, timeToLiveMs: count * HOUR_MS, mayInvite: true, ...through };
          membership = Uint8Array.from(await issueMembership(signer, key(index).did, options));
          signer = key(index);
        }
        const { expiresAtMs } = await verifyMembership(membership, { network, member: signer.did, nowMs: NOW_MS });
        expect(expiresAtMs).toBe(NOW_MS + Math.min(...hours) * HOUR_MS);
      }),
      { numRuns: 30 },
    );
  });

  test("is given by nobody who is a member only", async () => {
    const own = await issueMembership(root, key(0).did, times);
    const through = { network, membership: own };
    await expect(issueMembership(key(0), key(1).did, { ...times, through })).rejects.toMatchObject({
      code: "INVITE_RIGHT_MISSING",
    });
    // Nor by one that does not ask this program.
    const membership = await forged([
      { by: root, to: key(0), command: MEMBERSHIP_COMMAND },
      { by: key(0), to: key(1), command: MEMBERSHIP_COMMAND },
    ]);
    await expect(verifyMembership(membership, { network, member: key(1).did, nowMs: NOW_MS })).rejects.toThrow(
      /not a membership/,
    );
  });

  test("is given by nobody with the membership of another key", async () => {
    const through = { network, membership: await passedOn(1) };
    await expect(issueMembership(key(4), key(1).did, { ...times, through })).rejects.toThrow(/another key/);
    const membership = await forged([
      { by: root, to: key(0), command: INVITING_COMMAND },
      { by: key(4), to: key(1), command: MEMBERSHIP_COMMAND },
    ]);
    await expect(verifyMembership(membership, { network, member: key(1).did, nowMs: NOW_MS })).rejects.toThrow(
      /another network/,
    );
  });

  test("has a longest chain: its last member cannot let others in, and a longer one is refused", async () => {
    const count = MEMBERSHIP_DELEGATIONS_COUNT_MAX;
    const membership = await passedOn(count);
    const options = { network, member: key(count - 1).did, nowMs: NOW_MS };
    expect(await verifyMembership(membership, options)).toMatchObject({ mayInvite: false, delegationsCount: count });
    const through = { network, membership };
    const next = issueMembership(key(count - 1), key(count).did, { ...times, through });
    await expect(next).rejects.toMatchObject({ code: "INVITE_RIGHT_MISSING" });
    const links = Array.from({ length: count + 1 }, (_, index) => ({
      by: index === 0 ? root : key(index - 1),
      to: key(index),
      command: INVITING_COMMAND,
    }));
    const verified = verifyMembership(await forged(links), { ...options, member: key(count).did });
    await expect(verified).rejects.toMatchObject({ code: "MEMBERSHIP_INVALID" });
  });

  test("is worth what a second reading of the rules says, whatever is forged together", async () => {
    const { numRuns } = tries(400);
    let goodCount = 0;
    await fc.assert(
      fc.asyncProperty(chains, async (links) => {
        const expected = worthOf(links);
        if (expected) goodCount++;
        expect(await findWorth(links)).toEqual(expected);
      }),
      { numRuns },
    );
    expect(goodCount).toBeGreaterThan(numRuns / 8);
    expect(goodCount).toBeLessThan((numRuns * 7) / 8);
  });

  test("with any byte changed, cut or appended is refused", async () => {
    const membership = await passedOn(2);
    const options = { network, member: key(1).did, nowMs: NOW_MS };
    const failure = expect.objectContaining({ code: "MEMBERSHIP_INVALID" });
    for (let at = 0; at < membership.length; at++) {
      const changed = membership.map((byte, index) => (index === at ? byte ^ 0x21 : byte));
      await expect(verifyMembership(changed, options)).rejects.toThrow(failure);
      await expect(verifyMembership(membership.subarray(0, at), options)).rejects.toThrow(failure);
    }
    await expect(verifyMembership(Uint8Array.of(...membership, 0), options)).rejects.toThrow(failure);
  });
});

test("delegations read back as they were joined, and any bytes are taken apart without a fault", () => {
  const delegation = fc.uint8Array({ minLength: 256, maxLength: 700 });
  fc.assert(
    fc.property(fc.array(delegation, { minLength: 2, maxLength: 8 }), (delegations) => {
      expect(splitDelegations(joinDelegations(delegations)).map((bytes) => [...bytes])).toEqual(
        delegations.map((bytes) => [...bytes]),
      );
    }),
    { numRuns: 50 },
  );
  const prefixed = fc.uint8Array({ maxLength: 900 }).map((bytes) => Uint8Array.of(0x82, 0x59, 1, 4, ...bytes));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), prefixed), (bytes) => {
      const whole = splitDelegations(bytes);
      expect(whole.length === 1 ? whole[0] : joinDelegations(whole)).toEqual(bytes);
    }),
  );
});
