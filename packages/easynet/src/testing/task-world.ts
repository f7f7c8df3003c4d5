import type { Did } from "../identity/index.ts";
import { EasynetError, noMetrics, seededRandom, silentLogger, toEasynetError } from "../kernel/index.ts";
import {
  createExchanges,
  createTaskCaller,
  createTaskServer,
  encodeState,
  type ExchangeRequest,
  type Exchanges,
  type TaskCaller,
  type TaskEvent,
  type TaskServer,
} from "../messaging/index.ts";
import type { AgentEvent, Durability } from "../model/index.ts";
import { MemoryStore } from "../storage/index.ts";
import { fakeDid } from "./fake-keys.ts";
import type { FakeMesh } from "./fake-mesh.ts";
import { FakeNetwork } from "./fake-network.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** What a provider's agent does with one task. */
export type TaskScript = (request: ExchangeRequest, signal: AbortSignal) => AsyncIterable<AgentEvent>;

export interface TaskNode {
  readonly self: Did;
  readonly mesh: FakeMesh;
  readonly store: MemoryStore;
  readonly exchanges: Exchanges;
  readonly server: TaskServer;
  readonly caller: TaskCaller;
}

export interface TaskWorldOptions {
  readonly seed?: number;
  /** Which capabilities may be run twice. @default none */
  readonly repeatable?: (capability: string) => boolean;
  /** @default disk for all */
  readonly durability?: (capability: string) => Durability;
  readonly limits?: Parameters<typeof createTaskServer>[0]["limits"];
}

/** Nodes that give one another stored tasks, on one clock, over links that a test cuts, with processes that it kills. */
export class TaskWorld {
  readonly clock = new VirtualClock();
  readonly network = new FakeNetwork({ clock: this.clock, latencyMs: 1 });
  readonly nodes = new Map<number, TaskNode>();
  /** Ids of the tasks that were begun, in order, by node. */
  readonly runs: { readonly node: number; readonly id: string; readonly capability: string }[] = [];
  script: TaskScript;
  readonly #options: TaskWorldOptions;
  #epoch = 0;

  constructor(script: TaskScript, options: TaskWorldOptions = {}) {
    this.script = script;
    this.#options = options;
  }

  start(number: number, store = new MemoryStore()): TaskNode {
    const self = fakeDid(number);
    const epoch = ++this.#epoch;
    const mesh = this.network.join(self, { epoch });
    const { clock } = this;
    const ports = { clock, logger: silentLogger, metrics: noMetrics, random: seededRandom(this.#options.seed ?? 1) };
    const exchanges = createExchanges({ ...ports, mesh });
    const { repeatable = (): boolean => false, durability = (): Durability => "disk", limits } = this.#options;
    const server = createTaskServer({
      ...ports,
      self,
      store,
      ...(limits && { limits }),
      runner: {
        admit: ({ capability }) => ({ repeatable: repeatable(capability), durability: durability(capability) }),
        run: (request, { signal }) => {
          this.runs.push({ node: number, id: request.envelope.id, capability: request.capability });
          return this.script(request, signal);
        },
      },
    });
    const caller = createTaskCaller({ ...ports, self, epoch, store, exchanges, server, links: mesh });
    exchanges.serve(async (exchange) => {
      const { from, request, signal } = exchange;
      if (!request.task) {
        await exchange.send({ type: "final", value: encodeState(server.find(from, request.envelope.id)), stop: "end" });
        return;
      }
      const options = { signal, onAccepted: (cursor: number): void => exchange.accept(cursor) };
      for await (const event of server.attach(from, request, options)) await exchange.send(event);
    });
    server.start();
    const node = { self, mesh, store, exchanges, server, caller };
    this.nodes.set(number, node);
    return node;
  }

  link(one: number, other: number): void {
    this.network.link(fakeDid(one), fakeDid(other));
  }

  cut(one: number, other: number): void {
    this.network.cut(fakeDid(one), fakeDid(other));
  }

  /** kill -9: what the disk has stays. */
  kill(number: number): MemoryStore {
    return this.#stop(number).store.reopen();
  }

  /** Power is lost: what was synced stays. */
  cutPower(number: number): MemoryStore {
    return this.#stop(number).store.cutPower();
  }

  #stop(number: number): TaskNode {
    const node = this.nodes.get(number);
    if (!node) throw new EasynetError("INTERNAL", { reason: `no node ${number} to kill` });
    this.nodes.delete(number);
    this.network.crash(node.self);
    return node;
  }

  request(
    from: number,
    extra: { readonly id?: string; readonly args?: readonly unknown[]; readonly timeoutMs?: number } = {},
  ): ExchangeRequest {
    const nowMs = this.clock.nowMs();
    const { id = "0190a1b2-0000-7000-8000-000000000001", args = [], timeoutMs = 60_000 } = extra;
    return {
      envelope: {
        id,
        from: fakeDid(from),
        kind: "task",
        createdAtMs: nowMs,
        deadlineAtMs: nowMs + timeoutMs,
        priority: "normal",
        hopsLeft: 3,
        depth: 0,
        lane: "normal",
        sequence: 0,
        epoch: 1,
      },
      capability: "work",
      input: { args, kwargs: {} },
    };
  }

  /** Gives a task to a provider; what its caller sees is collected while time goes on. */
  call(
    from: number,
    to: number,
    options: Parameters<TaskWorld["request"]>[1] & {
      readonly signal?: AbortSignal;
      readonly repeatable?: boolean;
    } = {},
  ): Seen {
    const seen: Seen = { events: [] };
    const place = { node: fakeDid(to), nodeName: `node ${to}`, agent: "", agentName: "" };
    const { signal, repeatable = false, ...extra } = options;
    const durability = this.#options.durability?.("work");
    const node = this.nodes.get(from);
    if (!node) throw new EasynetError("INTERNAL", { reason: `no node ${from} to call from` });
    const events = node.caller.call(this.request(from, extra), place, {
      signal,
      repeatable,
      durability,
      others: () => false,
    });
    void (async () => {
      try {
        for await (const event of events) seen.events.push(event);
        seen.done = true;
      } catch (error) {
        seen.error = toEasynetError(error);
      }
    })();
    return seen;
  }
}

export interface Seen {
  readonly events: TaskEvent[];
  error?: EasynetError;
  done?: boolean;
}

/** Numbers that a caller saw as items, in order. */
export function itemsOf({ events }: Seen): readonly unknown[] {
  return events.flatMap((event) => (event.type === "item" ? [event.value] : []));
}

/** Counts to the first argument, one number each 10 ms. */
function counting(world: () => TaskWorld): TaskScript {
  return async function* (request, signal) {
    const [count] = request.input.args;
    for (let number = 1; number <= Number(count ?? 3); number++) {
      yield { type: "item", value: number };
      await new Promise<void>((resolve) => {
        world().clock.setTimer(10, resolve);
        signal.addEventListener("abort", () => resolve());
      });
      if (signal.aborted) {
        yield { type: "error", error: new EasynetError("CANCELLED", { subject: "work" }).toJSON() };
        return;
      }
    }
    yield { type: "final", value: "done", stop: "end" };
  };
}

/** A caller, 1, and a provider, 2, that counts to the first argument of a task. */
export function countingWorld(options: TaskWorldOptions = {}): TaskWorld {
  const world: TaskWorld = new TaskWorld(
    counting(() => world),
    options,
  );
  world.start(1);
  world.start(2);
  world.link(1, 2);
  return world;
}
