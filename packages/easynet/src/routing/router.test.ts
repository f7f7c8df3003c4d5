import { describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import type { Did } from "../identity/index.ts";
import { EasynetError, type ErrorCode, noMetrics, seededRandom, silentLogger } from "../kernel/index.ts";
import type { Peer } from "../mesh/index.ts";
import type { AgentEvent } from "../model/index.ts";
import type { Directory, Offer } from "../state/index.ts";
import type { TaskCallOptions, TaskEvent, TaskPlace } from "../messaging/index.ts";
import { fakeDid, offerOf, type OfferSketch, VirtualClock } from "../testing/index.ts";
import { createRouter, type RouterOptions } from "./router.ts";
import type { RoutedEvent, Router } from "./types.ts";

verifies("routing:select:score");

type Provider = () => AsyncGenerator<AgentEvent, void, void>;

const answer = (value: unknown): Provider =>
  async function* () {
    yield { type: "final", value, stop: "end" };
  };
const refuse = (code: ErrorCode): Provider =>
  async function* () {
    yield {
      type: "error",
      error: new EasynetError(code, { peer: "x", capability: "work", subject: "x", agent: "x" }).toJSON(),
    };
  };
const lose = (before: readonly AgentEvent[] = []): Provider =>
  async function* () {
    yield* before;
    throw new EasynetError("PROVIDER_LOST", { peer: "x", capability: "work" });
  };

/** A router over scripted providers; what each was asked is counted. */
function routerOver(
  providers: Readonly<Record<string, Provider>>,
  { tasks, ...options }: Pick<OfferSketch, "idempotent" | "durability"> & Pick<RouterOptions, "tasks"> = {},
) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const offers: Offer[] = Object.keys(providers).map((node) => offerOf({ node, capability: "work", ...options }));
  const listeners = new Set<() => void>();
  const [known = offerOf({ node: "a", capability: "work" })] = offers;
  const links = new Map(offers.map(({ node }) => [node.did, true]));
  /** Providers that are linked when they are asked for, and whether that works. */
  const onDemand = new Map<Did, boolean>();
  const subscribe = (_name: string, listener: (...values: never) => void): Disposable => {
    const call = (): void => void Reflect.apply(listener, undefined, [known.node]);
    listeners.add(call);
    return { [Symbol.dispose]: () => void listeners.delete(call) };
  };
  const directory: Pick<Directory, "find" | "on"> = {
    find: ({ capability }) => offers.filter((offer) => offer.capability.name === capability),
    on: subscribe,
  };
  const run = (node: string): AsyncIterable<AgentEvent> => {
    asked.push(node);
    return providers[node]!();
  };
  const router: Router = createRouter({
    self: offerOf({ node: "self", capability: "x" }).node.did,
    epoch: 1,
    directory: { ...directory, start: fail, stop: fail, publish: fail, leave: fail, setLoad: fail, nodes: () => [] },
    links: {
      peer: (did) => (links.has(did) ? peerOf(did) : undefined),
      on: subscribe,
      isOnDemand: (did) => onDemand.has(did),
      reach: async (did) => {
        const works = onDemand.get(did);
        if (!works) throw new EasynetError("PEER_UNREACHABLE", { peer: did, reason: "it does not answer" });
        links.set(did, true);
        return peerOf(did);
      },
    },
    exchanges: {
      open: (to: Did) => Object.assign(run(to), { peer: to, answered: false, cancel: () => undefined }),
      serve: fail,
      openCount: 0,
      openWith: () => 0,
      close: fail,
    },
    executeLocally: () => run("self"),
    localLoad: () => ({ running: 0, queued: 0, slots: 1 }),
    ...(tasks && { tasks }),
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    metrics: noMetrics,
  });
  return { router, clock, asked, offers, links, onDemand, announce: () => listeners.forEach((listener) => listener()) };
}

function peerOf(did: Did): Peer {
  return { did, name: did, address: "", direction: "inbound", connectedAtMs: 0, rttMs: undefined, epoch: 1 };
}

function fail(): never {
  throw new Error("not part of this test");
}

async function collect(events: AsyncIterable<RoutedEvent>): Promise<RoutedEvent[]> {
  const list: RoutedEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

const work = { capability: "work", input: { args: [], kwargs: {} } };
const endOf = (events: readonly RoutedEvent[]) => events.at(-1);
const codeOf = (event: RoutedEvent | undefined) => (event?.type === "error" ? event.error.code : event?.type);

describe("routing a call", () => {
  test("tells who works on it, then passes the answer on", async () => {
    const { router } = routerOver({ a: answer(3) });
    const events = await collect(router.call(work));
    expect(events.map(({ type }) => type)).toEqual(["assigned", "final"]);
    expect(endOf(events)).toMatchObject({ value: 3 });
  });

  test("calls made in the same moment spread: each sees the ones before it", async () => {
    const { router, asked } = routerOver({ self: answer(1), far: answer(1) });
    await Promise.all(Array.from({ length: 8 }, () => collect(router.call(work))));
    expect(asked.filter((node) => node === "far")).toHaveLength(4);
  });

  test("a provider that died before it answered: another one does idempotent work", async () => {
    const { router, asked } = routerOver({ a: lose(), b: lose(), c: answer("done") });
    const events = await collect(router.call(work));
    expect(endOf(events)).toMatchObject({ type: "final", value: "done" });
    expect(new Set(asked).size).toBe(asked.length);
    expect(events.filter(({ type }) => type === "retried")).toHaveLength(asked.length - 1);
  });

  test("work with effects is not repeated, and the caller is told that its outcome is unknown", async () => {
    const { router, asked } = routerOver({ a: lose(), b: lose() }, { idempotent: false });
    const events = await collect(router.call(work));
    expect(codeOf(endOf(events))).toBe("PROVIDER_LOST");
    expect(asked).toHaveLength(1);
  });

  test("a stream that broke after its first item is not started again", async () => {
    const item: AgentEvent = { type: "item", value: 1 };
    const { router, asked } = routerOver({ a: lose([item]), b: lose([item]) });
    const events = await collect(router.call(work));
    expect(asked).toHaveLength(1);
    expect(codeOf(endOf(events))).toBe("PROVIDER_LOST");
  });

  test.each(["OVERLOADED", "NODE_STOPPING", "CAPABILITY_UNKNOWN"] as const)(
    "%s before anything ran: the next one is asked, also for work with effects",
    async (code) => {
      const { router } = routerOver({ a: refuse(code), b: answer(1) }, { idempotent: false });
      expect(endOf(await collect(router.call(work)))).toMatchObject({ type: "final" });
    },
  );

  test.each(["FUNCTION_FAILED", "INPUT_INVALID", "DEADLINE_EXCEEDED", "BUDGET_EXCEEDED"] as const)(
    "%s is the answer: nobody else is asked",
    async (code) => {
      const { router, asked } = routerOver({ a: refuse(code), b: refuse(code) });
      expect(codeOf(endOf(await collect(router.call(work))))).toBe(code);
      expect(asked).toHaveLength(1);
    },
  );

  test("all providers fail: the last failure is the answer, after at most five tries", async () => {
    const names = ["a", "b", "c", "d", "e", "f", "g"];
    const { router, asked } = routerOver(Object.fromEntries(names.map((name) => [name, lose()])));
    expect(codeOf(endOf(await collect(router.call(work))))).toBe("PROVIDER_LOST");
    expect(asked).toHaveLength(5);
  });

  test("a node that just started waits for the first provider, a settled one answers at once", async () => {
    const { router, clock, offers, announce } = routerOver({ a: answer(1) });
    const [offer] = offers.splice(0);
    const early = collect(router.call(work));
    await clock.advanceAsync(100);
    offers.push(offer!);
    announce();
    expect(codeOf(endOf(await early))).toBe("final");
    offers.length = 0;
    await clock.advanceAsync(10_000);
    expect(codeOf(endOf(await collect(router.call(work))))).toBe("NO_CAPABLE_AGENT");
    expect(clock.pendingCount).toBe(0);
  });

  test("a known provider without a link is waited for, but not for ever", async () => {
    const { router, clock, asked, offers, links, announce } = routerOver({ a: answer(1) });
    await clock.advanceAsync(10_000);
    links.clear();
    const call = collect(router.call(work));
    await clock.advanceAsync(2000);
    expect(asked).toEqual([]);
    links.set(offers[0]!.node.did, true);
    announce();
    expect(codeOf(endOf(await call))).toBe("final");
    links.clear();
    const late = collect(router.call(work));
    await clock.advanceAsync(5000);
    // The way there says what is wrong; here the scripted provider answers all the same.
    expect(codeOf(endOf(await late))).toBe("final");
    const short = collect(router.call({ ...work, timeoutMs: 50 }));
    await clock.advanceAsync(50);
    await short;
    expect(asked).toEqual(["a", "a", "a"]);
    expect(clock.pendingCount).toBe(0);
  });

  test("a linked provider is preferred to one without a link", async () => {
    const { router, asked, offers, links } = routerOver({ a: answer(1), b: answer(2) });
    links.delete(offers[0]!.node.did);
    for (let count = 0; count < 10; count++) await collect(router.call(work));
    expect(new Set(asked)).toEqual(new Set(["b"]));
  });

  test("in a large network a provider is linked when it is called, and another one when that fails", async () => {
    const { router, asked, offers, links, onDemand } = routerOver({ a: answer(1), b: answer(2) });
    links.clear();
    for (const [index, { node }] of offers.entries()) onDemand.set(node.did, index === 1);
    for (let count = 0; count < 10; count++) {
      expect(codeOf(endOf(await collect(router.call(work))))).toBe("final");
    }
    expect(new Set(asked)).toEqual(new Set(["b"]));
    expect(links.size).toBe(1);
  });

  test("a call that was cancelled before it started asks nobody", async () => {
    const { router, asked } = routerOver({ a: answer(1) });
    const signal = AbortSignal.abort(new EasynetError("CANCELLED", { subject: "work" }));
    expect(codeOf(endOf(await collect(router.call(work, { signal }))))).toBe("CANCELLED");
    expect(asked).toHaveLength(0);
  });

  test("a timeout or depth out of range is refused at once", () => {
    const { router } = routerOver({});
    expect(() => router.call({ ...work, timeoutMs: 0 })).toThrow(/timeoutMs/);
    expect(() => router.call({ ...work, depth: 17 })).toThrow(/depth/);
  });
});

describe("a call of a capability that is not volatile", () => {
  /** Tasks as scripted; who was asked is kept. */
  function scripted(
    script: (place: TaskPlace) => AsyncGenerator<TaskEvent, void, void>,
    bound: readonly TaskPlace[] = [],
  ) {
    const asked: { readonly place: TaskPlace; readonly options: TaskCallOptions }[] = [];
    const left = [...bound];
    const tasks: NonNullable<RouterOptions["tasks"]> = {
      placeOf: () => left[0],
      call: (_request, place, options) => {
        asked.push({ place, options });
        return script(place);
      },
    };
    return { tasks, asked, forget: () => void left.pop() };
  }
  async function* throwing(error: EasynetError): AsyncGenerator<TaskEvent, void, void> {
    yield* [];
    throw error;
  }
  const accepted: TaskEvent = { type: "accepted", nodeName: "n" };
  const disk = { durability: "disk", idempotent: false } as const;
  const place = { node: fakeDid(9), nodeName: "nine", agent: "x", agentName: "till" };

  test("is stored by its provider, and the caller is told", async () => {
    const { tasks, asked } = scripted(async function* () {
      yield accepted;
      yield { type: "final", value: 1, stop: "end" };
    });
    const { router, asked: live } = routerOver({ a: answer(0) }, { ...disk, tasks });
    const events = await collect(router.call(work));
    expect(events.map(({ type }) => type)).toEqual(["assigned", "accepted", "final"]);
    expect(live).toEqual([]);
    expect(asked).toMatchObject([{ place: { node: "a" }, options: { repeatable: false } }]);
  });

  test("goes to the next provider after a refusal, and not once it was accepted", async () => {
    const overloaded = new EasynetError("OVERLOADED", { subject: "x", queued: 1 });
    const refusing = scripted(() => throwing(overloaded));
    await collect(routerOver({ a: answer(0), b: answer(0) }, { ...disk, tasks: refusing.tasks }).router.call(work));
    expect(new Set(refusing.asked.map((each) => each.place.node)).size).toBe(2);
    const failing = scripted(async function* () {
      yield accepted;
      yield { type: "error", error: overloaded.toJSON() };
    });
    const events = await collect(
      routerOver({ a: answer(0), b: answer(0) }, { ...disk, tasks: failing.tasks }).router.call(work),
    );
    expect(codeOf(endOf(events))).toBe("OVERLOADED");
    expect(failing.asked).toHaveLength(1);
  });

  test("by an id that has a provider goes there, also when nobody offers it any more", async () => {
    const { tasks, asked } = scripted(
      async function* () {
        yield { type: "final", value: 1, stop: "end" };
      },
      [place],
    );
    const { router } = routerOver({}, { ...disk, tasks });
    const events = await collect(router.call({ ...work, id: "order-1" }));
    expect(events).toMatchObject([{ type: "assigned", nodeName: "nine", agent: "till" }, { type: "final" }]);
    expect(asked).toMatchObject([{ place, options: { repeatable: false } }]);
  });

  test("whose provider says that it does not have it is anybody's again; any other failure is the answer", async () => {
    const { tasks, asked, forget } = scripted(
      async function* ({ node }) {
        if (node !== fakeDid(9)) yield { type: "final", value: 2, stop: "end" };
        else {
          forget();
          throw new EasynetError("OVERLOADED", { subject: "x", queued: 1, accepted: false });
        }
      },
      [place],
    );
    const { router } = routerOver({ a: answer(0) }, { ...disk, tasks });
    expect(endOf(await collect(router.call({ ...work, id: "order-1" })))).toMatchObject({ value: 2 });
    expect(asked).toHaveLength(2);
    const uncertain = scripted(
      () => throwing(new EasynetError("TASK_UNCERTAIN", { peer: "nine", taskId: "order-1", capability: "work" })),
      [place],
    );
    const other = routerOver({ a: answer(0) }, { ...disk, tasks: uncertain.tasks });
    expect(codeOf(endOf(await collect(other.router.call({ ...work, id: "order-1" }))))).toBe("TASK_UNCERTAIN");
    expect(uncertain.asked).toHaveLength(1);
  });
});
