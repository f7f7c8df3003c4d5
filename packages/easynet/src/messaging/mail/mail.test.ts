import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Did, sealTo } from "../../identity/index.ts";
import { EasynetError, type MetricLabels, noMetrics, seededRandom, silentLogger } from "../../kernel/index.ts";
import type { MeshFrame } from "../../mesh/index.ts";
import { fakeKeyPair, type FakeMesh, FakeNetwork, MemoryStore, VirtualClock } from "../../testing/index.ts";
import { FRAME_TYPES } from "../../wire/index.ts";
import { PREFIX_BYTES } from "../delivery/batch-layout.ts";
import { BatchBuilder } from "../delivery/batch-builder.ts";
import { writePrefix } from "../delivery/batch-reader.ts";
import { readProof, signBatch } from "../delivery/batch-signature.ts";
import { checkMessage } from "../delivery/check-message.ts";
import { createDelivery } from "../delivery/delivery.ts";
import { SIGNED_BYTES_MAX } from "../delivery/limits.ts";
import { START } from "../delivery/position.ts";
import type { Delivery, ReceivedMessage } from "../delivery/types.ts";
import { AWAY_AFTER_MS, BROKEN_COUNT_MAX, BROKEN_PAUSE_MS, KEEP_MS_MIN } from "./limits.ts";
import {
  decodeAnswer,
  encodeAnswer,
  encodeContent,
  encodeMail,
  type MailAnswer,
  OUTCOMES,
  sealContext,
} from "./mail-codec.ts";
import { MAIL_PURPOSE } from "./mail-sender.ts";

const [SENDER, RECIPIENT, HOLDER, HOSTILE] = [1, 2, 3, 4];
const HOUR_MS = 3_600_000;
const keys = [0, 1, 2, 3, 4].map((number) => fakeKeyPair(number));
const didOf = (number: number): Did => fakeKeyPair(number).did;

interface Station {
  readonly mesh: FakeMesh;
  readonly delivery: Delivery;
  readonly store: MemoryStore;
  readonly seen: ReceivedMessage[];
  readonly refused: MetricLabels[];
}

let clock: VirtualClock;
let network: FakeNetwork;
let stations: Station[];

beforeEach(() => {
  clock = new VirtualClock();
  network = new FakeNetwork({ clock, latencyMs: 1, autoLink: false });
  stations = [];
});
afterEach(async () => {
  const closing = Promise.all(stations.map(({ delivery }) => delivery.close()));
  await pass(2500);
  await closing;
});

async function pass(durationMs: number): Promise<void> {
  for (let leftMs = durationMs; leftMs > 0; leftMs -= 100) {
    clock.advance(Math.min(100, leftMs));
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

function station(
  number: number,
  changes: { readonly holdBytesMax?: number; readonly store?: MemoryStore } = {},
): Station {
  const { holdBytesMax = 0, store = new MemoryStore() } = changes;
  const mesh = network.join(didOf(number), { epoch: 1 });
  const refused: MetricLabels[] = [];
  const metrics = {
    ...noMetrics,
    count: (name: string, labels: MetricLabels = {}) =>
      void (name === "easynet_mail_refused_total" && refused.push(labels)),
  };
  const ports = { clock, random: seededRandom(number), logger: silentLogger, metrics };
  const delivery = createDelivery({
    ...ports,
    mesh,
    store,
    keyPair: fakeKeyPair(number),
    epoch: 1,
    mail: {
      membership: () => Buffer.from(mesh.self),
      async verifyMember(bytes, member) {
        if (Buffer.from(bytes).toString() !== member)
          throw new EasynetError("MEMBERSHIP_INVALID", { peer: member, reason: "no" });
      },
      holders: () => [didOf(HOLDER)],
      holdBytesMax,
    },
  });
  const seen: ReceivedMessage[] = [];
  delivery.handle((message) => void seen.push(message));
  const made = { mesh, delivery, store, seen, refused };
  stations.push(made);
  return made;
}

/** A member that says what it wants: no delivery of its own. */
function hostile(): { readonly mesh: FakeMesh; readonly answers: MailAnswer[] } {
  const mesh = network.join(didOf(HOSTILE), { epoch: 1 });
  const answers: MailAnswer[] = [];
  const note = ({ body }: MeshFrame): void => void answers.push(decodeAnswer(body));
  for (const type of [FRAME_TYPES["mail-kept"], FRAME_TYPES["mail-taken"]]) mesh.handle(type, note);
  return { mesh, answers };
}

interface Forgery {
  readonly signer?: number;
  readonly membership?: string;
  readonly recipient?: number;
  readonly ageMs?: number;
  readonly first?: number;
  readonly unsigned?: boolean;
}

const ADDRESS = { lane: 2, epoch: 1, first: 1, count: 1 };

/** Mail of the sender to the recipient, or something that looks like it. */
function sealed(text: string, forgery: Forgery = {}): Uint8Array {
  const { signer = SENDER, membership = didOf(SENDER), recipient = RECIPIENT, ageMs = 0, first = 1 } = forgery;
  const builder = new BatchBuilder({ epoch: 1, lane: 2, first, sentAtMs: clock.nowMs() - ageMs });
  builder.add(checkMessage({ kind: "note", payload: Buffer.from(text), expiresInMs: HOUR_MS }));
  const bytes = builder.seal().subarray(PREFIX_BYTES);
  const batch = forgery.unsigned ? bytes : signBatch(keys[signer] ?? fakeKeyPair(signer), didOf(recipient), bytes);
  const frame = Buffer.concat([Buffer.alloc(PREFIX_BYTES), batch]);
  writePrefix(frame, { ageMs, after: START });
  const associated = sealContext(didOf(SENDER), didOf(RECIPIENT), ADDRESS);
  return sealTo(didOf(RECIPIENT), encodeContent(Buffer.from(membership), frame), { purpose: MAIL_PURPOSE, associated });
}

function giveMail(from: FakeMesh, bytes: Uint8Array, durationMs = 0): void {
  const body = encodeMail({ other: didOf(SENDER), ...ADDRESS, durationMs, sealed: bytes });
  from.send(didOf(RECIPIENT), { lane: "bulk", type: FRAME_TYPES.mail, body });
}

const textsOf = ({ seen }: Station): readonly string[] => seen.map(({ payload }) => Buffer.from(payload).toString());

describe("mail between three nodes", () => {
  test("goes to the holder after 30 s, says so, and comes once, whichever way is first", async () => {
    const [sender, holder] = [station(SENDER), station(HOLDER, { holdBytesMax: 1 << 20 })];
    network.link(didOf(SENDER), didOf(HOLDER));
    sender.delivery.send(didOf(RECIPIENT), { kind: "note", payload: Buffer.from("1"), expiresInMs: HOUR_MS });
    await pass(AWAY_AFTER_MS - 2000);
    expect(holder.delivery.held()).toEqual([]);
    await pass(4000);
    expect(holder.delivery.held()).toMatchObject([{ sender: didOf(SENDER), recipient: didOf(RECIPIENT), batches: 1 }]);
    expect(sender.delivery.outbox()).toMatchObject([{ queued: 1, holder: didOf(HOLDER), handed: 1 }]);
    const recipient = station(RECIPIENT);
    network.link(didOf(SENDER), didOf(RECIPIENT));
    network.link(didOf(HOLDER), didOf(RECIPIENT));
    await pass(3000);
    expect(textsOf(recipient)).toEqual(["1"]);
    expect([sender.delivery.outbox(), holder.delivery.held()]).toEqual([[], []]);
  });

  test("survives the holder, is not given to others, and lapses with its life", async () => {
    const [sender, holder] = [station(SENDER), station(HOLDER, { holdBytesMax: 1 << 20 })];
    network.link(didOf(SENDER), didOf(HOLDER));
    sender.delivery.send(didOf(RECIPIENT), { kind: "note", payload: Buffer.from("secret"), expiresInMs: 1000 });
    sender.delivery.send(didOf(RECIPIENT), {
      kind: "note",
      payload: Buffer.from("2"),
      expiresInMs: HOUR_MS,
      priority: "low",
    });
    const leaving = sender.delivery.close();
    await pass(1000);
    await leaving;
    const rows = holder.store.list("mail-held");
    expect(rows).toHaveLength(2);
    for (const { value } of rows) expect(Buffer.from(value).includes("secret")).toBe(false);
    network.crash(didOf(HOLDER));
    await pass(100);
    const again = station(HOLDER, { holdBytesMax: 0, store: holder.store.reopen() });
    expect(again.delivery.held()).toMatchObject([{ batches: 2 }]);
    await pass(KEEP_MS_MIN);
    expect(again.delivery.held()).toMatchObject([{ batches: 1 }]);
    const recipient = station(RECIPIENT);
    network.link(didOf(HOLDER), didOf(RECIPIENT));
    await pass(1000);
    expect(textsOf(recipient)).toEqual(["2"]);
    expect(again.store.list("mail-held")).toEqual([]);
  });

  test("is refused where none is held, for the holder itself, for the sender, and when it cannot be read", async () => {
    const { mesh, answers } = hostile();
    const holder = station(HOLDER, { holdBytesMax: 1 << 20 });
    const closed = station(RECIPIENT);
    for (const number of [HOLDER, RECIPIENT]) network.link(didOf(HOSTILE), didOf(number));
    const keep = (to: number, other: Did, bytes: Uint8Array): void => {
      const body = encodeMail({ other, ...ADDRESS, durationMs: 1000, sealed: bytes });
      mesh.send(didOf(to), { lane: "bulk", type: FRAME_TYPES["mail-keep"], body });
    };
    await pass(100);
    keep(RECIPIENT, didOf(SENDER), new Uint8Array(100));
    keep(HOLDER, didOf(HOLDER), new Uint8Array(100));
    keep(HOLDER, didOf(HOSTILE), new Uint8Array(100));
    await pass(100);
    expect(answers.map(({ value }) => value)).toEqual([0, 0, 0]);
    keep(HOLDER, didOf(SENDER), new Uint8Array(3));
    for (const body of [new Uint8Array(), new Uint8Array(78), new Uint8Array(1 << 19)]) {
      mesh.send(didOf(HOLDER), { lane: "bulk", type: FRAME_TYPES["mail-keep"], body });
      mesh.send(didOf(HOLDER), { lane: "bulk", type: FRAME_TYPES["mail-taken"], body });
    }
    mesh.send(didOf(HOLDER), {
      lane: "bulk",
      type: FRAME_TYPES["mail-taken"],
      body: encodeAnswer({ other: didOf(SENDER), ...ADDRESS, value: 1 }),
    });
    await pass(100);
    const reasons = holder.refused.map(({ reason }) => reason);
    expect(reasons.filter((reason) => reason === "recipient")).toHaveLength(2);
    expect(reasons.filter((reason) => reason === "malformed")).toHaveLength(7);
    expect(closed.refused).toEqual([{ reason: "not-offered" }]);
    expect(answers).toHaveLength(3);
    expect(holder.store.list("mail-held")).toEqual([]);
  });
});

describe("a message that was signed", () => {
  test("can be proved by who got it, also after a restart; one that was not cannot", async () => {
    const [sender, recipient] = [station(SENDER), station(RECIPIENT)];
    network.link(didOf(SENDER), didOf(RECIPIENT));
    const send = (text: string, signed: boolean): string =>
      sender.delivery.send(didOf(RECIPIENT), { kind: "note", payload: Buffer.from(text), signed }).id;
    const plain = send("plain", false);
    await pass(1000);
    const signed = send("signed", true);
    await pass(1000);
    expect(textsOf(recipient)).toEqual(["plain", "signed"]);
    network.crash(didOf(RECIPIENT));
    await pass(100);
    const again = station(RECIPIENT, { store: recipient.store.reopen() });
    const proven = readProof(again.delivery.prove(signed));
    expect(proven).toMatchObject({ recipient: didOf(RECIPIENT), message: { sender: didOf(SENDER), id: signed } });
    const unknown = expect.objectContaining({ code: "PROOF_NOT_FOUND" });
    for (const id of [plain, "nothing"]) expect(() => again.delivery.prove(id)).toThrow(unknown);
  });

  test("is not taken from a link when another one signed it", async () => {
    const { mesh } = hostile();
    const recipient = station(RECIPIENT);
    network.link(didOf(HOSTILE), didOf(RECIPIENT));
    await pass(100);
    const builder = new BatchBuilder({ epoch: 1, lane: 2, first: 1, sentAtMs: clock.nowMs() });
    builder.add(checkMessage({ kind: "note", payload: Buffer.from("mine") }));
    const bytes = builder.seal().subarray(PREFIX_BYTES);
    for (const signer of [SENDER, HOSTILE]) {
      const body = Buffer.concat([Buffer.alloc(PREFIX_BYTES), signBatch(fakeKeyPair(signer), didOf(RECIPIENT), bytes)]);
      writePrefix(body, { ageMs: 0, after: START });
      mesh.send(didOf(RECIPIENT), { lane: "normal", type: FRAME_TYPES["message-batch"], body });
      await pass(300);
      expect(textsOf(recipient)).toEqual(signer === HOSTILE ? ["mine"] : []);
    }
  });

  test("is kept to a limit, the newest", async () => {
    const [sender, recipient] = [station(SENDER), station(RECIPIENT)];
    network.link(didOf(SENDER), didOf(RECIPIENT));
    const ids: string[] = [];
    for (let count = 0; count < 100; count++) {
      const message = { kind: "note", payload: new Uint8Array(200_000), signed: true } as const;
      ids.push(sender.delivery.send(didOf(RECIPIENT), message).id);
      await pass(100);
    }
    await pass(2000);
    expect(recipient.seen).toHaveLength(100);
    const kept = recipient.store
      .list("message-signed", { limit: 1000 })
      .reduce((sum, { value }) => sum + value.length, 0);
    expect(kept).toBeLessThanOrEqual(SIGNED_BYTES_MAX);
    expect(readProof(recipient.delivery.prove(ids.at(-1) ?? "")).message.id).toBe(ids.at(-1));
    expect(() => recipient.delivery.prove(ids[0] ?? "")).toThrow(expect.objectContaining({ code: "PROOF_NOT_FOUND" }));
  });
});

describe("a holder that is not honest", () => {
  test.each<readonly [string, () => Uint8Array]>([
    ["altered what it kept", () => sealed("x").map((byte, index) => (index === 60 ? byte ^ 1 : byte))],
    ["made noise", () => new Uint8Array(200)],
    ["is not whom the batch is signed by", () => sealed("x", { signer: HOSTILE })],
    ["left out the signature", () => sealed("x", { unsigned: true })],
    ["sealed what was signed for another", () => sealed("x", { recipient: HOSTILE })],
    ["shows another's membership", () => sealed("x", { membership: didOf(HOSTILE) })],
    ["calls it another batch", () => sealed("x", { first: 2 })],
  ])("is found out when it %s, and the right mail still arrives", async (_, forge) => {
    const { mesh, answers } = hostile();
    const recipient = station(RECIPIENT);
    network.link(didOf(HOSTILE), didOf(RECIPIENT));
    await pass(100);
    giveMail(mesh, forge());
    await pass(1000);
    expect(answers).toMatchObject([{ value: OUTCOMES.broken, first: 1 }]);
    expect([textsOf(recipient), recipient.refused]).toEqual([[], [{ reason: "broken" }]]);
    giveMail(mesh, sealed("right"));
    giveMail(mesh, sealed("right"));
    await pass(1000);
    expect(textsOf(recipient)).toEqual(["right"]);
    expect(answers.map(({ value }) => value)).toEqual([OUTCOMES.broken, OUTCOMES.taken, OUTCOMES.taken]);
  });

  test("is not listened to for a minute after too much of that", async () => {
    const { mesh, answers } = hostile();
    const recipient = station(RECIPIENT);
    network.link(didOf(HOSTILE), didOf(RECIPIENT));
    await pass(100);
    for (let count = 0; count < BROKEN_COUNT_MAX + 5; count++) giveMail(mesh, new Uint8Array(100));
    await pass(1000);
    giveMail(mesh, sealed("right"));
    await pass(1000);
    expect([answers.length, textsOf(recipient)]).toEqual([BROKEN_COUNT_MAX, []]);
    await pass(BROKEN_PAUSE_MS);
    giveMail(mesh, sealed("right"));
    await pass(1000);
    expect(textsOf(recipient)).toEqual(["right"]);
  });

  test("can neither let a message expire nor keep it alive", async () => {
    const { mesh } = hostile();
    const recipient = station(RECIPIENT);
    network.link(didOf(HOSTILE), didOf(RECIPIENT));
    await pass(100);
    giveMail(mesh, sealed("young"), 365 * 24 * HOUR_MS);
    await pass(1000);
    expect(textsOf(recipient)).toEqual(["young"]);
    const later = station(SENDER);
    network.link(didOf(HOSTILE), didOf(SENDER));
    const old = sealed("old", { ageMs: 0 });
    await later.delivery.close();
    clock.advance(2 * HOUR_MS);
    await recipient.delivery.forget(didOf(SENDER));
    giveMail(mesh, old, 0);
    await pass(1000);
    expect(recipient.delivery.deadLetters.list()).toMatchObject([{ reason: "expired" }]);
  });
});
