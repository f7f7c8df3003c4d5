import {
  EasynetError,
  noMetrics,
  type Random,
  seededRandom,
  silentLogger,
} from "../../packages/easynet/src/kernel/index.ts";
import type { AgentEvent } from "../../packages/easynet/src/model/index.ts";
import { createRouter, type RoutedEvent, type Router } from "../../packages/easynet/src/routing/index.ts";
import type { Directory } from "../../packages/easynet/src/state/index.ts";
import type { Write } from "../../packages/easynet/src/storage/index.ts";
import { fakeDid, MemoryStore, offerOf } from "../../packages/easynet/src/testing/index.ts";
import { type TaskNode, TaskWorld } from "../../packages/easynet/src/testing/task-world.ts";

/** Bugs that a test plants, to show that the checks find them. */
export type PlantedBug =
  | "none"
  /** The end of a task is told before it is on disk. */
  | "final-before-stored"
  /** Events are told before they are on disk: after a crash their numbers are given again. */
  | "number-reused"
  /** After a lost link work with effects goes to another provider. */
  | "run-twice";

const CALLER = 1;
const PROVIDERS = [2, 3, 4];
/** How long a lying disk takes to hold what it said it holds. */
const LAG_MS = 60;
const ACTIVE_MS = 20_000;
const TIMEOUT_MS = 40_000;
/** Longer than any call, and than a provider waits for its agents after a restart. */
const QUIET_MS = 120_000;

interface Attempt {
  readonly id: string;
  readonly events: RoutedEvent[];
  /** Its node was killed. */
  orphaned: boolean;
  done: boolean;
}

/** One caller and three providers under links that break and processes that die; says what was promised and not kept. */
export class TasksWorld {
  readonly problems: string[] = [];
  readonly world: TaskWorld;
  readonly #random: Random;
  readonly #bug: PlantedBug;
  readonly #attempts: Attempt[] = [];
  readonly #ids: { readonly id: string; readonly capability: string }[] = [];
  readonly #down = new Set<number>();
  #router: Router | undefined;
  #runCount = 0;

  constructor(seed: number, bug: PlantedBug = "none") {
    this.#random = seededRandom(seed);
    this.#bug = bug;
    const world: TaskWorld = new TaskWorld((request) => this.#work(request.capability), {
      seed,
      repeatable: (capability) => capability === "again",
    });
    this.world = world;
  }

  async run(): Promise<readonly string[]> {
    const { clock } = this.world;
    for (const number of [CALLER, ...PROVIDERS]) this.#start(number);
    await clock.advanceAsync(10);
    while (clock.monotonicMs() < ACTIVE_MS) {
      this.#disturb();
      await clock.advanceAsync(this.#between(1, 150));
    }
    for (const number of this.#down) this.#restart(number);
    this.#linkAll();
    for (let elapsedMs = 0; elapsedMs < QUIET_MS; elapsedMs += 1000) {
      this.#linkAll();
      await clock.advanceAsync(1000);
    }
    await this.#askAgain();
    this.#check();
    return this.problems;
  }

  #disturb(): void {
    for (const number of this.#down) if (this.#random.next() < 0.1) this.#restart(number);
    const dice = this.#random.next();
    const provider = PROVIDERS[this.#between(0, PROVIDERS.length - 1)] ?? 2;
    if (dice < 0.3) this.#submit();
    else if (dice < 0.4) this.#resubmit();
    else if (dice < 0.6) this.world.cut(CALLER, provider);
    else if (dice < 0.9) this.#linkAll();
    else if (dice < 0.97) this.#kill(provider);
    else this.#kill(CALLER);
  }

  #submit(): void {
    const { clock } = this.world;
    const time = Math.floor(clock.nowMs()).toString(16).padStart(12, "0");
    const count = this.#ids.length.toString(16).padStart(12, "0");
    const id = `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${count}`;
    const capability = this.#random.next() < 0.7 ? "effect" : "again";
    this.#ids.push({ id, capability });
    this.#call(id, capability);
  }

  #resubmit(): void {
    const known = this.#ids[this.#between(0, this.#ids.length - 1)];
    if (known) this.#call(known.id, known.capability);
  }

  #call(id: string, capability: string): void {
    const router = this.#router;
    if (!router || this.#down.has(CALLER)) return;
    const attempt: Attempt = { id, events: [], orphaned: false, done: false };
    this.#attempts.push(attempt);
    const events = router.call({ capability, id, input: { args: [], kwargs: {} }, timeoutMs: TIMEOUT_MS });
    void (async () => {
      for await (const event of events) if (!attempt.orphaned) attempt.events.push(event);
      attempt.done = true;
    })();
  }

  /** Events that tell in which run they were made, then a value that does where it matters. */
  async *#work(capability: string): AsyncGenerator<AgentEvent, void, void> {
    const run = ++this.#runCount;
    const count = this.#between(0, 6);
    for (let number = 1; number <= count; number++) {
      await this.#sleep(this.#between(0, 200));
      yield capability === "effect"
        ? { type: "item", value: `${run}:${number}` }
        : { type: "thought", text: `${run}:${number}` };
    }
    await this.#sleep(this.#between(0, 200));
    yield { type: "final", value: capability === "effect" ? run : "done", stop: "end" };
  }

  #start(number: number, store: MemoryStore = this.#newStore()): TaskNode {
    const node = this.world.start(number, store);
    if (number === CALLER) this.#router = this.#routerOf(node);
    this.#linkAll();
    return node;
  }

  #restart(number: number): void {
    const disk = this.#disks.get(number);
    this.#down.delete(number);
    this.#start(number, disk);
  }

  readonly #disks = new Map<number, MemoryStore>();

  #kill(number: number): void {
    if (this.#down.has(number)) return;
    this.#disks.set(number, this.world.kill(number));
    this.#down.add(number);
    if (number === CALLER) for (const attempt of this.#attempts) attempt.orphaned ||= !attempt.done;
  }

  #linkAll(): void {
    for (const provider of PROVIDERS) this.world.link(CALLER, provider);
  }

  #newStore(): MemoryStore {
    const bug = this.#bug;
    if (bug !== "final-before-stored" && bug !== "number-reused") return new MemoryStore();
    const lies = (writes: readonly Write[]): boolean => {
      const isEnd =
        writes.some(({ space }) => space === "tasks") && writes.some(({ space }) => space === "task-events");
      const isEvent = writes.every(({ space }) => space === "task-events");
      return bug === "final-before-stored" ? isEnd : isEvent;
    };
    return new LyingStore(() => this.world.clock.monotonicMs(), lies);
  }

  #routerOf(node: TaskNode): Router {
    const { clock } = this.world;
    const offers = ["effect", "again"].flatMap((capability) =>
      PROVIDERS.map((number) =>
        offerOf({ node: fakeDid(number), capability, durability: "disk", idempotent: capability === "again" }),
      ),
    );
    const directory: Directory = {
      find: ({ capability }) => offers.filter((offer) => offer.capability.name === capability),
      on: () => ({ [Symbol.dispose]: () => undefined }),
      nodes: () => [],
      start: unused,
      stop: unused,
      publish: unused,
      leave: unused,
      setLoad: unused,
    };
    return createRouter({
      self: node.self,
      epoch: 1,
      directory,
      links: node.mesh,
      exchanges: node.exchanges,
      tasks: this.#bug === "run-twice" ? careless(node) : node.caller,
      executeLocally: unused,
      localLoad: () => ({ running: 0, queued: 0, slots: 1 }),
      clock,
      random: this.#random,
      logger: silentLogger,
      metrics: noMetrics,
    });
  }

  /** Everybody is back: each id once more, as a caller does who was never answered. */
  async #askAgain(): Promise<void> {
    for (const { id, capability } of this.#ids) this.#call(id, capability);
    await this.world.clock.advanceAsync(QUIET_MS);
  }

  #check(): void {
    const runs = Map.groupBy(this.world.runs, ({ id }) => id);
    for (const { id, capability } of this.#ids) {
      const count = runs.get(id)?.length ?? 0;
      if (capability === "effect" && count > 1) this.problems.push(`${id} was begun ${count} times`);
      this.#checkTask(
        id,
        this.#attempts.filter((attempt) => attempt.id === id),
      );
    }
  }

  #checkTask(id: string, attempts: readonly Attempt[]): void {
    const outcomes = new Set<string>();
    let longest: readonly unknown[] = [];
    for (const attempt of attempts) {
      const told = attempt.events.flatMap((event) => toldBy(event));
      const [short, long] = told.length < longest.length ? [told, longest] : [longest, told];
      if (!short.every((item, index) => item === long[index])) this.problems.push(`${id} was told in two ways`);
      longest = long;
      const end = attempt.events.at(-1);
      if (end?.type === "final") outcomes.add(`value ${String(end.value)}`);
      else if (end?.type === "error") this.#checkError(attempt, end.error.code, outcomes);
      else if (!attempt.orphaned) this.problems.push(`${id} never ended`);
    }
    if (outcomes.size > 1) this.problems.push(`${id} ended in ${outcomes.size} ways: ${[...outcomes].join(", ")}`);
    const last = attempts.at(-1)?.events.at(-1);
    const ended = last?.type === "final" || (last?.type === "error" && last.error.code === "TASK_INTERRUPTED");
    if (!ended) this.problems.push(`${id} has no outcome in the end: ${JSON.stringify(last)}`);
  }

  #checkError(attempt: Attempt, code: string, outcomes: Set<string>): void {
    if (code === "TASK_INTERRUPTED") outcomes.add(code);
    else if (attempt.events.some(({ type }) => type === "accepted")) {
      // The deadline of one question may pass while the provider is away; the outcome is still to be had.
      if (code !== "TASK_UNCERTAIN" && code !== "DEADLINE_EXCEEDED")
        this.problems.push(`${attempt.id} ended with ${code}`);
    } else if (!BEFORE_ACCEPTANCE.has(code)) this.problems.push(`${attempt.id} was refused with ${code}`);
  }

  #sleep(durationMs: number): Promise<void> {
    return new Promise((resolve) => void this.world.clock.setTimer(durationMs, resolve));
  }

  #between(min: number, max: number): number {
    return min + Math.floor(this.#random.next() * (max - min + 1));
  }
}

/** What an event says, for those that an agent said. */
function toldBy(event: RoutedEvent): readonly string[] {
  if (event.type === "item") return [String(event.value)];
  return event.type === "thought" ? [event.text] : [];
}

const BEFORE_ACCEPTANCE: ReadonlySet<string> = new Set([
  "TASK_UNCERTAIN",
  "DEADLINE_EXCEEDED",
  "PEER_UNREACHABLE",
  "NO_CAPABLE_AGENT",
  "PROVIDER_LOST",
  "LINK_CLOSED",
]);

/** Says that everything may be done twice. */
function careless(node: TaskNode): Pick<TaskNode["caller"], "call" | "placeOf"> {
  return {
    placeOf: () => undefined,
    call: (request, place, options) =>
      node.caller.call(request, place, { ...options, repeatable: true, others: () => true }),
  };
}

/** A disk that says of some writes that it holds them before it does. */
class LyingStore extends MemoryStore {
  readonly #nowMs: () => number;
  readonly #lies: (writes: readonly Write[]) => boolean;
  readonly #log: { readonly atMs: number; readonly writes: readonly Write[] }[] = [];

  constructor(nowMs: () => number, lies: (writes: readonly Write[]) => boolean) {
    super();
    this.#nowMs = nowMs;
    this.#lies = lies;
  }

  override async commit(writes: readonly Write[]): Promise<void> {
    await super.commit(writes);
    this.#log.push({ atMs: this.#nowMs(), writes });
  }

  override reopen(): MemoryStore {
    super.reopen();
    const next = new LyingStore(this.#nowMs, this.#lies);
    const held = this.#log.filter(({ atMs, writes }) => atMs <= this.#nowMs() - LAG_MS || !this.#lies(writes));
    for (const { writes } of held) void next.commit(writes);
    return next;
  }
}

function unused(): never {
  throw new EasynetError("INTERNAL", { reason: "not part of this simulation" });
}
