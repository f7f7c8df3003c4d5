import { describe, expect, test } from "vitest";
import {
  type Did,
  generateKeyPair,
  issueMembership,
  type Membership,
  parseInviteCode,
  proveInvite,
  verifyMembership,
} from "../identity/index.ts";
import { silentLogger } from "../kernel/index.ts";
import { MemoryStore } from "../storage/index.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { Invitations } from "./invitations.ts";
import { INVITES_COUNT_MAX } from "./invite-book.ts";
import { decodeJoinAnswer, encodeJoinRequest, type JoinAnswer } from "./join-messages.ts";
import type { Granter } from "./network.ts";
import { PENDING_COUNT_MAX, PENDING_LIFETIME_MS, PENDING_PER_HOST_MAX } from "./pending-joins-core.ts";

const root = generateKeyPair();
const node = generateKeyPair();
const self = node.did;

function begin(
  store = new MemoryStore(),
  clock = new VirtualClock(),
  granter: Granter | undefined = { keyPair: root },
) {
  const asked: string[] = [];
  const invitations = new Invitations({
    keyPair: node,
    network: { did: root.did, name: "home" },
    granter: () => granter,
    store,
    clock,
    logger: silentLogger,
    addresses: () => ["/ip4/127.0.0.1/tcp/1"],
    memberAddresses: () => [],
    onAsked: ({ did }) => asked.push(did),
  });
  const answer = async (did: Did, request: Uint8Array, address = "/ip4/10.0.0.1/tcp/1"): Promise<JoinAnswer> =>
    decodeJoinAnswer(await invitations.answer({ did, address, request }));
  const show = async (code: string, joiner: Did): Promise<Uint8Array> => {
    const proof = await proveInvite(parseInviteCode(code), { joiner, nowMs: clock.nowMs() });
    return encodeJoinRequest({ network: root.did, issuer: self, name: "it", proof });
  };
  const codeFor = async (uses = 1): Promise<string> => (await invitations.invite({ uses })).code ?? "";
  return { invitations, store, clock, answer, show, codeFor, asked };
}

/** What an answer grants to `member`. */
async function rights(answer: JoinAnswer, member: Did): Promise<Membership> {
  const delegation = answer.kind === "granted" ? answer.delegation : new Uint8Array();
  return verifyMembership(delegation, { network: root.did, member, nowMs: new VirtualClock().nowMs() });
}
const codeOf = (answer: JoinAnswer): string => (answer.kind === "refused" ? answer.error.code : answer.kind);
const stranger = (): Did => generateKeyPair().did;

describe("a request with a code", () => {
  test("is answered with a membership of exactly the key that asked", async () => {
    const { answer, show, codeFor, clock } = begin();
    const joiner = stranger();
    const granted = await answer(joiner, await show(await codeFor(), joiner));
    const delegation = granted.kind === "granted" ? granted.delegation : new Uint8Array();
    const options = { network: root.did, nowMs: clock.nowMs() };
    await expect(verifyMembership(delegation, { ...options, member: joiner })).resolves.toMatchObject({
      member: joiner,
    });
    await expect(verifyMembership(delegation, { ...options, member: stranger() })).rejects.toThrow(/another key/);
  });

  test("replayed word for word by another machine is refused", async () => {
    const { answer, show, codeFor } = begin();
    const joiner = stranger();
    const request = await show(await codeFor(2), joiner);
    expect(codeOf(await answer(joiner, request))).toBe("granted");
    expect(codeOf(await answer(stranger(), request))).toBe("INVITE_INVALID");
  });

  test("is granted as often as the code allows, whatever races", async () => {
    const { answer, show, codeFor, invitations } = begin();
    const code = await codeFor(3);
    const joiners = Array.from({ length: 8 }, stranger);
    const answers = await Promise.all(joiners.map(async (joiner) => answer(joiner, await show(code, joiner))));
    expect(answers.map(codeOf).filter((kind) => kind === "granted")).toHaveLength(3);
    expect(answers.map(codeOf).filter((kind) => kind === "INVITE_USED")).toHaveLength(5);
    expect(invitations.invites()[0]?.joined).toHaveLength(3);
  });

  test("counts once for one machine: after a crash between use and answer it is let in, others are not", async () => {
    const before = begin();
    const code = await before.codeFor();
    const joiner = stranger();
    await before.answer(joiner, await before.show(code, joiner));
    const after = begin(before.store.reopen(), before.clock);
    expect(codeOf(await after.answer(joiner, await after.show(code, joiner)))).toBe("granted");
    const thief = stranger();
    expect(codeOf(await after.answer(thief, await after.show(code, thief)))).toBe("INVITE_USED");
  });

  test("admits nobody while the use cannot be written", async () => {
    const { answer, show, codeFor, store } = begin();
    const code = await codeFor();
    const joiner = stranger();
    store.fault = "full";
    const refused = await answer(joiner, await show(code, joiner));
    expect(codeOf(refused)).toBe("JOIN_REFUSED");
    store.fault = "none";
    const other = stranger();
    expect(codeOf(await answer(other, await show(code, other)))).toBe("granted");
  });

  test("is refused after its time, when called back, and by a store that does not know it", async () => {
    const { answer, show, codeFor, clock, invitations } = begin();
    const joiner = stranger();
    const late = await show(await codeFor(), joiner);
    clock.advance(900_000);
    expect(codeOf(await answer(joiner, late))).toBe("INVITE_EXPIRED");
    const made = await invitations.invite();
    const request = await show(made.code ?? "", joiner);
    await invitations.revoke(made.id);
    expect(codeOf(await answer(joiner, request))).toBe("INVITE_REVOKED");
    const fresh = await show(await codeFor(), joiner);
    expect(codeOf(await begin(new MemoryStore(), clock).answer(joiner, fresh))).toBe("INVITE_REVOKED");
  });

  test("that is no request at all is an answer too", async () => {
    const { answer } = begin();
    for (const bytes of [[], [0xc0], [0x93, 1, 2, 3], [0xff, 0xff]]) {
      expect(codeOf(await answer(stranger(), Uint8Array.from(bytes)))).toMatch(/^FRAME_/);
    }
  });
});

describe("a member that was let in", () => {
  /** A member by a delegation of the root key, with what it signs with. */
  async function member(mayInvite: boolean, clock: VirtualClock): Promise<Granter> {
    const times = { nowMs: clock.nowMs(), timeToLiveMs: 3_600_000 };
    const membership = await issueMembership(root, self, { ...times, mayInvite });
    return { keyPair: node, through: { network: root.did, membership } };
  }

  test("lets others in by its own right, who have the right again, and nobody by none", async () => {
    const clock = new VirtualClock();
    const { answer, show, codeFor } = begin(new MemoryStore(), clock, await member(true, clock));
    const joiner = stranger();
    const membership = await rights(await answer(joiner, await show(await codeFor(), joiner)), joiner);
    expect(membership).toMatchObject({ mayInvite: true, delegationsCount: 2 });
    expect(membership.expiresAtMs).toBeLessThanOrEqual(clock.nowMs() + 3_600_000);
    const powerless = begin(new MemoryStore(), clock, await member(false, clock));
    const refused = await powerless.answer(joiner, await powerless.show(await powerless.codeFor(), joiner));
    expect(codeOf(refused)).toBe("INVITE_RIGHT_MISSING");
  });

  test("makes members that cannot let others in when it is told so, also after a restart", async () => {
    const before = begin();
    const { code = "" } = await before.invitations.invite({ memberOnly: true });
    const after = begin(before.store.reopen(), before.clock);
    const joiner = stranger();
    const granted = await after.answer(joiner, await after.show(code, joiner));
    expect(await rights(granted, joiner)).toMatchObject({ mayInvite: false, delegationsCount: 1 });
    expect(after.invitations.invites()).toMatchObject([{ memberOnly: true, joined: [joiner] }]);
  });
});

describe("making invitations", () => {
  test("needs the right, and keeps to its ranges", async () => {
    const without = new Invitations({
      keyPair: node,
      network: { did: root.did, name: "home" },
      granter: () => undefined,
      store: new MemoryStore(),
      clock: new VirtualClock(),
      logger: silentLogger,
      addresses: () => [],
      memberAddresses: () => [],
    });
    await expect(without.invite()).rejects.toMatchObject({ code: "INVITE_RIGHT_MISSING" });
    expect(() => without.pending()).toThrow(/may not let others in/);
    const { invitations } = begin();
    for (const options of [{ uses: 0 }, { uses: 101 }, { uses: 1.5 }, { expiresMs: 1 }, { expiresMs: 700_000_000 }]) {
      await expect(invitations.invite(options)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    await expect(invitations.revoke("nothing!")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("is bounded; those that expired make room", async () => {
    const { invitations, clock } = begin();
    for (let count = 0; count < INVITES_COUNT_MAX; count++) await invitations.invite();
    await expect(invitations.invite()).rejects.toMatchObject({ code: "OVERLOADED" });
    clock.advance(900_000);
    await invitations.invite();
    expect(invitations.invites()).toHaveLength(1);
  });
});

describe("a request without a code", () => {
  const request = (name: string) =>
    encodeJoinRequest({ network: undefined, issuer: undefined, name, proof: undefined });

  test("waits, is told once, and is granted after the approval of its did only", async () => {
    const { answer, invitations, asked } = begin();
    const [joiner, other] = [stranger(), stranger()];
    expect(codeOf(await answer(joiner, request("desk")))).toBe("pending");
    expect(codeOf(await answer(joiner, request("desk")))).toBe("pending");
    expect(asked).toEqual([joiner]);
    await answer(other, request("desk"));
    await expect(invitations.approve("desk")).rejects.toThrow(/2 machines claim it/);
    await invitations.approve(joiner);
    expect(await rights(await answer(joiner, request("desk")), joiner)).toMatchObject({ mayInvite: true });
    await invitations.approve(other, { memberOnly: true });
    expect(await rights(await answer(other, request("desk")), other)).toMatchObject({ mayInvite: false });
  });

  test("is forgotten after ten minutes, approved or not", async () => {
    const { answer, invitations, clock } = begin();
    const joiner = stranger();
    await answer(joiner, request("desk"));
    clock.advance(PENDING_LIFETIME_MS);
    expect(invitations.pending()).toEqual([]);
    await expect(invitations.approve(joiner)).rejects.toMatchObject({ code: "JOIN_NOT_PENDING" });
  });

  test("is one of a few: neither one address nor many can fill the list beyond its limit", async () => {
    const { answer, invitations } = begin();
    const kinds: string[] = [];
    for (let count = 0; count < 10; count++) kinds.push(codeOf(await answer(stranger(), request("flood"))));
    expect(kinds.filter((kind) => kind === "pending")).toHaveLength(PENDING_PER_HOST_MAX);
    for (let host = 2; host < 60; host++) await answer(stranger(), request("flood"), `/ip4/10.0.0.${host}/tcp/9`);
    expect(invitations.pending()).toHaveLength(PENDING_COUNT_MAX);
  });
});
