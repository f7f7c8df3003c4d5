/** A client of a simulated group: one operation after the other on a few registers, repeated until somebody answers. */
import { pick, type Random } from "../../../packages/easynet/src/kernel/index.ts";
import type { Operation as Change, Reply } from "../../../packages/easynet/src/state/critical/operations.ts";
import type { Operation, RegisterCall } from "../../../packages/easynet/src/testing/linearizability/index.ts";
import type { EventWheel } from "./event-wheel.ts";
import type { Answer, Request } from "./member.ts";

/** A call on one of the registers. */
export type KeyedCall = RegisterCall & { readonly key: string };

export interface ClientOptions {
  readonly name: string;
  readonly memberCount: number;
  readonly keys: readonly string[];
  readonly wheel: EventWheel;
  readonly random: Random;
  /** Calls back at most once, or never. */
  readonly ask: (member: number, request: Request, answer: (answer: Answer) => void) => void;
  /** Strictly rising: the order of what happens in the world. */
  readonly order: () => number;
  readonly history: Operation<KeyedCall>[];
}

const PATIENCE_MS = 250;
const RETRY_MS = 15;
const THINK_MS_MAX = 50;
/** Then it does not know what became of the operation, and goes on as somebody else. */
const ATTEMPTS_MAX = 12;

/** What a client knows a register to hold, from its last answer. */
interface Known {
  readonly value: string | undefined;
  readonly revision: number;
}

export class Client {
  /** Operations that were answered. */
  answeredCount = 0;
  readonly #options: ClientOptions;
  readonly #known = new Map<string, Known>();
  /** Of this identity; 0 opens the session. */
  #sequence = 0;
  #identity = 0;
  #member: number;
  #valueCount = 0;
  #attempt = 0;
  #stopping = false;
  #busy = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#member = 1 + Math.floor(options.random.next() * options.memberCount);
    this.#think();
  }

  get idle(): boolean {
    return !this.#busy;
  }

  /** Begins nothing further. */
  stop(): void {
    this.#stopping = true;
  }

  #think(): void {
    const { wheel, random } = this.#options;
    this.#busy = false;
    wheel.after(Math.floor(random.next() * THINK_MS_MAX), () => {
      if (this.#stopping) return;
      this.#busy = true;
      this.#attempt = 0;
      if (this.#sequence === 0) this.#open();
      else this.#operate();
    });
  }

  #open(): void {
    const batch = { client: this.#clientId, sequence: 0, answeredBelow: 1, operations: [] };
    this.#ask({ kind: "batch", batch }, (answer) => {
      if (answer) this.#sequence = 1;
      this.#think();
    });
  }

  get #clientId(): string {
    return `${this.#options.name}.${this.#identity}`;
  }

  #operate(): void {
    const { random, keys } = this.#options;
    const key = pick(random, keys) ?? "";
    const known = this.#known.get(key);
    const chance = random.next();
    if (chance < 0.5) this.#read(key);
    else if (chance < 0.7 || !known) this.#write(key);
    else this.#swap(key, known);
  }

  #read(key: string): void {
    const invokedAt = this.#options.order();
    this.#ask({ kind: "query", query: { kind: "get", key } }, (answer) => {
      if (answer?.kind !== "answer") return this.#think();
      const [entry] = answer.answer.kind === "entries" ? answer.answer.entries : [];
      const value = entry && textOf(entry.value);
      this.#learn(key, { value, revision: entry?.revision ?? 0 });
      this.#record({ kind: "read", value, key }, invokedAt);
      this.#think();
    });
  }

  #write(key: string): void {
    const value = this.#newValue();
    const call = { kind: "write", value, key } as const;
    this.#change({ kind: "put", key, value: Buffer.from(value) }, call, (reply) => {
      if (reply.kind !== "written") return undefined;
      this.#learn(key, { value, revision: reply.revision });
      return call;
    });
  }

  #swap(key: string, { value: from, revision }: Known): void {
    const to = this.#newValue();
    const call = { kind: "cas", from, to, done: true, key } as const;
    this.#change({ kind: "set", key, revision, value: Buffer.from(to) }, call, (reply) => {
      if (reply.kind === "written") {
        this.#learn(key, { value: to, revision: reply.revision });
        return call;
      }
      if (reply.kind !== "unchanged") return undefined;
      const { current } = reply;
      this.#learn(key, { value: current && textOf(current.value), revision: current?.revision ?? 0 });
      return { ...call, done: false };
    });
  }

  #change(operation: Change, asked: KeyedCall, read: (reply: Reply) => KeyedCall | undefined): void {
    const invokedAt = this.#options.order();
    const sequence = this.#sequence++;
    const batch = { client: this.#clientId, sequence, answeredBelow: sequence, operations: [operation] };
    this.#ask({ kind: "batch", batch }, (answer) => {
      const reply = answer?.kind === "replies" ? answer.replies?.[0] : undefined;
      const call = reply && read(reply);
      if (call) this.#record(call, invokedAt);
      else {
        this.#options.history.push({ call: asked, invokedAt, returnedAt: Infinity });
        this.#identity += 1;
        this.#sequence = 0;
      }
      this.#think();
    });
  }

  /** Asks one member after the other; undefined when it has given up. */
  #ask(request: Request, done: (answer: Answer | undefined) => void): void {
    const { wheel, random, memberCount, ask } = this.#options;
    if (++this.#attempt > ATTEMPTS_MAX) return done(undefined);
    let open = true;
    const settle = (answer: Answer): void => {
      if (!open) return;
      open = false;
      if (answer.kind !== "nobody") return done(answer);
      this.#member = 1 + Math.floor(random.next() * memberCount);
      wheel.after(RETRY_MS, () => this.#ask(request, done));
    };
    ask(this.#member, request, settle);
    wheel.after(PATIENCE_MS, () => settle({ kind: "nobody" }));
    return undefined;
  }

  #record(call: KeyedCall, invokedAt: number): void {
    this.answeredCount += 1;
    this.#options.history.push({ call, invokedAt, returnedAt: this.#options.order() });
  }

  #learn(key: string, known: Known): void {
    this.#known.set(key, known);
  }

  #newValue(): string {
    return `${this.#options.name}-${++this.#valueCount}`;
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
