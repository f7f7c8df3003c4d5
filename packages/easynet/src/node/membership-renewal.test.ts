import { expect, test } from "vitest";
import {
  generateKeyPair,
  issueMembership,
  type KeyPair,
  keyPairFromSeed,
  type Membership,
  verifyMembership,
} from "../identity/index.ts";
import { silentLogger } from "../kernel/index.ts";
import type { FakeMesh } from "../testing/fake-mesh.ts";
import { FakeNetwork } from "../testing/fake-network.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { MembershipRenewal } from "./membership-renewal.ts";
import { type Granter, MEMBERSHIP_TIME_TO_LIVE_MS } from "./network.ts";

const DAY_MS = 86_400_000;
const root = keyPairFromSeed(new Uint8Array(32).fill(9));
const network = { did: root.did, name: "home" };

interface Held {
  readonly mesh: FakeMesh;
  /** What it was renewed to. */
  readonly renewed: Membership[];
  readonly bytes: () => Uint8Array;
}

class World {
  readonly clock = new VirtualClock();
  readonly fake = new FakeNetwork({ clock: this.clock });

  /** A member with that membership, which renews others' when it has the right or the root key. */
  async member(keyPair: KeyPair, membership: Uint8Array, holdsRoot = false): Promise<Held> {
    const mesh = this.fake.join(keyPair.did);
    const renewed: Membership[] = [];
    const check = { network: root.did, member: keyPair.did, nowMs: this.clock.nowMs() };
    let held = { bytes: membership, verified: await verifyMembership(membership, check) };
    const granter = (): Granter | undefined => {
      if (holdsRoot) return { keyPair: root };
      const through = { network: root.did, membership: held.bytes };
      return held.verified.mayInvite ? { keyPair, through } : undefined;
    };
    void new MembershipRenewal({
      mesh,
      network,
      holdsRoot,
      granter,
      membership: () => held,
      clock: this.clock,
      logger: silentLogger,
      onRenewed: (bytes, verified) => {
        held = { bytes, verified };
        renewed.push(verified);
      },
    });
    return { mesh, renewed, bytes: () => held.bytes };
  }

  async byRoot(member: KeyPair, mayInvite: boolean, days = 30): Promise<Uint8Array> {
    return issueMembership(root, member.did, { nowMs: this.clock.nowMs(), timeToLiveMs: days * DAY_MS, mayInvite });
  }

  /** Days pass; signatures take real turns, not time. */
  async pass(days: number): Promise<void> {
    await this.clock.advanceAsync(days * DAY_MS);
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

test("a member only that got old asks, and takes a new membership of any member with the right", async () => {
  for (const holdsRoot of [true, false]) {
    const world = new World();
    const [holder, guest] = [generateKeyPair(), generateKeyPair()];
    const giving = await world.member(holder, await world.byRoot(holder, true, 3650), holdsRoot);
    const asking = await world.member(guest, await world.byRoot(guest, false));
    world.fake.link(guest.did, holder.did);
    await world.pass(9);
    expect(asking.renewed).toHaveLength(0);
    await world.pass(2);
    expect(asking.renewed).toMatchObject([{ mayInvite: false, delegationsCount: holdsRoot ? 1 : 2 }]);
    expect(asking.renewed[0]?.expiresAtMs).toBeGreaterThan(
      world.clock.nowMs() + MEMBERSHIP_TIME_TO_LIVE_MS - 2 * DAY_MS,
    );
    expect(giving.renewed).toHaveLength(0);
  }
});

test("who was let in by another member gets the root key's own delegation when it meets the node that has it", async () => {
  const world = new World();
  const [creator, holder, guest] = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
  const through = { network: root.did, membership: await world.byRoot(holder, true, 3650) };
  const times = { nowMs: world.clock.nowMs(), timeToLiveMs: 3650 * DAY_MS };
  const given = await issueMembership(holder, guest.did, { ...times, mayInvite: true, through });
  await world.member(creator, await world.byRoot(creator, true), true);
  const asking = await world.member(guest, given);
  world.fake.link(guest.did, creator.did);
  await world.pass(0.1);
  expect(asking.renewed).toMatchObject([{ mayInvite: true, delegationsCount: 1 }]);
});

test("without the root key two members cannot make their memberships longer for one another", async () => {
  const world = new World();
  const [one, other] = [generateKeyPair(), generateKeyPair()];
  const held = [
    await world.member(one, await world.byRoot(one, true, 100)),
    await world.member(other, await world.byRoot(other, true, 100)),
  ];
  world.fake.link(one.did, other.did);
  await world.pass(2);
  expect(held.map(({ renewed }) => renewed.length)).toEqual([0, 0]);
});

test("a membership of another key, of another network, that ends earlier or has fewer rights is not taken", async () => {
  const world = new World();
  const [holder, guest] = [generateKeyPair(), generateKeyPair()];
  const giver = world.fake.join(holder.did);
  const asking = await world.member(guest, await world.byRoot(guest, true, 10));
  world.fake.link(guest.did, holder.did);
  const at = { nowMs: world.clock.nowMs(), timeToLiveMs: 30 * DAY_MS };
  const bodies = [
    await issueMembership(root, generateKeyPair().did, { ...at, mayInvite: true }),
    await issueMembership(generateKeyPair(), guest.did, { ...at, mayInvite: true }),
    await issueMembership(root, guest.did, { ...at, timeToLiveMs: 5 * DAY_MS, mayInvite: true }),
    await issueMembership(root, guest.did, at),
    Uint8Array.of(1, 2, 3),
  ];
  for (const body of bodies) giver.send(guest.did, { lane: "control", type: 69, body });
  await world.pass(0.01);
  expect(asking.renewed).toHaveLength(0);
  giver.send(guest.did, { lane: "control", type: 69, body: await world.byRoot(guest, true, 30) });
  await world.pass(0.01);
  expect(asking.renewed).toHaveLength(1);
});

test("who shows a membership of somebody else, or none, is not renewed", async () => {
  const world = new World();
  const [holder, guest] = [generateKeyPair(), generateKeyPair()];
  const giving = await world.member(holder, await world.byRoot(holder, true, 3650));
  const mesh = world.fake.join(guest.did);
  const answers: number[] = [];
  mesh.handle(69, ({ type }) => void answers.push(type));
  world.fake.link(guest.did, holder.did);
  for (const body of [giving.bytes(), new Uint8Array(), Uint8Array.of(9)]) {
    mesh.send(holder.did, { lane: "control", type: 68, body });
    await world.pass(0.01);
  }
  expect(answers).toHaveLength(0);
  mesh.send(holder.did, { lane: "control", type: 68, body: await world.byRoot(guest, false, 5) });
  await world.pass(0.01);
  expect(answers).toHaveLength(1);
});
