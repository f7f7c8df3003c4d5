/**
 * A group of three or five members with the product's Raft core and state machine, clients on a few registers, and faults
 * drawn from one seed: loss, duplication, reordering, partitions (one alone, halves, one way), crashes with what was not
 * synced, power cuts, slow disks, clocks that drift, pauses. After the storm there are no more faults: everybody answers
 * again and ends equal. What Raft promises is checked at every step (checks.ts), and that the history is linearizable.
 */
import { pick, type Random, seededRandom } from "../../../packages/easynet/src/kernel/index.ts";
import { MemoryStorage } from "../../../packages/easynet/src/state/raft/memory-storage.ts";
import type { Message } from "../../../packages/easynet/src/state/raft/types.ts";
import {
  checkLinearizable,
  type Operation,
  registerModel,
} from "../../../packages/easynet/src/testing/linearizability/index.ts";
import { RaftChecks } from "./checks.ts";
import { Client, type KeyedCall } from "./client.ts";
import { EventWheel } from "./event-wheel.ts";
import { type Answer, Member, Proposals, type Request } from "./member.ts";
import { Network } from "./network.ts";
import { type Bug, drawWeather, TICK_MS, type Weather, WEATHER_TURN_MS } from "./profiles.ts";

export interface RaftWorldOptions {
  readonly seed: number;
  readonly memberCount: 3 | 5;
  /** Fixes what would be drawn. */
  readonly weather?: Partial<Weather>;
  readonly bug?: Bug;
  /** What else happens, at moments that it chooses. */
  readonly script?: (world: RaftWorld) => Script;
  /** @default 4000 */
  readonly stormMs?: number;
}

/** A directed adversary. */
export interface Script {
  /** After every millisecond of the storm. */
  readonly turn?: () => void;
  /** Extra delay of a message on its way, ms; Infinity loses it. */
  readonly delay?: (message: Message) => number;
}

interface Place {
  readonly id: number;
  readonly storage: MemoryStorage;
  member: Member | undefined;
  /** It does nothing until then; what arrives waits. */
  pausedUntilMs: number;
  readonly waiting: (() => void)[];
  readonly tickMs: number;
}

const STORM_MS = 4000;
/** Of work without faults, before clients stop. */
const CALM_MS = 600;
/** Elections end when messages are much faster than timeouts, also for whoever's clock is fast. */
const CALM_LATENCY_MS = 10;
const SETTLE_MS_MAX = 20_000;
const CLIENT_COUNT = 5;
const KEYS = ["x", "y"];

export class RaftWorld {
  readonly random: Random;
  readonly wheel = new EventWheel();
  readonly network: Network;
  readonly checks = new RaftChecks();
  readonly counts = {
    operations: 0,
    unanswered: 0,
    leaders: 0,
    messages: 0,
    crashes: 0,
    cuts: 0,
    pauses: 0,
    snapshots: 0,
  };
  readonly history: Operation<KeyedCall>[] = [];
  readonly clients: readonly Client[];
  readonly #places: readonly Place[];
  readonly #options: RaftWorldOptions;
  readonly #weather: Weather;
  readonly #proposals = new Proposals();
  readonly #script: Script | undefined;
  #order = 0;

  constructor(options: RaftWorldOptions) {
    const random = seededRandom(options.seed);
    const { memberCount } = options;
    this.#options = options;
    this.random = random;
    this.#weather = { ...drawWeather(random), ...options.weather };
    this.network = new Network({ memberCount, wheel: this.wheel, random, weather: this.#weather });
    this.network.onArrival = (message) => this.#at(message.to, (member) => this.#arrive(member, message));
    this.network.onLost = (message) => this.#lose(message);
    this.#places = this.#ids().map((id) => this.#place(id));
    for (const place of this.#places) {
      this.start(place.id);
      this.#tick(place);
    }
    this.clients = Array.from({ length: CLIENT_COUNT }, (_, index) => this.#client(`c${index + 1}`));
    const script = options.script?.(this);
    this.#script = script;
    this.network.delay = (message) => script?.delay?.(message) ?? 0;
  }

  /** @returns what was wrong, empty when nothing was */
  run(): readonly string[] {
    try {
      this.#storm();
      this.#calm();
    } catch (error) {
      this.checks.problems.push(`the world stopped: ${error instanceof Error ? (error.stack ?? "") : String(error)}`);
    }
    this.#judge();
    return this.checks.problems;
  }

  member(id: number): Member | undefined {
    return this.#places[id - 1]?.member;
  }

  /** The member that leads in the highest term, of those that believe to lead. */
  leader(): Member | undefined {
    let leader: Member | undefined;
    for (const { member } of this.#places) {
      if (member?.leads && (leader === undefined || member.term > leader.term)) leader = member;
    }
    return leader;
  }

  start(id: number): void {
    const place = this.#places[id - 1];
    if (!place || place.member) return;
    const { wheel, random, checks } = this;
    place.member = new Member({
      id,
      storage: place.storage,
      wheel,
      random,
      checks,
      proposals: this.#proposals,
      weather: this.#weather,
      bug: this.#options.bug,
      send: (message) => this.network.send(message),
    });
  }

  crash(id: number): void {
    const place = this.#places[id - 1];
    if (!place?.member) return;
    this.counts.crashes += 1;
    place.member.crash();
    place.member = undefined;
    place.waiting.length = 0;
    place.pausedUntilMs = 0;
    if (this.#options.bug !== "forgets-vote") return;
    const { term, commit } = place.storage.initialState().hardState;
    place.storage.setHardState({ term, vote: 0, commit });
  }

  /** Crashes now, and starts again after so many ms. */
  restart(id: number, downMs: number): void {
    this.crash(id);
    this.wheel.after(downMs, () => this.start(id));
  }

  #ids(): readonly number[] {
    return Array.from({ length: this.#options.memberCount }, (_, index) => index + 1);
  }

  #place(id: number): Place {
    const storage = new MemoryStorage();
    const confState = { voters: this.#ids(), votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    storage.applySnapshot({ data: new Uint8Array(), metadata: { index: 1, term: 1, confState } });
    storage.setHardState({ term: 1, vote: 0, commit: 1 });
    const drift = (this.random.next() * 2 - 1) * this.#weather.driftRatio;
    const tickMs = Math.round(TICK_MS * (1 + drift));
    return { id, storage, member: undefined, pausedUntilMs: 0, waiting: [], tickMs };
  }

  #client(name: string): Client {
    const { wheel, random, history } = this;
    return new Client({
      name,
      memberCount: this.#options.memberCount,
      keys: KEYS,
      wheel,
      random,
      history,
      order: () => ++this.#order,
      ask: (id, request, answer) => this.#ask({ id, request, answer }),
    });
  }

  #ask({ id, request, answer }: Asked): void {
    this.#travel(() => {
      this.#at(id, (member) => member.request(request, (given) => this.#travel(() => answer(given))));
    });
  }

  /** To and from clients, who are cut off from nobody. */
  #travel(arrive: () => void): void {
    if (this.random.next() < this.network.weather.lossRatio) return;
    this.wheel.after(this.network.latencyMs(), arrive);
  }

  /** Does it there when the process runs; nothing when there is none. */
  #at(id: number, action: (member: Member) => void): void {
    const place = this.#places[id - 1];
    const member = place?.member;
    if (!member) return;
    if (place.pausedUntilMs > this.wheel.nowMs) place.waiting.push(() => place.member === member && action(member));
    else action(member);
  }

  #arrive(member: Member, message: Message): void {
    member.step(message);
    if (message.type !== "MsgSnap") return;
    this.counts.snapshots += 1;
    this.#at(message.from, ({ raft }) => raft.reportSnapshot(message.to, "finish"));
  }

  #lose(message: Message): void {
    if (message.type !== "MsgSnap") return;
    this.#at(message.from, ({ raft }) => raft.reportSnapshot(message.to, "failure"));
  }

  #tick(place: Place): void {
    this.wheel.after(place.tickMs, () => {
      if (place.pausedUntilMs <= this.wheel.nowMs) {
        for (const action of place.waiting.splice(0)) action();
        place.member?.tick();
      }
      this.#tick(place);
    });
  }

  #storm(): void {
    for (let left = this.#options.stormMs ?? STORM_MS; left > 0; left--) {
      if (left % WEATHER_TURN_MS === 0) this.#act();
      this.wheel.turn();
      this.#script?.turn?.();
      if (this.checks.problems.length > 0) return;
    }
  }

  #act(): void {
    const { isolations, halves, oneWays, heals, crashes, powerCuts, pauses, slowDisks, transfers } = this.#weather;
    const chance = (ratio: number): boolean => ratio > 0 && this.random.next() < ratio;
    const some = (): Place => pick(this.random, this.#places) ?? this.#places[0]!;
    if (chance(heals)) this.network.heal();
    if (chance(isolations)) this.#partition(() => this.network.isolate(some().id));
    if (chance(halves)) this.#partition(() => this.#halve());
    if (chance(oneWays)) this.#partition(() => this.network.cut(some().id, some().id));
    if (chance(crashes)) this.restart(some().id, this.#downMs());
    if (chance(powerCuts)) for (const { id } of this.#places) this.restart(id, this.#downMs());
    if (chance(pauses)) {
      this.counts.pauses += 1;
      some().pausedUntilMs = this.wheel.nowMs + Math.floor(this.random.next() * 1500);
    }
    const slow = chance(slowDisks) ? some().member : undefined;
    if (slow) slow.slowUntilMs = this.wheel.nowMs + Math.floor(this.random.next() * 1000);
    if (chance(transfers)) this.leader()?.transfer(some().id);
  }

  #downMs(): number {
    return 1 + Math.floor(this.random.next() * 800);
  }

  #partition(cut: () => void): void {
    this.counts.cuts += 1;
    cut();
  }

  #halve(): void {
    const left = new Set(this.#ids().filter(() => this.random.next() < 0.5));
    for (const from of this.#ids()) {
      for (const to of this.#ids()) if (left.has(from) !== left.has(to)) this.network.cut(from, to);
    }
  }

  /** Without faults all ends well: clients are answered, and everybody has applied the same. */
  #calm(): void {
    if (this.checks.problems.length > 0) return;
    this.network.heal();
    this.network.delay = () => 0;
    const latencyMsMax = Math.min(this.#weather.latencyMsMax, CALM_LATENCY_MS);
    this.network.weather = { ...this.#weather, latencyMsMax, lossRatio: 0, doubleRatio: 0, tailRatio: 0 };
    for (const place of this.#places) {
      place.pausedUntilMs = Math.min(place.pausedUntilMs, this.wheel.nowMs);
      this.start(place.id);
      if (place.member) place.member.slowUntilMs = 0;
    }
    const answered = this.clients.map(({ answeredCount }) => answeredCount);
    const everybodyServed = (): boolean =>
      this.clients.every(({ answeredCount }, index) => answeredCount > (answered[index] ?? 0));
    this.#pass(CALM_MS, () => false);
    this.#pass(SETTLE_MS_MAX, everybodyServed);
    for (const client of this.clients) client.stop();
    if (this.#pass(SETTLE_MS_MAX, () => this.clients.every(({ idle }) => idle) && this.#isEqual())) return;
    if (this.checks.problems.length > 0) return;
    const states = this.#places.map(({ id, member }) => `${id}: term ${member?.term} applied ${member?.applied}`);
    this.checks.problems.push(`liveness: the group did not come to rest without faults (${states.join(", ")})`);
  }

  /** True as soon as `until` holds; looked at now and then. */
  #pass(durationMs: number, until: () => boolean): boolean {
    for (let passedMs = 0; passedMs < durationMs; passedMs++) {
      if (passedMs % 20 === 0 && until()) return true;
      if (this.checks.problems.length > 0) return false;
      this.wheel.turn();
    }
    return until();
  }

  #isEqual(): boolean {
    const { lastCommitted } = this.checks;
    return this.leader() !== undefined && this.#places.every(({ member }) => member?.applied === lastCommitted);
  }

  #judge(): void {
    const { counts, checks, history } = this;
    counts.messages = this.network.sentCount;
    counts.leaders = checks.leaderCount;
    counts.operations = history.length;
    counts.unanswered = history.filter(({ returnedAt }) => returnedAt === Infinity).length;
    const verdict = checkLinearizable(history, registerModel(), { keyOf: ({ key }) => key });
    if (verdict.outcome === "undecided") checks.problems.push(`undecided: the history of ${verdict.key} is too wide`);
    if (verdict.outcome !== "violated") return;
    const blocked = JSON.stringify(history[verdict.blocked]);
    checks.problems.push(`linearizability: nothing explains ${blocked} of ${verdict.key}`);
  }
}

interface Asked {
  readonly id: number;
  readonly request: Request;
  readonly answer: (answer: Answer) => void;
}
