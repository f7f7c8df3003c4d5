import { networkInterfaces } from "node:os";
import type { Did } from "../identity/index.ts";
import { type Clock, type Logger, type Random, type Timer } from "../kernel/index.ts";
import { type ChosenInterface, chooseInterfaces, type SkippedInterface } from "./mdns-interfaces.ts";
import { type Answer, type MdnsHint, type MdnsReading, readAnswers } from "./mdns-records.ts";
import { MdnsSocket, type OpenMulticast } from "./mdns-socket.ts";

const RESCAN_INTERVAL_MS = 10_000;
/** While no interface is there (a machine that boots, a cable that is out). */
const RESCAN_INTERVAL_MS_EMPTY = 1000;
/** The same hint is passed on again only after this long: a lost dial is tried again, a chatty node is not a flood. */
const HINT_REPEAT_INTERVAL_MS = 5000;
/** Nodes remembered for that; the oldest is forgotten first. */
const HINTS_COUNT_MAX = 1024;

export interface MdnsOptions {
  /** Interface names or IPv4 addresses. @default every IPv4 interface that is neither loopback nor virtual */
  readonly interfaces?: readonly string[] | undefined;
  /** From `networkTag`. */
  readonly networkTag: string;
  readonly did: Did;
  /** Shown to people of the same network. */
  readonly name: string;
  /** Port of the mesh, 1..65535. */
  readonly port: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** A node of the same network said where it is. Not proven: dial it to find out. */
  readonly onHint: (hint: MdnsHint) => void;
  /** The machine's interfaces. @default os.networkInterfaces */
  readonly machine?: typeof networkInterfaces;
  /** Opens a multicast socket. @default that of multicast-dns, loaded on start */
  readonly open?: OpenMulticast;
}

export interface MdnsInterfaceState {
  readonly interface: string;
  /** IPv4; empty when the interface does not exist. */
  readonly address: string;
  /** `listening`, `heard` (somebody else spoke), `skipped: reason` or `failed: reason`. */
  readonly state: string;
}

export interface MdnsStatus {
  readonly interfaces: readonly MdnsInterfaceState[];
  /** Members that were heard, with the addresses they told; proven by nothing. */
  readonly heard: readonly MdnsHint[];
  /** Announcements of other networks, not passed on. */
  readonly foreignCount: number;
  /** Packets that could not be read. */
  readonly malformedCount: number;
}

/** Finds nodes of the same network on the local links. Never fails: what does not work is a warning and a state. */
export interface Mdns {
  start(): Promise<void>;
  /** Looks at the interfaces now, announces and asks again: after sleep, on a new network. */
  refresh(): void;
  /** Says goodbye on every interface. */
  stop(): Promise<void>;
  status(): MdnsStatus;
}

export function createMdns(options: MdnsOptions): Mdns {
  return new MdnsService(options);
}

class MdnsService implements Mdns {
  readonly #options: MdnsOptions;
  readonly #sockets = new Map<string, MdnsSocket>();
  readonly #hinted = new Map<Did, { readonly hint: MdnsHint; readonly text: string; readonly atMs: number }>();
  #skipped: readonly SkippedInterface[] = [];
  #open: OpenMulticast | undefined;
  #rescan: Timer | undefined;
  #started = false;
  #foreignCount = 0;
  #malformedCount = 0;

  constructor(options: MdnsOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    this.#open = this.#options.open ?? (await import("multicast-dns")).default;
    if (!this.#started) return;
    this.#scanAgainAndAgain();
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#rescan?.cancel();
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    await Promise.all(sockets.map((socket) => socket.close()));
  }

  refresh(): void {
    if (!this.#open || !this.#started) return;
    this.#hinted.clear();
    this.#scan();
    for (const socket of this.#sockets.values()) socket.refresh();
  }

  status(): MdnsStatus {
    const used = [...this.#sockets.values()].map(({ on, state }) => ({ ...label(on), state }));
    const skipped = this.#skipped.map((one) => ({ ...label(one), state: `skipped: ${one.reason}` }));
    const interfaces = [...used, ...skipped];
    const heard = [...this.#hinted.values()].map(({ hint }) => hint);
    return { interfaces, heard, foreignCount: this.#foreignCount, malformedCount: this.#malformedCount };
  }

  #scanAgainAndAgain(): void {
    this.#scan();
    const intervalMs = this.#sockets.size > 0 ? RESCAN_INTERVAL_MS : RESCAN_INTERVAL_MS_EMPTY;
    this.#rescan = this.#options.clock.setTimer(intervalMs, () => this.#scanAgainAndAgain());
  }

  /** Interfaces come and go (cable, radio, sleep): opens new ones, closes vanished ones. */
  #scan(): void {
    const { chosen, skipped } = chooseInterfaces(
      (this.#options.machine ?? networkInterfaces)(),
      this.#options.interfaces,
    );
    this.#skipped = skipped;
    const present = new Map(chosen.map((one) => [`${one.interface} ${one.address}`, one]));
    for (const [key, socket] of this.#sockets) {
      // A failed one is opened anew with the next scan.
      if (present.has(key) && !socket.state.startsWith("failed")) continue;
      this.#sockets.delete(key);
      void socket.close();
    }
    for (const [key, on] of present) {
      if (!this.#sockets.has(key)) this.#add(key, on);
    }
  }

  #add(key: string, on: ChosenInterface): void {
    const { networkTag, did, name, port, clock, random, logger } = this.#options;
    if (!this.#open) return;
    const socket = new MdnsSocket({
      open: this.#open,
      on,
      self: { networkTag, did, name, port },
      clock,
      random,
      onAnswers: (answers, sender) => this.#onAnswers(socket, answers, sender),
      onProblem: (reason) => logger.warn("multicast does not work here", { interface: on.interface, reason }),
      onMalformed: () => {
        this.#malformedCount++;
      },
    });
    this.#sockets.set(key, socket);
  }

  #onAnswers(socket: MdnsSocket, answers: readonly Answer[], sender: string): void {
    const reading: MdnsReading = readAnswers(this.#options, answers, sender);
    if (reading.kind === "own") return;
    if (reading.kind !== "other" || sender !== socket.on.address) socket.heard();
    if (reading.kind === "foreign") this.#foreignCount++;
    if (reading.kind !== "hint") return;
    if (reading.leaving) this.#hinted.delete(reading.hint.did);
    else this.#pass(reading.hint);
  }

  #pass(hint: MdnsHint): void {
    const nowMs = this.#options.clock.monotonicMs();
    const text = hint.addresses.join(" ");
    const last = this.#hinted.get(hint.did);
    if (last?.text === text && nowMs - last.atMs < HINT_REPEAT_INTERVAL_MS) return;
    this.#hinted.delete(hint.did);
    if (this.#hinted.size >= HINTS_COUNT_MAX) {
      const oldest = this.#hinted.keys().next();
      if (!oldest.done) this.#hinted.delete(oldest.value);
    }
    this.#hinted.set(hint.did, { hint, text, atMs: nowMs });
    try {
      this.#options.onHint(hint);
    } catch (error) {
      this.#options.logger.error("hint handler failed", { error });
    }
  }
}

function label(on: { readonly interface: string; readonly address: string }): {
  readonly interface: string;
  readonly address: string;
} {
  return { interface: on.interface, address: on.address };
}
