/**
 * A few nodes that send each other messages while the network loses, doubles, reorders and cuts, disks are slow or full,
 * processes crash with what was not synced, and wall clocks jump; all drawn from one seed. Then the weather ends. Always:
 * within (sender, lane) what takes effect is in order. At the end: every message that was stored or acknowledged has
 * taken effect exactly once or is exactly one dead letter, also every answer that a handler sent; nothing is queued.
 */
import type { Did } from "../../packages/easynet/src/identity/index.ts";
import {
  type Clock,
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
import { PRIORITIES } from "../../packages/easynet/src/model/index.ts";
import {
  fakeDid,
  fakeKeyPair,
  type FakeMesh,
  FakeNetwork,
  VirtualClock,
} from "../../packages/easynet/src/testing/index.ts";
import { SlowDisk, type StoreBug } from "./delivery-store.ts";

export type DeliveryBug = StoreBug | "reused-sequence";

/** How likely each kind of weather is, 0 to 1; drawn for each world unless a profile fixes it. */
export interface Weather {
  readonly lossRatio: number;
  readonly doubleRatio: number;
  readonly latencyMs: number;
  readonly cuts: number;
  readonly crashes: number;
  readonly fullDisks: number;
  readonly jumps: number;
  readonly failures: number;
  readonly syncMsMax: number;
}

export interface DeliveryWorldOptions {
  readonly seed: number;
  readonly weather?: Partial<Weather>;
  readonly bug?: DeliveryBug;
  /** Turns of the weather. @default 60 */
  readonly turns?: number;
}

interface Sent {
  readonly label: string;
  readonly from: Did;
  readonly to: Did;
  readonly durable: boolean;
  stored: boolean;
  acknowledged: boolean;
}

interface Life {
  readonly delivery: Delivery;
  readonly mesh: FakeMesh;
  alive: boolean;
  /** Last number seen in this life, by sender and lane. */
  readonly last: Map<string, number>;
}

interface Place {
  readonly did: Did;
  disk: SlowDisk;
  epoch: number;
  life: Life | undefined;
  wallOffsetMs: number;
}

const NODES = 3;
const HOUR_MS = 3_600_000;
const SETTLE_MS_MAX = 400_000;
const LIMITS = { inboxLaneBytesMax: 8 * 1024, outboxCountMax: 300 };

function drawWeather(random: Random): Weather {
  const some = (): number => (random.next() < 0.4 ? 0 : random.next());
  return {
    lossRatio: some() * 0.2,
    doubleRatio: some() * 0.2,
    latencyMs: 1 + random.next() * (random.next() < 0.2 ? 500 : 30),
    cuts: some(),
    crashes: some(),
    fullDisks: some() * 0.5,
    jumps: some() * 0.5,
    failures: some() * 0.3,
    syncMsMax: 1 + random.next() * (random.next() < 0.2 ? 300 : 10),
  };
}

export class DeliveryWorld {
  readonly problems: string[] = [];
  readonly counts = { sent: 0, effects: 0, dead: 0, crashes: 0, cuts: 0 };
  readonly #random: Random;
  readonly #clock = new VirtualClock();
  readonly #network: FakeNetwork;
  readonly #weather: Weather;
  readonly #places: Place[];
  readonly #sent = new Map<string, Sent>();
  readonly #options: DeliveryWorldOptions;
  readonly #numbers = new Map<string, number>();
  #stormy = true;

  constructor(options: DeliveryWorldOptions) {
    const random = seededRandom(options.seed);
    this.#options = options;
    this.#random = random;
    this.#weather = { ...drawWeather(random), ...options.weather };
    this.#network = new FakeNetwork({
      clock: this.#clock,
      // Frames overtake one another: worse than a link allows.
      latencyMs: () => 0.5 + random.next() * this.#weather.latencyMs,
      noticeMs: () => random.next() * 300,
      dialMs: 5,
    });
    const { syncMsMax } = this.#weather;
    const bug = options.bug === "reused-sequence" ? undefined : options.bug;
    this.#places = Array.from({ length: NODES }, (_, index) => ({
      did: fakeDid(index + 1),
      disk: new SlowDisk({ clock: this.#clock, random, syncMsMax }, bug),
      epoch: 0,
      life: undefined,
      wallOffsetMs: 0,
    }));
  }

  /** @returns what was wrong, empty when nothing was */
  async run(): Promise<readonly string[]> {
    for (const place of this.#places) this.#start(place);
    for (let left = this.#options.turns ?? 60; left > 0; left--) {
      this.#act();
      await this.#pass(5 + this.#random.next() * 150);
    }
    this.#stormy = false;
    this.#network.heal();
    for (const place of this.#places) {
      place.disk.full = false;
      if (!place.life) this.#start(place);
    }
    await this.#settle();
    this.#judge();
    for (const place of this.#places) this.#crash(place);
    return this.problems;
  }

  /** Time in small steps; the work of each is done before the next. */
  async #pass(durationMs: number): Promise<void> {
    for (let leftMs = durationMs; leftMs > 0;) {
      const stepMs = Math.min(leftMs, 1 + this.#random.next() * 25);
      leftMs -= stepMs;
      this.#clock.advance(stepMs);
      await turn();
    }
  }

  async #settle(): Promise<void> {
    for (let passedMs = 0; passedMs < SETTLE_MS_MAX; passedMs += 250) {
      this.#clock.advance(250);
      await turn();
      if (passedMs % 2000 === 0 && this.#places.every((place) => this.#isIdle(place))) return;
    }
    for (const { did, life, disk } of this.#places) {
      for (const { peer, priority, queued } of life?.delivery.outbox() ?? []) {
        this.problems.push(`${name(did)} still owes ${queued} ${priority} messages to ${name(peer)}`);
      }
      const inbox = disk.list("message-inbox").length;
      if (inbox > 0) this.problems.push(`${name(did)} still holds ${inbox} batches`);
    }
  }

  #isIdle({ life, disk }: Place): boolean {
    const rows = disk.list("message-inbox").length + disk.list("message-outbox").length;
    return life?.delivery.outbox().length === 0 && rows === 0;
  }

  #act(): void {
    const { crashes, cuts, fullDisks, jumps } = this.#weather;
    const place = pick(this.#random, this.#places);
    if (!place) return;
    const chance = (ratio: number): boolean => this.#random.next() < ratio;
    if (!place.life) {
      if (chance(0.5)) this.#start(place);
      return;
    }
    for (let count = Math.floor(this.#random.next() * 12); count > 0; count--) this.#send(place, place.life);
    if (chance(crashes * 0.3)) this.#crash(place);
    if (chance(cuts * 0.3)) this.#cut(place);
    if (chance(0.3)) this.#network.heal();
    place.disk.full = chance(fullDisks * 0.3);
    if (chance(jumps * 0.2)) place.wallOffsetMs += chance(0.5) ? HOUR_MS : -HOUR_MS;
  }

  #cut(place: Place): void {
    const other = pick(this.#random, this.#places);
    if (!other || other === place) return;
    this.counts.cuts += 1;
    if (this.#random.next() < 0.5) this.#network.cut(place.did, other.did);
    else this.#network.partition((from, to) => from !== place.did && to !== place.did);
  }

  #start(place: Place): void {
    const mesh = this.#network.join(place.did, { epoch: place.epoch + 1 });
    this.#disturb(mesh);
    if (this.#options.bug !== "reused-sequence" || place.epoch === 0) place.epoch += 1;
    const life: Life = { mesh, alive: true, last: new Map(), delivery: this.#delivery(place, mesh, () => life.alive) };
    place.life = life;
    life.delivery.handle((message, transaction) => this.#handle({ life, message, transaction }));
    for (const { did } of this.#places) if (did !== place.did) mesh.learn(did, ["fake"]);
    void mesh.start();
  }

  #delivery(place: Place, mesh: FakeMesh, isAlive: () => boolean): Delivery {
    const clock: Clock = {
      nowMs: () => this.#clock.nowMs() + place.wallOffsetMs,
      monotonicMs: () => this.#clock.monotonicMs(),
      setTimer: (delayMs, callback) => this.#clock.setTimer(delayMs, () => void (isAlive() && callback())),
    };
    const keyPair = fakeKeyPair(this.#places.indexOf(place) + 1);
    const ports = { keyPair, clock, random: this.#random, logger: silentLogger, metrics: noMetrics };
    return createDelivery({ mesh, store: place.disk, epoch: place.epoch, limits: LIMITS, ...ports });
  }

  #crash(place: Place): void {
    const { life } = place;
    if (!life) return;
    this.counts.crashes += 1;
    life.alive = false;
    place.life = undefined;
    this.#network.crash(place.did);
    place.disk = place.disk.crash();
    // The object lives on in this process; nothing of it reaches anybody.
    void life.delivery.close();
  }

  /** Frames get lost and doubled while there is weather. */
  #disturb(mesh: FakeMesh): void {
    const send = mesh.send.bind(mesh);
    mesh.send = (to, frame) => {
      if (!this.#stormy) return send(to, frame);
      if (this.#random.next() < this.#weather.lossRatio) return true;
      if (this.#random.next() < this.#weather.doubleRatio) send(to, frame);
      return send(to, frame);
    };
  }

  #send(place: Place, life: Life): void {
    const to = pick(this.#random, this.#places);
    const priority = pick(this.#random, PRIORITIES) ?? "normal";
    if (!to || to === place) return;
    const stream = `${name(place.did)}>${name(to.did)}/${priority}`;
    const number = (this.#numbers.get(stream) ?? 0) + 1;
    this.#numbers.set(stream, number);
    const durability = this.#random.next() < 0.15 ? "volatile" : "disk";
    const nature = this.#random.next() < 0.02 ? "poison" : "plain";
    const label = `${stream}/${number}/${nature}`;
    const payload = Buffer.from(label.padEnd(label.length + Math.floor(this.#random.next() * 400)));
    // A tenth expires soon; the others outlive the world, wall clock jumps included.
    const expiresInMs = this.#random.next() < 0.1 ? 1 + this.#random.next() * 3000 : 100 * HOUR_MS;
    const sent: Sent = {
      label,
      from: place.did,
      to: to.did,
      durable: durability === "disk",
      stored: false,
      acknowledged: false,
    };
    try {
      const handle = life.delivery.send(to.did, { kind: nature, payload, priority, durability, expiresInMs });
      this.counts.sent += 1;
      this.#sent.set(label, sent);
      handle.stored.then(
        () => (sent.stored = life.alive || sent.stored),
        () => undefined,
      );
      handle.acknowledged.then(
        () => (sent.acknowledged = life.alive || sent.acknowledged),
        () => undefined,
      );
    } catch (error) {
      if (!isEasynetError(error, "BACKPRESSURE") && !isEasynetError(error, "STORAGE_FULL")) throw error;
    }
  }

  #handle(run: Handled): void | Promise<void> {
    const label = textOf(run.message.payload);
    if (this.#stormy && this.#random.next() < this.#weather.failures) {
      run.transaction.put("effects", label, Buffer.from("of a handler that failed"));
      throw new Error("not this time");
    }
    if (label.endsWith("poison")) throw new Error("never");
    if (this.#random.next() < 0.1) return this.#handleSlowly(run, label);
    this.#take(run, label);
    return undefined;
  }

  async #handleSlowly(run: Handled, label: string): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.setTimer(this.#random.next() * 200, resolve));
    if (run.life.alive) this.#take(run, label);
  }

  /** Counts in the store, with the message; answers; watches the order. */
  #take({ life, message, transaction }: Handled, label: string): void {
    const count = Number(textOf(transaction.get("effects", label) ?? Buffer.from("0"))) + 1;
    const durable = message.durability !== "volatile";
    if (durable) transaction.put("effects", label, Buffer.from(String(count)));
    if (label.startsWith("re:")) return;
    const [pair = "", priority = "", numberText = ""] = label.split("/");
    const stream = `${pair}/${priority}`;
    const number = Number(numberText);
    const before = life.last.get(stream) ?? 0;
    if (number <= before) this.problems.push(`${label} was handled after ${before}`);
    life.last.set(stream, number);
    if (!durable) return;
    const kept = Number(textOf(transaction.get("order", stream) ?? Buffer.from("0")));
    if (number <= kept) this.problems.push(`${label} took effect after ${kept}`);
    transaction.put("order", stream, Buffer.from(String(number)));
    if (number % 4 !== 0) return;
    try {
      transaction.send(message.sender, {
        kind: "answer",
        payload: Buffer.from(`re:${label}`),
        expiresInMs: 100 * HOUR_MS,
      });
    } catch (error) {
      // A full outbox or disk: the handler fails, and the message comes again.
      life.last.set(stream, before);
      throw error;
    }
  }

  #judge(): void {
    const effects = new Map<string, number>();
    const dead = new Map<string, number>();
    for (const place of this.#places) this.#countEnds(place, { effects, dead });
    this.counts.effects = effects.size;
    this.counts.dead = dead.size;
    for (const { label, durable, stored, acknowledged } of this.#sent.values()) {
      if (!durable) continue;
      const ends = (effects.get(label) ?? 0) + (dead.get(label) ?? 0);
      if ((stored || acknowledged) && ends === 0) this.problems.push(`${label} is lost`);
      if (ends > 1) this.problems.push(`${label} ended ${ends} times: ${effects.get(label) ?? 0} effects`);
      const answer = (effects.get(`re:${label}`) ?? 0) + (dead.get(`re:${label}`) ?? 0);
      const expected = effects.has(label) && Number(label.split("/")[2]) % 4 === 0 ? 1 : 0;
      if (answer !== expected)
        this.problems.push(`the answer to ${label} ended ${answer} times instead of ${expected}`);
    }
  }

  #countEnds({ disk, life }: Place, ends: Ends): void {
    for (let after = ""; ;) {
      const page = disk.list("effects", { after });
      for (const { key, value } of page) {
        after = key;
        ends.effects.set(key, (ends.effects.get(key) ?? 0) + Number(textOf(value)));
      }
      if (page.length === 0) break;
    }
    for (let after = ""; ;) {
      const page = life?.delivery.deadLetters.list({ limit: 1000, ...(after !== "" && { after }) }) ?? [];
      for (const { key, payload } of page) {
        after = key;
        const label = textOf(payload);
        ends.dead.set(label, (ends.dead.get(label) ?? 0) + 1);
      }
      if (page.length === 0) break;
    }
  }
}

/** How often each message ended one way or the other. */
interface Ends {
  readonly effects: Map<string, number>;
  readonly dead: Map<string, number>;
}

interface Handled {
  readonly life: Life;
  readonly message: ReceivedMessage;
  readonly transaction: Transaction;
}

function name(did: Did): string {
  return did.slice(-4);
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString().trimEnd();
}

/** A turn of the event loop: flushes and promises of everybody. */
async function turn(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
}
