import type { Options, QueryPacket, ResponsePacket } from "multicast-dns";
import { type Clock, type Random, type Timer } from "../kernel/index.ts";
import { type ChosenInterface, isOnLink } from "./mdns-interfaces.ts";
import { announcement, type Answer, MDNS_SERVICE, type MdnsSelf, type Question } from "./mdns-records.ts";

/** Two multicasts of the same records are at least this far apart (RFC 6762 section 6). */
const ANNOUNCE_INTERVAL_MS_MIN = 1000;
/** An answer waits 20 to 120 ms, so that those of many nodes do not collide (RFC 6762 section 6). */
const ANSWER_DELAY_MS_MIN = 20;
const ANSWER_DELAY_MS_SPAN = 100;
/** Multicast is lost easily on radio networks: asked and announced again, then now and then. */
const ASK_DELAYS_MS = [1000, 3000, 9000] as const;
const ASK_INTERVAL_MS = 30_000;
const GOODBYE_TIMEOUT_MS = 250;

type Done = (error: Error | null) => void;
type From = { readonly address: string };

/** What is used of a socket of multicast-dns. */
export interface MulticastSocket {
  on(event: "ready", listener: () => void): unknown;
  on(event: "error" | "warning", listener: (error: NodeJS.ErrnoException) => void): unknown;
  on(event: "query", listener: (packet: Pick<QueryPacket, "questions">, from: From) => void): unknown;
  on(
    event: "response",
    listener: (packet: Pick<ResponsePacket, "answers" | "additionals">, from: From) => void,
  ): unknown;
  query(questions: Question[], done: Done): void;
  respond(answers: Answer[], done: Done): void;
  destroy(done: () => void): void;
}

export type OpenMulticast = (options: Options) => MulticastSocket;

export interface MdnsSocketOptions {
  readonly open: OpenMulticast;
  readonly on: ChosenInterface;
  readonly self: MdnsSelf;
  readonly clock: Clock;
  readonly random: Random;
  /** Answers of a response that came from this interface's network. */
  readonly onAnswers: (answers: readonly Answer[], sender: string) => void;
  readonly onProblem: (reason: string) => void;
  readonly onMalformed: () => void;
}

/** One multicast socket on one interface: announces, asks, answers. Errors never leave it as exceptions. */
export class MdnsSocket {
  readonly on: ChosenInterface;
  /** `listening`, `heard` once somebody else spoke, or `failed: reason`. */
  state = "listening";
  readonly #options: MdnsSocketOptions;
  readonly #dns: MulticastSocket;
  readonly #timers = new Set<Timer>();
  #announcedAtMs = Number.NEGATIVE_INFINITY;
  #announceTimer: Timer | undefined;
  #closed = false;

  constructor(options: MdnsSocketOptions) {
    this.#options = options;
    this.on = options.on;
    // Bound to every address: a socket bound to the interface's own address receives no multicast.
    this.#dns = options.open({ interface: options.on.address, bind: "0.0.0.0", reuseAddr: true });
    this.#dns.on("error", (error) => this.#fail(error));
    this.#dns.on("warning", (error: NodeJS.ErrnoException) => {
      if (error.syscall === undefined) options.onMalformed();
      else this.#fail(error);
    });
    this.#dns.on("ready", () => this.#begin());
    this.#dns.on("query", (packet, from) => this.#onQuery(packet.questions ?? [], from.address));
    this.#dns.on("response", (packet, from) => {
      const answers = [...(packet.answers ?? []), ...(packet.additionals ?? [])];
      if (isOnLink(this.on, from.address)) this.#options.onAnswers(answers, from.address);
    });
  }

  /** Somebody else was heard here. */
  heard(): void {
    this.state = "heard";
  }

  /** Announces and asks again, as it did at first. */
  refresh(): void {
    if (this.#closed || this.state.startsWith("failed")) return;
    this.#announceSoon();
    this.#ask();
  }

  /** Says goodbye and closes; at most a quarter of a second. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#announceTimer?.cancel();
    const { self } = this.#options;
    if (!this.state.startsWith("failed")) {
      await this.#within((done) => this.#dns.respond(announcement(self, this.on.address, true), () => done()));
    }
    await this.#within((done) => this.#dns.destroy(done));
  }

  #within(run: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.setTimer(GOODBYE_TIMEOUT_MS, resolve);
      try {
        run(resolve);
      } catch {
        resolve();
      }
    });
  }

  #begin(): void {
    if (this.#closed) return;
    this.#announce();
    this.#ask();
    for (const delayMs of ASK_DELAYS_MS) this.#later(delayMs, () => this.#ask());
    const again = (): void => {
      this.#later(ASK_INTERVAL_MS * (0.75 + this.#options.random.next() / 2), () => {
        this.#ask();
        this.#announceSoon();
        again();
      });
    };
    again();
    this.#later(ANNOUNCE_INTERVAL_MS_MIN, () => this.#announce());
  }

  #later(delayMs: number, run: () => void): void {
    const timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      if (!this.#closed) run();
    });
    this.#timers.add(timer);
  }

  #onQuery(questions: readonly Question[], sender: string): void {
    if (!isOnLink(this.on, sender)) return;
    if (sender !== this.on.address) this.heard();
    const kinds: readonly (string | undefined)[] = ["PTR", "ANY"];
    const asked = questions.some((one) => one.name === MDNS_SERVICE && kinds.includes(one.type));
    if (asked) this.#announceSoon();
  }

  #announceSoon(): void {
    if (this.#announceTimer || this.#closed) return;
    const { clock, random } = this.#options;
    const jitterMs = ANSWER_DELAY_MS_MIN + random.next() * ANSWER_DELAY_MS_SPAN;
    const restMs = this.#announcedAtMs + ANNOUNCE_INTERVAL_MS_MIN - clock.monotonicMs();
    this.#announceTimer = clock.setTimer(Math.max(jitterMs, restMs), () => {
      this.#announceTimer = undefined;
      if (!this.#closed) this.#announce();
    });
  }

  #announce(): void {
    this.#announcedAtMs = this.#options.clock.monotonicMs();
    this.#dns.respond(announcement(this.#options.self, this.on.address), (error: Error | null) => {
      if (error) this.#fail(error);
    });
  }

  #ask(): void {
    this.#dns.query([{ name: MDNS_SERVICE, type: "PTR" }], (error: Error | null) => {
      if (error) this.#fail(error);
    });
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (this.#closed) return;
    const reason = error.code === "EADDRINUSE" ? "port 5353 is held exclusively by another program" : error.message;
    const state = `failed: ${reason}`;
    if (this.state === state) return;
    this.state = state;
    this.#options.onProblem(reason);
  }
}
