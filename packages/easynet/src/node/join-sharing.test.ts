import { expect, test } from "vitest";
import {
  type Did,
  generateKeyPair,
  issueMembership,
  type KeyPair,
  keyPairFromSeed,
  verifyMembership,
} from "../identity/index.ts";
import { silentLogger } from "../kernel/index.ts";
import { MemoryStore } from "../storage/index.ts";
import { FakeNetwork } from "../testing/fake-network.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { FRAME_TYPES } from "../wire/index.ts";
import { Invitations } from "./invitations.ts";
import { decodeJoinAnswer, encodeApproved, encodeAsked, encodeJoinRequest, type JoinAnswer } from "./join-messages.ts";
import { JoinSharing } from "./join-sharing.ts";
import type { Granter } from "./network.ts";
import { PENDING_PER_HOST_MAX } from "./pending-joins-core.ts";

const root = keyPairFromSeed(new Uint8Array(32).fill(3));
const request = encodeJoinRequest({ network: undefined, issuer: undefined, name: "desk", proof: undefined });
const ADDRESS = "/ip4/10.0.0.5/tcp/9";

class World {
  readonly clock = new VirtualClock();
  readonly fake = new FakeNetwork({ clock: this.clock });
  readonly asked: string[] = [];

  /** A member that may let others in, or not. */
  member(granter: Granter | undefined) {
    const keyPair: KeyPair = generateKeyPair();
    const mesh = this.fake.join(keyPair.did);
    const joining: Invitations = new Invitations({
      keyPair,
      network: { did: root.did, name: "home" },
      granter: () => granter,
      store: new MemoryStore(),
      clock: this.clock,
      logger: silentLogger,
      addresses: () => [],
      memberAddresses: () => [],
      onAsked: ({ did }) => this.asked.push(did),
      onWaiting: (asking) => sharing.tell(asking),
      sendGrant: (to, joiner, grant) => sharing.sendGrant(to, joiner, grant),
    });
    const sharing = new JoinSharing({ mesh, joining, clock: this.clock, logger: silentLogger });
    const ask = async (did: Did): Promise<JoinAnswer> =>
      decodeJoinAnswer(await joining.answer({ did, address: ADDRESS, request }));
    return { did: keyPair.did, mesh, joining, ask };
  }

  /** Frames arrive; signatures take real turns, not time. */
  async settle(ms = 100): Promise<void> {
    await this.clock.advanceAsync(ms);
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

test("a machine that asked one member is approved at another; only that one's list tells of it", async () => {
  const world = new World();
  const [asked, other, powerless] = [world.member(undefined), world.member({ keyPair: root }), world.member(undefined)];
  world.fake.link(asked.did, other.did);
  world.fake.link(asked.did, powerless.did);
  const joiner = generateKeyPair().did;
  expect((await asked.ask(joiner)).kind).toBe("pending");
  await world.settle();
  expect(other.joining.pending()).toMatchObject([{ did: joiner, name: "desk", address: ADDRESS, via: asked.did }]);
  expect(world.asked).toEqual([joiner]);
  await other.joining.approve("desk", { memberOnly: true });
  await world.settle();
  const granted = await asked.ask(joiner);
  const delegation = granted.kind === "granted" ? granted.delegation : new Uint8Array();
  const options = { network: root.did, member: joiner, nowMs: world.clock.nowMs() };
  await expect(verifyMembership(delegation, options)).resolves.toMatchObject({ mayInvite: false });
  await expect(powerless.joining.approve("desk")).rejects.toMatchObject({ code: "INVITE_RIGHT_MISSING" });
});

test("an approval that got lost is sent again while the machine goes on asking", async () => {
  const world = new World();
  const [asked, other] = [world.member(undefined), world.member({ keyPair: root })];
  world.fake.link(asked.did, other.did);
  const joiner = generateKeyPair().did;
  await asked.ask(joiner);
  await world.settle();
  world.fake.cut(other.did, asked.did);
  await expect(other.joining.approve(joiner)).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
  await world.settle();
  world.fake.link(asked.did, other.did);
  for (let question = 0; question < 4; question++) {
    await asked.ask(joiner);
    await world.settle(2000);
  }
  expect((await asked.ask(joiner)).kind).toBe("granted");
});

test("a membership of another key, or of nobody's network, lets nobody in", async () => {
  const world = new World();
  const [asked, liar] = [world.member({ keyPair: root }), world.member(undefined)];
  world.fake.link(asked.did, liar.did);
  const joiner = generateKeyPair().did;
  await asked.ask(joiner);
  const times = { nowMs: world.clock.nowMs(), timeToLiveMs: 3_600_000 };
  for (const grant of [
    await issueMembership(generateKeyPair(), joiner, times),
    await issueMembership(root, liar.did, times),
    Uint8Array.of(1),
  ]) {
    const body = encodeApproved(joiner, grant);
    liar.mesh.send(asked.did, { lane: "control", type: FRAME_TYPES["join-approved"], body });
    await world.settle();
    expect((await asked.ask(joiner)).kind).toBe("pending");
  }
});

test("one member can tell of a few machines only", async () => {
  const world = new World();
  const [told, teller] = [world.member({ keyPair: root }), world.member(undefined)];
  world.fake.link(told.did, teller.did);
  for (let count = 0; count < 20; count++) {
    const body = encodeAsked({ did: generateKeyPair().did, name: "x", address: `/ip4/10.0.0.${count}/tcp/1` });
    teller.mesh.send(told.did, { lane: "control", type: FRAME_TYPES["join-asked"], body });
  }
  await world.settle();
  expect(told.joining.pending()).toHaveLength(PENDING_PER_HOST_MAX);
  // Who asks this node itself is not shut out by it, and takes its own request back from the teller.
  const [first] = told.joining.pending();
  const direct = generateKeyPair().did;
  expect((await told.ask(direct)).kind).toBe("pending");
  expect(told.joining.pending().map(({ did }) => did)).toEqual(expect.arrayContaining([direct, first?.did]));
});
