/** One of the two processes of a run: `messaging-worker.ts consume|publish SYSTEM ADDRESS`; takes orders over IPC. */
import { randomFillSync } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Consumer, nowUs, type Publisher, readStamp, stamp, STAMP_BYTES, type System } from "./system.ts";

export type Order =
  /** Consumer: answered when so many messages were consumed and acknowledged. */
  | { readonly do: "expect"; readonly count: number }
  /** Publisher: so many, `outstanding` of them not confirmed at a time. */
  | { readonly do: "load"; readonly size: number; readonly count: number; readonly outstanding: number }
  /** Publisher: so many without waiting for confirmations. */
  | { readonly do: "stream"; readonly size: number; readonly count: number }
  /** Publisher: so many at this rate. */
  | { readonly do: "pace"; readonly size: number; readonly count: number; readonly perSecond: number }
  | { readonly do: "cpu" };

export interface Outcome {
  readonly startedAtUs?: number;
  readonly endedAtUs?: number;
  readonly latenciesUs?: readonly number[];
  readonly cpuUs?: number;
  readonly error?: string;
}

export type Report =
  | { readonly kind: "ready"; readonly address: unknown }
  | { readonly kind: "answer"; readonly id: number; readonly outcome: Outcome };

const [, , role = "", name = "", addressJson = "null"] = process.argv;
const address: unknown = JSON.parse(addressJson);

async function loadSystem(): Promise<System> {
  if (name === "redis") return (await import("./redis.ts")).redisSystem;
  if (name === "rabbitmq") return (await import("./rabbitmq.ts")).rabbitmqSystem;
  if (name === "nats") return (await import("./nats-jetstream.ts")).natsSystem;
  if (name === "floor") return (await import("./floor.ts")).floorSystem;
  const { easynetSystem } = await import("./easynet.ts");
  return easynetSystem(name === "easynet-volatile" ? "volatile" : "disk");
}

/** Counts what is consumed, and checks that nothing is missing, doubled or out of order. */
class Tally {
  #latenciesUs: number[] = [];
  #expected = Number.POSITIVE_INFINITY;
  #next = 0;
  #done: (() => void) | undefined;
  #fault = "";

  readonly handle = (body: Uint8Array): void => {
    const { sentAtUs, sequence } = readStamp(body);
    this.#latenciesUs.push(nowUs() - sentAtUs);
    if (sequence !== this.#next) this.#fault ||= `message ${sequence} came where ${this.#next} was due`;
    this.#next = sequence + 1;
    if (this.#latenciesUs.length >= this.#expected) this.#done?.();
  };

  async expect(count: number): Promise<readonly number[]> {
    this.#latenciesUs = [];
    this.#expected = count;
    this.#next = 0;
    this.#fault = "";
    await new Promise<void>((resolve) => {
      this.#done = resolve;
    });
    if (this.#fault !== "") throw new Error(this.#fault);
    return this.#latenciesUs;
  }
}

/** Publishes `count` messages; `pace` says when to wait, after the message with that number. */
async function publishAll(
  { size, count }: { readonly size: number; readonly count: number },
  send: (body: Buffer, sequence: number) => Promise<void> | undefined,
): Promise<void> {
  const filler = randomFillSync(Buffer.alloc(Math.max(size, STAMP_BYTES)));
  for (let sequence = 0; sequence < count; sequence += 1) {
    const body = Buffer.from(filler);
    stamp(body, sequence);
    const wait = send(body, sequence);
    if (wait) await wait;
  }
}

/** How many messages are confirmed, and whoever waits for more of them. */
class Confirmations {
  #count = 0;
  #failure: unknown;
  #resume: (() => void) | undefined;

  get count(): number {
    return this.#count;
  }

  add(confirmation: Promise<void>): void {
    confirmation.then(
      () => {
        this.#count += 1;
        this.#resume?.();
      },
      (error: unknown) => {
        this.#failure = error;
        this.#resume?.();
      },
    );
  }

  async until(count: number): Promise<void> {
    while (this.#count < count && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}

async function load(publisher: Publisher, order: Extract<Order, { do: "load" }>): Promise<Outcome> {
  const startedAtUs = nowUs();
  const confirmed = new Confirmations();
  await publishAll(order, (body, sequence) => {
    confirmed.add(publisher.publish(body));
    const waiting = sequence + 1 - confirmed.count;
    return waiting >= order.outstanding ? confirmed.until(sequence + 2 - order.outstanding) : undefined;
  });
  await confirmed.until(order.count);
  return { startedAtUs, endedAtUs: nowUs() };
}

async function stream(publisher: Publisher, order: Extract<Order, { do: "stream" }>): Promise<Outcome> {
  const startedAtUs = nowUs();
  await publishAll(order, (body) => publisher.offer?.(body));
  return { startedAtUs, endedAtUs: nowUs() };
}

async function pace(publisher: Publisher, order: Extract<Order, { do: "pace" }>): Promise<Outcome> {
  const latenciesUs: number[] = [];
  const confirmations: Promise<void>[] = [];
  const startedAtUs = nowUs();
  await publishAll(order, (body, sequence) => {
    const sentAtUs = nowUs();
    confirmations.push(publisher.publish(body).then(() => void latenciesUs.push(nowUs() - sentAtUs)));
    const dueInMs = (((sequence + 1) / order.perSecond) * 1_000_000 - (nowUs() - startedAtUs)) / 1000;
    // A timer fires after a whole millisecond at the earliest: what is due by then leaves together.
    return dueInMs > 0.5 ? sleep(Math.max(1, Math.floor(dueInMs))) : undefined;
  });
  await Promise.all(confirmations);
  return { startedAtUs, endedAtUs: nowUs(), latenciesUs };
}

function cpu(): Outcome {
  const { user, system } = process.cpuUsage();
  return { cpuUs: user + system };
}

const system = await loadSystem();
const tally = new Tally();
let consumer: Consumer | undefined;
let publisher: Publisher | undefined;
if (role === "consume") consumer = await system.consume(address, tally.handle);
else publisher = await system.publisher(address);

async function obey(order: Order): Promise<Outcome> {
  if (order.do === "cpu") return cpu();
  if (order.do === "expect") {
    const latenciesUs = await tally.expect(order.count);
    await consumer?.settled();
    return { latenciesUs, endedAtUs: nowUs() };
  }
  if (!publisher) throw new Error("this process consumes");
  if (order.do === "load") return load(publisher, order);
  return order.do === "pace" ? pace(publisher, order) : stream(publisher, order);
}

process.on("message", ({ id, order }: { readonly id: number; readonly order: Order }) => {
  const answer = (outcome: Outcome): void => void process.send?.({ kind: "answer", id, outcome });
  obey(order).then(answer, (error: unknown) => answer({ error: String(error) }));
});
process.send?.({ kind: "ready", address: consumer?.address ?? null });
