/**
 * A sender, a recipient that is mostly away, and two members that hold mail, while the network loses, doubles, reorders
 * and cuts, disks are slow, processes crash with what was not synced, and wall clocks jump; all drawn from one seed. Then
 * the weather ends, and the sender may be dead for good. Always: within a lane what takes effect is in order. At the end:
 * what a holder said that it keeps has taken effect exactly once, also without the sender; with the sender, everything
 * that was stored has, and nobody keeps anything any more.
 */
import type { Did } from "../../packages/easynet/src/identity/index.ts";
import {
  type Clock,
  EasynetError,
  isEasynetError,
  noMetrics,
  pick,
  type Random,
  seededRandom,
  silentLogger,
} from "../../packages/easynet/src/kernel/index.ts";
import {
  createDelivery,
  type Delivery,
  type ReceivedMessage,
  type Transaction,
} from "../../packages/easynet/src/messaging/index.ts";
import { comparePositions, endOf } from "../../packages/easynet/src/messaging/delivery/position.ts";
import {
  decodeAnswer,
  decodeMail,
  type MailAddress,
  type MailAnswer,
} from "../../packages/easynet/src/messaging/mail/mail-codec.ts";
import { PRIORITIES } from "../../packages/easynet/src/model/index.ts";
import { fakeKeyPair, type FakeMesh, FakeNetwork, VirtualClock } from "../../packages/easynet/src/testing/index.ts";
import { FRAME_TYPES } from "../../packages/easynet/src/wire/index.ts";
import { SlowDisk } from "./delivery-store.ts";

/** `early-holder` and `early-recipient`: they say that it is on disk before it is. `forgetful-recipient`: has no positions. */
export type MailBug = "early-holder" | "early-recipient" | "forgetful-recipient";

export interface MailWorldOptions {
  readonly seed: number;
  readonly bug?: MailBug;
  /** Whether the sender comes back in the end. @default drawn */
  readonly senderDies?: boolean;
  /** Crashes of each turn, 0 to 1. @default drawn */
  readonly crashes?: number;
  /** The longest sync of a disk. @default drawn */
  readonly syncMsMax?: number;
}

type Role = "sender" | "recipient" | "holder";

interface Life {
  readonly delivery: Delivery;
  readonly mesh: FakeMesh;
  alive: boolean;
}

interface Place {
  readonly role: Role;
  readonly number: number;
  readonly did: Did;
  disk: SlowDisk;
  epoch: number;
  life: Life | undefined;
  wallOffsetMs: number;
}

interface Sent {
  readonly label: string;
  /** Epoch, lane and sequence. */
  readonly identity: string;
  readonly durable: boolean;
  stored: boolean;
}

const ROLES: readonly Role[] = ["sender", "recipient", "holder", "holder"];
/** A recipient is away most of the time, a sender long enough at hand to hand over. */
const CRASH_WEIGHTS = { sender: 0.3, recipient: 3, holder: 1 } as const;
const HOUR_MS = 3_600_000;
const SETTLE_MS_MAX = 900_000;
const STEP_MS = 200;

export class MailWorld {
  readonly problems: string[] = [];
  readonly counts = { sent: 0, promised: 0, effects: 0 };
  readonly #options: MailWorldOptions;
  readonly #random: Random;
  readonly #clock = new VirtualClock();
  readonly #network: FakeNetwork;
  readonly #places: readonly Place[];
  readonly #sent = new Map<string, Sent>();
  readonly #promises = new Promises();
  readonly #sequences = new Map<string, number>();
  readonly #weather: { readonly lossRatio: number; readonly doubleRatio: number; readonly crashes: number };
  readonly #senderDies: boolean;
  #stormy = true;

  constructor(options: MailWorldOptions) {
    const random = seededRandom(options.seed);
    this.#options = options;
    this.#random = random;
    const ratio = (): number => (random.next() < 0.4 ? 0 : random.next() * 0.2);
    this.#weather = { lossRatio: ratio(), doubleRatio: ratio(), crashes: options.crashes ?? random.next() * 0.3 };
    this.#senderDies = options.senderDies ?? random.next() < 0.5;
    const latencyMs = 1 + random.next() * (random.next() < 0.2 ? 400 : 30);
    this.#network = new FakeNetwork({
      clock: this.#clock,
      latencyMs: () => 0.5 + random.next() * latencyMs,
      noticeMs: () => random.next() * 300,
      dialMs: 5,
    });
    const syncMsMax = options.syncMsMax ?? 1 + random.next() * (random.next() < 0.3 ? 300 : 10);
    this.#places = ROLES.map((role, index) => ({
      role,
      number: index + 1,
      did: fakeKeyPair(index + 1).did,
      disk: new SlowDisk({ clock: this.#clock, random, syncMsMax }, this.#bugOf(role)),
      epoch: 0,
      life: undefined,
      wallOffsetMs: 0,
    }));
  }

  /** @returns what was wrong, empty when nothing was */
  async run(): Promise<readonly string[]> {
    const [sender, recipient] = this.#places;
    if (!sender || !recipient) return ["no places"];
    for (const place of this.#places) this.#start(place);
    for (let turns = 0; turns < 25; turns++) {
      this.#act(sender, recipient);
      await this.#pass(500 + this.#random.next() * 8000);
    }
    // Long enough away for everything to be handed over, or nothing: both are to be right.
    this.#crash(recipient);
    await this.#pass(this.#random.next() * 90_000);
    this.#stormy = false;
    this.#network.heal();
    if (this.#senderDies) this.#crash(sender);
    for (const place of this.#places) if (place.role === "holder" && this.#random.next() < 0.5) this.#crash(place);
    const alive = this.#places.filter((place) => place !== sender || !this.#senderDies);
    for (const place of alive) this.#start(place);
    await this.#pass(this.#random.next() * 3000);
    if (this.#random.next() < 0.5) this.#crash(recipient);
    this.#start(recipient);
    await this.#settle();
    this.#judge(recipient);
    for (const place of this.#places) this.#crash(place);
    return this.problems;
  }

  #bugOf(role: Role): "early" | "forgets-positions" | undefined {
    const { bug } = this.#options;
    if (bug === "early-holder" && role === "holder") return "early";
    if (role !== "recipient") return undefined;
    if (bug === "early-recipient") return "early";
    return bug === "forgetful-recipient" ? "forgets-positions" : undefined;
  }

  async #pass(durationMs: number): Promise<void> {
    for (let leftMs = durationMs; leftMs > 0; leftMs -= STEP_MS) {
      this.#clock.advance(Math.min(leftMs, STEP_MS));
      await turn();
    }
  }

  async #settle(): Promise<void> {
    for (let passedMs = 0; passedMs < SETTLE_MS_MAX; passedMs += 2000) {
      await this.#pass(2000);
      const idle = this.#places.every((place) => this.#isIdle(place));
      if (idle && (!this.#senderDies || passedMs > 60_000)) return;
    }
    for (const { role, number, disk, life } of this.#places) {
      if (!life) continue;
      // Without the sender what it handed behind a gap waits until it lapses.
      const held = this.#senderDies ? 0 : disk.list("mail-held").length;
      const [inbox, outbox] = [disk.list("message-inbox").length, disk.list("message-outbox").length];
      if (held + inbox + outbox > 0) {
        this.problems.push(
          `${role} ${number} still has ${held} held, ${inbox} taken and ${outbox} unacknowledged batches`,
        );
      }
    }
  }

  #isIdle({ life, disk }: Place): boolean {
    const spaces = ["message-inbox", "message-outbox", ...(this.#senderDies ? [] : ["mail-held"])];
    return !life || spaces.every((space) => disk.list(space).length === 0);
  }

  #act(sender: Place, recipient: Place): void {
    const { crashes } = this.#weather;
    const chance = (ratio: number): boolean => this.#random.next() < ratio;
    for (const place of this.#places) {
      if (!place.life) {
        if (chance(place === recipient ? 0.2 : 0.7)) this.#start(place);
      } else if (chance(CRASH_WEIGHTS[place.role] * crashes)) this.#crash(place);
      if (chance(0.05)) place.wallOffsetMs += chance(0.5) ? HOUR_MS : -HOUR_MS;
    }
    if (chance(0.2)) this.#network.cut(sender.did, pick(this.#random, this.#places)?.did ?? recipient.did);
    for (let left = Math.floor(this.#random.next() * 8); left > 0; left--) this.#send(sender, recipient.did);
  }

  #start(place: Place): void {
    if (place.life) return;
    place.epoch += 1;
    const mesh = this.#network.join(place.did, { epoch: place.epoch });
    this.#disturb(mesh, place);
    const life: Life = { mesh, alive: true, delivery: this.#delivery(place, mesh, () => life.alive) };
    place.life = life;
    life.delivery.handle((message, transaction) => this.#handle(message, transaction));
    for (const { did } of this.#places) if (did !== place.did) mesh.learn(did, ["fake"]);
    void mesh.start();
  }

  #delivery(place: Place, mesh: FakeMesh, isAlive: () => boolean): Delivery {
    const clock: Clock = {
      nowMs: () => this.#clock.nowMs() + place.wallOffsetMs,
      monotonicMs: () => this.#clock.monotonicMs(),
      setTimer: (delayMs, callback) => this.#clock.setTimer(delayMs, () => void (isAlive() && callback())),
    };
    const ports = { clock, random: this.#random, logger: silentLogger, metrics: noMetrics };
    const holders = this.#places.filter(({ role }) => role === "holder");
    return createDelivery({
      mesh,
      keyPair: fakeKeyPair(place.number),
      store: place.disk,
      epoch: place.epoch,
      ...ports,
      mail: {
        membership: () => Buffer.from(`member ${place.did}`),
        verifyMember: async (bytes, member) => {
          if (Buffer.from(bytes).toString() === `member ${member}`) return;
          throw new EasynetError("MEMBERSHIP_INVALID", { peer: member, reason: "it is another's" });
        },
        holders: () => holders.filter(({ life }) => life !== undefined).map(({ did }) => did),
        holdBytesMax: place.role === "holder" ? 64 * 1024 * 1024 : 0,
      },
    });
  }

  #crash(place: Place): void {
    const { life } = place;
    if (!life) return;
    life.alive = false;
    place.life = undefined;
    this.#network.crash(place.did);
    place.disk = place.disk.crash();
    void life.delivery.close();
  }

  /** Frames get lost and doubled while there is weather. */
  #disturb(mesh: FakeMesh, { role }: Place): void {
    const send = mesh.send.bind(mesh);
    mesh.send = (to, frame) => {
      if (role === "sender" && frame.type === FRAME_TYPES["mail-keep"])
        this.#promises.handed(to, decodeMail(frame.body));
      if (this.#stormy && this.#random.next() < this.#weather.lossRatio) return true;
      if (this.#stormy && this.#random.next() < this.#weather.doubleRatio) send(to, frame);
      return send(to, frame);
    };
    const handle = mesh.handle.bind(mesh);
    mesh.handle = (type, handler) =>
      handle(type, (frame) => {
        if (type === FRAME_TYPES["mail-kept"]) this.#promises.kept(frame.from, decodeAnswer(frame.body));
        return handler(frame);
      });
  }

  #send(sender: Place, to: Did): void {
    const priority = pick(this.#random, PRIORITIES) ?? "normal";
    if (!sender.life) return;
    const life = sender.life;
    const number = (this.#sequences.get(priority) ?? 0) + 1;
    const lane = `${sender.epoch} ${PRIORITIES.indexOf(priority)}`;
    const sequence = (this.#sequences.get(lane) ?? 0) + 1;
    const durable = this.#random.next() > 0.15;
    const label = `${priority}/${number}`;
    const message = { kind: "note", payload: Buffer.from(label), priority, expiresInMs: 100 * HOUR_MS } as const;
    try {
      const handle = life.delivery.send(to, { ...message, durability: durable ? "disk" : "volatile" });
      this.#sequences.set(priority, number);
      this.#sequences.set(lane, sequence);
      const sent = { label, identity: `${lane} ${sequence}`, durable, stored: false };
      this.#sent.set(label, sent);
      this.counts.sent += 1;
      handle.stored.then(
        () => (sent.stored = life.alive || sent.stored),
        () => undefined,
      );
    } catch (error) {
      if (!isEasynetError(error, "BACKPRESSURE")) throw error;
    }
  }

  #handle(message: ReceivedMessage, transaction: Transaction): void {
    const label = Buffer.from(message.payload).toString();
    const numberIn = (space: string, key: string): number =>
      Number(Buffer.from(transaction.get(space, key) ?? []).toString());
    if (message.durability === "volatile") return;
    const [lane = "", number = ""] = label.split("/");
    const before = numberIn("order", lane);
    if (Number(number) <= before) this.problems.push(`${label} took effect after ${before}`);
    transaction.put("order", lane, Buffer.from(number));
    transaction.put("effects", label, Buffer.from(String(numberIn("effects", label) + 1)));
  }

  #judge({ disk }: Place): void {
    const effects = new Map<string, number>();
    for (const { key, value } of disk.list("effects", { limit: 10_000 })) {
      effects.set(key, Number(Buffer.from(value).toString()));
    }
    this.counts.effects = effects.size;
    this.counts.promised = this.#promises.identities.size;
    for (const { label, identity, durable, stored } of this.#sent.values()) {
      if (!durable) continue;
      const count = effects.get(label) ?? 0;
      const promised = this.#promises.identities.has(identity);
      if (count === 0 && promised) this.problems.push(`${label} was promised and is lost`);
      if (count === 0 && stored && !this.#senderDies) this.problems.push(`${label} is lost`);
      if (count > 1) this.problems.push(`${label} took effect ${count} times`);
    }
  }
}

/** What a sender was told: of each lane and holder, everything that it handed up to the first gap. */
class Promises {
  /** Epoch, lane and sequence of messages. */
  readonly identities = new Set<string>();
  /** By holder and lane: what was handed in a row, and whether the holder said that it has it. */
  readonly #rows = new Map<string, { readonly address: MailAddress; kept: boolean }[]>();

  handed(holder: Did, { lane, epoch, first, count }: MailAddress): void {
    const row = this.#rows.get(`${holder} ${lane}`) ?? [];
    const last = row.at(-1)?.address;
    const again = last && comparePositions(endOf(last), { epoch, sequence: first }) >= 0;
    if (again) row.length = 0;
    row.push({ address: { lane, epoch, first, count }, kept: false });
    this.#rows.set(`${holder} ${lane}`, row);
  }

  kept(holder: Did, { lane, epoch, first, value }: MailAnswer): void {
    const row = this.#rows.get(`${holder} ${lane}`) ?? [];
    for (const each of row) {
      if (each.address.epoch === epoch && each.address.first === first && value > 0) each.kept = true;
    }
    for (const { address, kept } of row) {
      if (!kept) return;
      for (let index = 0; index < address.count; index++) {
        this.identities.add(`${address.epoch} ${lane} ${address.first + index}`);
      }
    }
  }
}

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
}
