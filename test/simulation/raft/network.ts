/** What happens to messages between the members of a simulated group. */
import type { Random } from "../../../packages/easynet/src/kernel/index.ts";
import type { Message } from "../../../packages/easynet/src/state/raft/types.ts";
import type { EventWheel } from "./event-wheel.ts";
import type { Weather } from "./profiles.ts";

const TAIL_FACTOR = 20;

export class Network {
  /** Called with what is lost, which a transport may notice. */
  onLost: (message: Message) => void = () => undefined;
  onArrival: (message: Message) => void = () => undefined;
  /** Extra delay of a message, ms; Infinity loses it. For scripts. */
  delay: (message: Message) => number = () => 0;
  weather: Weather;
  sentCount = 0;
  readonly #memberCount: number;
  readonly #wheel: EventWheel;
  readonly #random: Random;
  /** Row from, column to. */
  readonly #cut: Uint8Array;

  constructor(parts: {
    readonly memberCount: number;
    readonly wheel: EventWheel;
    readonly random: Random;
    readonly weather: Weather;
  }) {
    this.#memberCount = parts.memberCount;
    this.#wheel = parts.wheel;
    this.#random = parts.random;
    this.weather = parts.weather;
    this.#cut = new Uint8Array((parts.memberCount + 1) ** 2);
  }

  send(message: Message): void {
    this.sentCount += 1;
    const { lossRatio, doubleRatio } = this.weather;
    const extraMs = this.delay(message);
    if (extraMs === Infinity || this.#random.next() < lossRatio) {
      // Noticed later, as it would be: whoever sends is in the middle of it.
      this.#wheel.after(0, () => this.onLost(message));
      return;
    }
    this.#carry(message, extraMs);
    if (doubleRatio > 0 && this.#random.next() < doubleRatio) this.#carry(message, extraMs);
  }

  /** One way, ms. */
  latencyMs(): number {
    const { latencyMsMax, tailRatio } = this.weather;
    const factor = tailRatio > 0 && this.#random.next() < tailRatio ? TAIL_FACTOR : 1;
    return 1 + Math.floor(this.#random.next() * latencyMsMax * factor);
  }

  /** Messages from one to the other get lost, also those on their way. */
  cut(from: number, to: number): void {
    this.#cut[from * (this.#memberCount + 1) + to] = 1;
  }

  isolate(id: number): void {
    for (let other = 1; other <= this.#memberCount; other++) {
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  heal(): void {
    this.#cut.fill(0);
  }

  #carry(message: Message, extraMs: number): void {
    this.#wheel.after(this.latencyMs() + extraMs, () => {
      if (this.#cut[message.from * (this.#memberCount + 1) + message.to] === 1) this.onLost(message);
      else this.onArrival(message);
    });
  }
}
