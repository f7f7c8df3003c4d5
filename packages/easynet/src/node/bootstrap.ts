import type { Did } from "../identity/index.ts";
import {
  backoffMs,
  type Clock,
  isEasynetError,
  type Logger,
  type Random,
  type Timer,
  toEasynetError,
} from "../kernel/index.ts";
import { type Mesh, parseAddress } from "../mesh/index.ts";

const PAUSE_MS_MIN = 200;
const RETRY = { baseMs: 500, capMs: 15_000 };

export interface BootstrapPorts {
  readonly mesh: Pick<Mesh, "self" | "connect" | "peers">;
  /** True for members that live as far as this node knows, linked or not. */
  readonly isAlive: (did: Did) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Dials the given members until each was reached or is known to live, and again when they are gone, until it is
 * disposed. To have any link is not enough: when all start at once, two parts of a network would each be content.
 */
export function keepDialling(addresses: readonly string[], ports: BootstrapPorts): Disposable {
  const dialling = new Dialling(addresses, ports);
  dialling.start();
  return dialling;
}

class Dialling implements Disposable {
  readonly #ports: BootstrapPorts;
  /** Who answers at an address, once that is known. */
  readonly #members: Map<string, Did | undefined>;
  readonly #told = new Set<string>();
  #timer: Timer | undefined;
  #disposed = false;

  constructor(addresses: readonly string[], ports: BootstrapPorts) {
    this.#ports = ports;
    const members = addresses.map((address) => [address, keyIn(address)] as const);
    this.#members = new Map(members.filter(([, did]) => did !== ports.mesh.self));
  }

  start(): void {
    if (this.#members.size > 0) void this.#round(0);
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.cancel();
  }

  async #round(number: number): Promise<void> {
    const { clock, random } = this.#ports;
    const away = this.#away();
    await Promise.all(away.map((address) => this.#dial(address)));
    if (this.#disposed) return;
    const next = away.length === 0 ? 0 : number + 1;
    this.#timer = clock.setTimer(PAUSE_MS_MIN + backoffMs(number, RETRY, random), () => void this.#round(next));
  }

  #away(): readonly string[] {
    const { mesh, isAlive } = this.#ports;
    const linked = new Set(mesh.peers().map(({ did }) => did));
    return [...this.#members].flatMap(([address, did]) =>
      did !== undefined && (linked.has(did) || isAlive(did)) ? [] : [address],
    );
  }

  async #dial(address: string): Promise<void> {
    const { mesh, logger } = this.#ports;
    try {
      this.#members.set(address, (await mesh.connect(address)).did);
      this.#told.delete(address);
    } catch (thrown) {
      // Once: an address that no longer leads anywhere is dialled for as long as the node runs.
      if (this.#told.has(address)) return;
      this.#told.add(address);
      logger.warn("bootstrap member not reached", { address, code: toEasynetError(thrown).code });
    }
  }
}

/** The key that an address names; undefined when it names none, or is no address, which the dial tells. */
function keyIn(address: string): Did | undefined {
  try {
    return parseAddress(address).did;
  } catch (error) {
    if (isEasynetError(error, "INVALID_ARGUMENT")) return undefined;
    throw error;
  }
}
